"""The states that are known, each written when it changes and again once a refresh period while it does not."""

import asyncio
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeAlias

from conche.contract.measurements import Measurement

from .readings import Fields, Reading, Tags

Series: TypeAlias = tuple[str, tuple[str, ...]]

AGEING: Final = frozenset(
    {
        "frame0_age_s", "age_s", "days_left", "data_days_left",
        "delta_ut1_inst_s", "xp_as", "yp_as", "uptime_s",
    }
)  # fmt: skip
"""Fields that change by themselves: that they did is no reason to write a point."""

STALE_PERIODS: Final = 3.0
"""What is older than so many of its periods counts no more; workers judge their poller so."""

GRACE_S: Final = 10.0
"""However short its period is, so long nobody is taken for away [s]; a guess: polls take seconds."""

_SLOTS: Final = 2**32


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, by two clocks.

    Parameters
    ----------
    wall
        For people and databases.
    clock
        Monotonic, for periods [s].
    """

    wall: datetime
    clock: float

    @classmethod
    def now(cls) -> "Moment":
        """Return the present."""
        return cls(datetime.now(UTC), asyncio.get_running_loop().time())


def patience_s(period_s: float) -> float:
    """Return for how long something that comes once in a period [s] may fail to come [s]."""
    return max(GRACE_S, STALE_PERIODS * period_s)


Make: TypeAlias = Callable[[Moment], Reading]
"""Makes the reading as it is at a moment: some of what it says, such as an age, changes by itself."""


def series_of(measurement: Measurement, tags: Tags) -> Series:
    """Return what tells a series apart from all others."""
    return measurement.name, tuple(tags.values())


@dataclass(slots=True)
class _Entry:
    make: Make
    steady: Fields
    due: float
    """When it is written again, monotonic [s]."""


class Board:
    """What is known now.

    Parameters
    ----------
    refresh_s
        What has not changed is written again after this [s].
    """

    def __init__(self, *, refresh_s: float) -> None:
        self._refresh_s = refresh_s
        self._entries: dict[Series, _Entry] = {}

    def set(self, make: Make, at: Moment) -> Reading | None:
        """Take how a state is made; return it if it is news.

        Parameters
        ----------
        make
            Makes the reading.
        at
            Now.
        """
        reading = make(at)
        series = series_of(reading.measurement, reading.tags)
        steady = {name: value for name, value in reading.fields.items() if name not in AGEING}
        entry = self._entries.get(series)
        if entry is None:
            # The first time comes early by a part of its own, so that not all are due at once ever after.
            due = at.clock + self._refresh_s * _part(series)
            self._entries[series] = _Entry(make, steady, due)
            return reading
        entry.make = make
        if entry.steady == steady:
            return None
        entry.steady = steady
        return reading

    def forget(self, measurement: Measurement, tags: Tags) -> None:
        """Forget a thing that there is no more."""
        self._entries.pop(series_of(measurement, tags), None)

    def due(self, at: Moment) -> Iterator[Reading]:
        """Yield what is to be written again; what was due long ago only once."""
        for entry in self._entries.values():
            if entry.due <= at.clock:
                missed = (at.clock - entry.due) // self._refresh_s
                entry.due += self._refresh_s * (1 + missed)
                yield entry.make(at)

    def readings(self, at: Moment) -> list[Reading]:
        """Return everything as it is now."""
        return [entry.make(at) for entry in self._entries.values()]


@dataclass
class Recent:
    """The last sample of each series, until it is old."""

    _samples: dict[Series, tuple[float, Reading]] = field(default_factory=dict)
    """Each with when it is old, monotonic [s]."""

    def put(self, reading: Reading, at: Moment, *, period_s: float) -> None:
        """Take a sample; the next one of its series is to come after a period [s]."""
        series = series_of(reading.measurement, reading.tags)
        self._samples[series] = at.clock + patience_s(period_s), reading

    def readings(self, at: Moment) -> list[Reading]:
        """Return those that are not old, and forget the others."""
        self._samples = {
            series: (old_at, reading)
            for series, (old_at, reading) in self._samples.items()
            if at.clock <= old_at
        }
        return [reading for _, reading in self._samples.values()]


def _part(series: Series) -> float:
    return zlib.crc32(repr(series).encode()) / _SLOTS
