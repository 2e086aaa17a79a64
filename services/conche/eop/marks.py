"""Entries of a table as points of a picture: what the IERS data have too, UT1 - UTC, with leap seconds in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from .iers import Iers, read_leap_seconds
from .merge import Stored
from .table import TableImpossible
from .times import NS_PER_DAY, TimeBase, date_of, mjd_of


@dataclass(frozen=True, slots=True)
class Mark:
    """An entry.

    Parameters
    ----------
    mjd
        Its day [MJD].
    ut1_utc_s
        UT1 - UTC [s].
    xp_as, yp_as
        The pole [arcsec].
    predicted
        Whether it was a prediction when it was made.
    """

    mjd: int
    ut1_utc_s: float
    xp_as: float
    yp_as: float
    predicted: bool = False


def marks_of(table: Stored) -> list[Mark]:
    """Return the entries of a table, with the values that were pushed (n).

    Raises
    ------
    Frame0Invalid
        Its frame0 can't be.
    """
    base = TimeBase(table.frame0_ns, read_leap_seconds())
    found = []
    for entry in table.entries:
        mjd = mjd_of(entry.t_inst_ns + NS_PER_DAY // 2)
        ut1_utc_s = entry.delta_UT1_inst + base.leaps_since(mjd)
        found.append(Mark(mjd, ut1_utc_s, entry.xp_as, entry.yp_as, bool(entry.predicted)))
    return found


def marks_at(days: Sequence[int], *, iers: Iers) -> list[Mark]:
    """Return the entries of a table that would be made of these data (n).

    Parameters
    ----------
    days
        Midnights [MJD] (n).
    iers
        Data.

    Raises
    ------
    TableImpossible
        They don't reach these days.
    """
    for mjd in (days[0], days[-1]):
        if mjd not in iers.days:
            reach = f"{date_of(iers.first)} to {date_of(iers.last)}"
            raise TableImpossible(f"{iers.source} reaches from {reach}, and not to {date_of(mjd)}")
    chosen = {mjd: iers.days[mjd] for mjd in days}
    return [Mark(mjd, d.ut1_utc_s, d.xp_as, d.yp_as, d.predicted) for mjd, d in chosen.items()]
