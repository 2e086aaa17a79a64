"""Readings, and the lines in which a database takes them."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from influxdb_client.client.write.point import Point
from influxdb_client.domain.write_precision import WritePrecision

from conche.contract.measurements import KOTEKAN, MEASUREMENTS, FieldKind, Measurement

Value: TypeAlias = float | int | bool | str | None
Fields: TypeAlias = Mapping[str, Value]
Tags: TypeAlias = Mapping[str, str]

LONGEST_TEXT: Final = 200
"""Characters of a text, as the catalogue promises."""

LONGEST_TAG: Final = 256
"""Characters of a tag's value, or name: a database refuses a series whose tags have more than 64 kB together."""

_KINDS: Final = {
    measurement.name: {field.name: field.kind for field in measurement.fields} for measurement in MEASUREMENTS
}
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]+")
"""A newline ends a line, and no server is asked what it makes of the others."""

_point: Callable[[str], Any] = Point  # the library has no types

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class ReadingInvalid(ValueError):
    """A tag or a field that is not in the catalogue: an error of whoever made the reading."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one series was at one time.

    Parameters
    ----------
    measurement
        Of the catalogue.
    tags
        What tells its series apart.
    fields
        What it was; None for what is not known.
    at_ns
        UNIX time [ns].
    """

    measurement: Measurement
    tags: Tags
    fields: Fields
    at_ns: int


def time_ns(at: datetime) -> int:
    """Return a time as UNIX time [ns], exact: a float of it would be 100 ns off."""
    return (at - _EPOCH) // _MICROSECOND * 1_000


def line_of(reading: Reading) -> str:
    """Return a reading as a line of InfluxDB's protocol; empty for one of which nothing is known.

    Raises
    ------
    ReadingInvalid
        The catalogue has no such tag or field.
    """
    measurement = reading.measurement
    kinds = _KINDS[measurement.name]
    point = _point(measurement.name)
    for name, tag in reading.tags.items():
        if name not in measurement.tags and measurement is not KOTEKAN:
            raise ReadingInvalid(f"{measurement.name} has no tag {name}")
        if (key := _tag(name)) and (cleaned := _tag(tag)):
            point.tag(key, cleaned)
    known = False
    for name, value in reading.fields.items():
        if name not in kinds:
            raise ReadingInvalid(f"{measurement.name} has no field {name}")
        if (cast := _cast(kinds[name], value)) is not None:
            point.field(name, cast)
            known = True
    if not known:
        return ""
    point.time(reading.at_ns, write_precision=WritePrecision.NS)
    return str(point.to_line_protocol())


def _tag(text: str) -> str:
    """Return a tag's name or value; a backslash at its end would escape what follows it, and none escapes it."""
    return _CONTROLS.sub(" ", text).replace("\\", "/").strip()[:LONGEST_TAG].rstrip()


def _cast(kind: FieldKind, value: Any) -> Value:
    """Return a value in the kind that the catalogue says: a database refuses the field in another one."""
    if value is None:
        return None
    match kind:
        case FieldKind.FLOAT:
            number = float(value)
            return number if math.isfinite(number) else None
        case FieldKind.INTEGER | FieldKind.FLAG:
            return int(value)
        case FieldKind.TEXT:
            return _CONTROLS.sub(" ", str(value))[:LONGEST_TEXT]
