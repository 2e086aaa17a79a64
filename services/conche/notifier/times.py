"""Two clocks read at once, and times and durations in words."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

MINUTE_S: Final = 60
HOUR_S: Final = 60 * MINUTE_S
DAY_S: Final = 24 * HOUR_S


@dataclass(frozen=True, slots=True)
class Now:
    """A reading of both clocks: durations are taken from the one that nobody sets.

    Parameters
    ----------
    at
        Wall clock.
    s
        Monotonic clock [s].
    """

    at: datetime
    s: float

    def wall(self, s: float) -> datetime:
        """Return the wall clock's time of an earlier reading of the monotonic one [s]."""
        return self.at - timedelta(seconds=self.s - s)

    def seconds(self, at: datetime) -> float:
        """Return the monotonic clock's reading of a time [s]; one that is still to come counts as now."""
        return self.s - max(0.0, (self.at - at).total_seconds())


def read_clocks() -> Now:
    """Return what both clocks say."""
    return Now(datetime.now(UTC), time.monotonic())


def duration_words(seconds: float) -> str:
    """Return a duration as people say it, in its two largest units."""
    whole = max(0, round(seconds))
    if whole < 2 * MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min"
    if whole < DAY_S:
        return f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S} min"
    return f"{whole // DAY_S} d {whole % DAY_S // HOUR_S} h"


def time_words(at: datetime) -> str:
    """Return a time in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
