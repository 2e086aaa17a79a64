"""The Earth-orientation table: an entry for each UTC midnight around now."""

from datetime import datetime
from typing import Final

from conche.contract import EopEntry

from .iers import UPGRADE, Iers
from .smooth import JUMP_S, UT1_S
from .times import LeapSeconds, TimeBase, date_of, mjd_of, unix_ns

DECIMALS: Final = 10
"""To which values are rounded: the IERS gives seven at most, and a sum of whole seconds adds noise beyond these."""


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
        The data don't reach so far, or UT1 jumps, by a leap second that is not known or because they are damaged.
    """
    for end in (days[0], days[-1]):
        if end not in iers.days:
            raise TableImpossible(
                f"{iers.source} has no {date_of(end)}: it reaches from {date_of(iers.first)} to "
                f"{date_of(iers.last)}; {iers.remedy}"
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
        predicted=day.predicted,
    )


def _check_continuous(entries: list[EopEntry], days: range) -> None:
    for mjd, one, other in zip(days[1:], entries[:-1], entries[1:], strict=True):
        jump_s = other.delta_UT1_inst - one.delta_UT1_inst
        if abs(jump_s) > JUMP_S:
            raise TableImpossible(_leap_words(jump_s, mjd))
        if abs(jump_s) > UT1_S:
            raise TableImpossible(
                f"UT1 would jump by {jump_s:+.4f} s on {date_of(mjd)}, and it drifts by milliseconds: "
                "the IERS data are damaged"
            )


def check_leap_seconds(iers: Iers, leaps: LeapSeconds, *, until: int) -> None:
    """Refuse IERS data that have a leap second which the list lacks, or lack its last one.

    Parameters
    ----------
    iers
        Data; of those before the list's last leap second nothing can be missed.
    leaps
        The list.
    until
        The last day that is looked at [MJD].

    Raises
    ------
    TableImpossible
        UT1 would be off by a second, in every entry since; says on which day, and the remedy.
    """
    for mjd in range(max(leaps.days[-1], iers.first + 1), min(until, iers.last) + 1):
        known_s = leaps.at(mjd) - leaps.at(mjd - 1)
        jump_s = iers.days[mjd].ut1_utc_s - iers.days[mjd - 1].ut1_utc_s - known_s
        if abs(jump_s) > JUMP_S:
            raise TableImpossible(_leap_words(jump_s, mjd))


def _leap_words(jump_s: float, mjd: int) -> str:
    return (
        f"UT1 would jump by {jump_s:+.3f} s on {date_of(mjd)}: a leap second that either the IERS data or "
        f"the list of leap seconds does not have; bring both up to date, the list with {UPGRADE}"
    )
