"""A fresh table, from a frame0 and the data that the settings name."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from conche.contract import EopData

from .iers import Iers, IersUnreadable, read_bundled, read_bundled_b, read_file, read_leap_seconds, warning_of
from .merge import Stored
from .table import TableImpossible, build, check_leap_seconds, days_around
from .times import Frame0Invalid, LeapSeconds, TimeBase, check_frame0

Impossible = (Frame0Invalid, IersUnreadable, TableImpossible)
"""What can be wrong, each in words."""


@dataclass(frozen=True, slots=True)
class Made:
    """A fresh table.

    Parameters
    ----------
    table
        The table.
    base
        Its time base.
    iers
        What the data are like.
    warning
        What somebody should see to, in words, or None.
    """

    table: Stored
    base: TimeBase
    iers: EopData
    warning: str | None


def read(which: str) -> Iers:
    """Return IERS data: ``bundled``, ``b`` (final values only), or those of a file.

    Raises
    ------
    IersUnreadable
        The file holds none.
    """
    match which:
        case "bundled":
            return read_bundled()
        case "b":
            return read_bundled_b()
    return read_file(Path(which))


def make(
    frame0_ns: int,
    *,
    iers: Iers,
    now: datetime,
    before: int,
    after: int,
    at: datetime | None = None,
    warn_days: int = 0,
) -> Made:
    """Return a fresh table.

    Parameters
    ----------
    frame0_ns
        UNIX time of the first frame [ns].
    iers
        Data.
    now
        Wall clock.
    before, after
        Whole intervals on either side of the one that contains now [d].
    at
        Around which the table lies; None for now. frame0 may be later than that: UT1 was there before the telescope.
    warn_days
        So long before the data run out there is a warning [d].

    Raises
    ------
    Frame0Invalid, TableImpossible
        There is no such table.
    """
    leaps: LeapSeconds = read_leap_seconds()
    base = check_frame0(frame0_ns, leaps=leaps, now=now)
    days = days_around(at or now, before=before, after=after)
    entries = build(days, base=base, iers=iers)
    check_leap_seconds(iers, leaps, until=days[-1])
    data = iers.describe(now)
    warning = warning_of(data, leaps, now=now, warn_days=warn_days, remedy=iers.remedy)
    return Made(Stored(frame0_ns, tuple(entries)), base, data, warning)
