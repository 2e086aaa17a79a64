"""Questions in InfluxQL, made of the catalogue's names: one that it does not have is an error when they are made.

InfluxQL is the one language that InfluxDB 1, 2 and 3 all answer. ``fill(previous)`` stands in no inner question: the
sums of InfluxDB 1.6 over such a one come out as if each series stood alone (measured with 1.6.7).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from conche.contract.measurements import Measurement
from conche.influx.influxql import quoted_name, quoted_text

WITHIN: Final = "$timeFilter"
"""What Grafana makes the time range of."""

LAST: Final = "last({})"
MEAN: Final = "mean({})"
WORST: Final = "max({})"
PER_SECOND: Final = "non_negative_derivative(last({}), 1s)"
"""Of a counter: where it began anew there is a gap, and no negative rate."""
MORE: Final = "non_negative_difference(last({}))"
"""By how much a counter grew since the interval before."""


@dataclass(frozen=True, slots=True)
class Column:
    """What is asked of a field.

    Parameters
    ----------
    field
        Its name in the catalogue.
    function
        What is done with it.
    name
        What the column is called; None: as the field.
    """

    field: str
    function: str = LAST
    name: str | None = None

    def text(self, measurement: Measurement) -> str:
        """Return it as it stands in a question."""
        field = measurement.field(self.field)
        return f"{self.function.format(quoted_name(field.name))} AS {quoted_name(self.name or field.name)}"


@dataclass(frozen=True, slots=True)
class Where:
    """A condition.

    Parameters
    ----------
    name
        Of a tag or a field.
    test
        What has to hold of it.
    """

    name: str
    test: str

    def text(self, measurement: Measurement) -> str:
        """Return it as it stands in a question."""
        return f"{_known(measurement, self.name)} {self.test}"


def chosen(tag: str) -> Where:
    """Return the condition that a tag is what was chosen above the dashboard: one, some or all."""
    return Where(tag, f"=~ /^${tag}$/")


def is_(name: str, text: str) -> Where:
    """Return the condition that something is a text."""
    return Where(name, f"= {quoted_text(text)}")


def is_not(name: str, text: str) -> Where:
    """Return the condition that something is not a text."""
    return Where(name, f"!= {quoted_text(text)}")


def is_like(name: str, expression: str) -> Where:
    """Return the condition that a tag is like a regular expression, which has no slash in it."""
    return Where(name, f"=~ /{expression}/")


def over_time(
    measurement: Measurement,
    *columns: Column,
    by: Sequence[str] = (),
    where: Sequence[Where] = (),
    fill: str = "null",
) -> str:
    """Return the question for figures in each interval of a picture.

    Parameters
    ----------
    measurement
        Of what.
    columns
        Which figures.
    by
        Tags that tell the series apart; ``*``: all that there are.
    where
        Which series or points.
    fill
        What stands in an interval without a point.
    """
    tags = [tag if tag == "*" else _tag(measurement, tag) for tag in by]
    groups = ", ".join(["time($__interval)", *tags])
    return f"{_select(measurement, columns, where)} GROUP BY {groups} fill({fill})"


def newest(
    measurement: Measurement, *columns: Column, by: Sequence[str] = (), where: Sequence[Where] = ()
) -> str:
    """Return the question for the last figures in the time range, each by itself."""
    return _select(measurement, columns, where) + _grouped(measurement, by)


def newest_point(
    measurement: Measurement, first: str, *others: str, by: Sequence[str], where: Sequence[Where] = ()
) -> str:
    """Return the question for the last point of each series, whole: what it left out is left out.

    Parameters
    ----------
    measurement
        Of what.
    first
        A field that every point has.
    others
        More of its fields.
    by
        Tags that tell the series apart.
    where
        Which series or points.
    """
    fields = [f"{quoted_name(name)} AS {quoted_name(name)}" for name in _fields(measurement, others)]
    columns = ", ".join([Column(first).text(measurement), *fields])
    return f"SELECT {columns} {_of(measurement, where)}{_grouped(measurement, by)}"


def those(measurement: Measurement, question: str, *names: str, by: Sequence[str], which: str) -> str:
    """Return the question for the rows of another one's answer of which something holds."""
    columns = ", ".join(quoted_name(name) for name in _fields(measurement, names))
    return f"SELECT {columns} FROM ({question}) WHERE {which}{_grouped(measurement, by)}"


def total(measurement: Measurement, question: str, *names: str) -> str:
    """Return the question for the sums over the series of another one's answer."""
    sums = (f"sum({quoted_name(name)}) AS {quoted_name(name)}" for name in _fields(measurement, names))
    return f"SELECT {', '.join(sums)} FROM ({question})"


def newest_or_none(measurement: Measurement, field: str, *, always: str) -> str:
    """Return the question for the last figure in the time range, or 0 where points are told without it.

    Parameters
    ----------
    measurement
        Of what.
    field
        Of which kind the figure is; it is never negative.
    always
        A field that every point has.
    """
    name = quoted_name(measurement.field(field).name)
    last = newest(measurement, Column(field))
    none = newest(measurement, Column(always, "count({}) * 0", field))
    return f"SELECT max({name}) AS {name} FROM ({last}), ({none})"


def share(measurement: Measurement, flag: str, *, by: Sequence[str]) -> str:
    """Return the question for the share of points in the time range of which a flag holds."""
    return newest(measurement, Column(flag, MEAN), by=by)


def rate_of_points(measurement: Measurement, field: str, *, by: Sequence[str], over_s: int) -> str:
    """Return the question for how many points there are, as a mean of every two intervals: the last is cut short."""
    column = Column(field, "moving_average(count({}), 2)")
    tags = ", ".join(_tag(measurement, tag) for tag in by)
    return f"{_select(measurement, [column], ())} GROUP BY time({over_s}s), {tags} fill(0)"


def summed_growth(measurement: Measurement, counter: str) -> str:
    """Return the question for how much a counter grew in the time range, also where it began anew in between."""
    name = quoted_name(measurement.field(counter).name)
    grown = f"SELECT non_negative_difference({name}) AS {name} {_of(measurement, ())}"
    return f"SELECT sum({name}) AS {name} FROM ({grown})"


def last_rows(measurement: Measurement, *names: str, where: Sequence[Where] = (), limit: int) -> str:
    """Return the question for the latest points, with those of their tags and fields that are named."""
    columns = ", ".join(_known(measurement, name) for name in names)
    return f"SELECT {columns} {_of(measurement, where)} ORDER BY time DESC LIMIT {limit}"


def values_of(measurement: Measurement, tag: str, *, where: Sequence[Where] = ()) -> str:
    """Return the question for the values that a tag has."""
    tests = " AND ".join(one.text(measurement) for one in where)
    known = f"SHOW TAG VALUES FROM {quoted_name(measurement.name)} WITH KEY = {_tag(measurement, tag)}"
    return f"{known} WHERE {tests}" if tests else known


def _select(measurement: Measurement, columns: Sequence[Column], where: Sequence[Where]) -> str:
    return f"SELECT {', '.join(one.text(measurement) for one in columns)} {_of(measurement, where)}"


def _of(measurement: Measurement, where: Sequence[Where]) -> str:
    tests = " AND ".join([*(one.text(measurement) for one in where), WITHIN])
    return f"FROM {quoted_name(measurement.name)} WHERE {tests}"


def _grouped(measurement: Measurement, by: Sequence[str]) -> str:
    return f" GROUP BY {', '.join(_tag(measurement, tag) for tag in by)}" if by else ""


def _fields(measurement: Measurement, names: Sequence[str]) -> Iterator[str]:
    return (measurement.field(name).name for name in names)


def _tag(measurement: Measurement, name: str) -> str:
    if name not in measurement.tags:
        raise KeyError(f"{measurement.name} has no tag {name}")
    return quoted_name(name)


def _known(measurement: Measurement, name: str) -> str:
    return quoted_name(name) if name in measurement.tags else quoted_name(measurement.field(name).name)
