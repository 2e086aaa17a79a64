"""The Earth-orientation table: an entry for each UTC midnight around now."""

from datetime import datetime
from typing import Final

from conche.contract import EopEntry

from .iers import Iers
from .times import TimeBase, date_of, mjd_of, unix_ns

DECIMALS: Final = 10
"""To which values are rounded: the IERS gives seven at most, and a sum of whole seconds adds noise beyond these."""

JUMP_S: Final = 0.5
"""From one midnight to the next UT1 drifts by milliseconds; more is a leap second that one of the files lacks [s]."""


class TableImpossible(ValueError):
    """There is no table for this time, or it would be wrong; says why, and the remedy."""


def days_around(now: datetime, *, before: int, after: int) -> range:
    """Return the midnights of a table, so that ``before + after + 2`` are there.

    Parameters
    ----------
    now
        Wall clock; the interval that contains it is between the two in the middle.
    before, after
        Whole intervals on either side of that one [d].

    Returns
    -------
    range
        Days [MJD] (before + after + 2).
    """
    today = mjd_of(unix_ns(now))
    return range(today - before, today + after + 2)


def build(days: range, *, base: TimeBase, iers: Iers) -> list[EopEntry]:
    """Return a table.

    Parameters
    ----------
    days
        Midnights [MJD] (n).
    base
        Instrument time.
    iers
        Where UT1 and the pole come from; its values are those of midnights, so nothing is interpolated.

    Returns
    -------
    list of EopEntry
        Sorted (n).

    Raises
    ------
    TableImpossible
        The data don't reach so far, or UT1 jumps.
    """
    for end in (days[0], days[-1]):
        if end not in iers.days:
            raise TableImpossible(
                f"{iers.source} has no {date_of(end)}: it reaches from {date_of(iers.first)} to "
                f"{date_of(iers.last)}; newer data come with pip install --upgrade astropy-iers-data"
            )
    entries = [_entry(mjd, base, iers) for mjd in days]
    _check_continuous(entries, days)
    return entries


def _entry(mjd: int, base: TimeBase, iers: Iers) -> EopEntry:
    day = iers.days[mjd]
    return EopEntry(
        t_inst_ns=base.midnight_ns(mjd),
        delta_UT1_inst=round(day.ut1_utc_s - base.leaps_since(mjd), DECIMALS),
        xp_as=day.xp_as,
        yp_as=day.yp_as,
    )


def _check_continuous(entries: list[EopEntry], days: range) -> None:
    for mjd, one, other in zip(days[1:], entries[:-1], entries[1:], strict=True):
        jump = other.delta_UT1_inst - one.delta_UT1_inst
        if abs(jump) > JUMP_S:
            raise TableImpossible(
                f"UT1 would jump by {jump:+.3f} s on {date_of(mjd)}: a leap second that either the IERS data or "
                "the list of leap seconds does not have; bring both up to date: "
                "pip install --upgrade astropy-iers-data"
            )
