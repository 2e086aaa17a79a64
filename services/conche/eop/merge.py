"""How a new table is joined to the one that was pushed before.

A kotekan interpolates between entries. What it was given before is never contradicted, or the phase of everything
that it computes would jump: values that the IERS has refined since are used for new entries only (choco's rule E4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from conche.contract import EopEntry


class Begun(StrEnum):
    """Why a table begins anew, or that it does not."""

    CONTINUED = "continued"
    FIRST = "first"
    """Nothing was stored."""
    TIME_BASE = "time-base"
    """What was stored is in the instrument time of another frame0; the two are never mixed."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A table as it was pushed.

    Parameters
    ----------
    frame0_ns
        Its time base, UNIX time [ns].
    entries
        Strictly increasing in time (n).
    """

    frame0_ns: int
    entries: tuple[EopEntry, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """What is to be pushed.

    Parameters
    ----------
    table
        The table.
    begun
        Whether it continues the stored one.
    covers_now
        Whether it has an entry at or before now and one at or after; without both a kotekan can't interpolate.
    """

    table: Stored
    begun: Begun
    covers_now: bool


def merge(stored: Stored | None, fresh: Stored, *, now_ns: int) -> Merged:
    """Return the table that continues what was pushed before.

    No stored value changes; nothing is put between or before stored entries; entries that are earlier than the fresh
    table are left out only if what is left has an entry at or before now and one at or after.

    Parameters
    ----------
    stored
        What was pushed before; None for nothing.
    fresh
        What would be pushed if nothing had been.
    now_ns
        Instrument time, in the time base of `fresh` [ns].
    """
    if stored is None or not stored.entries:
        return Merged(fresh, Begun.FIRST, _covers(fresh.entries, now_ns))
    if stored.frame0_ns != fresh.frame0_ns:
        return Merged(fresh, Begun.TIME_BASE, _covers(fresh.entries, now_ns))
    end = stored.entries[-1].t_inst_ns
    entries = (*stored.entries, *(entry for entry in fresh.entries if entry.t_inst_ns > end))
    begin = fresh.entries[0].t_inst_ns
    rest = tuple(entry for entry in entries if entry.t_inst_ns >= begin)
    kept = rest if _covers(rest, now_ns) else entries
    return Merged(Stored(fresh.frame0_ns, kept), Begun.CONTINUED, _covers(kept, now_ns))


def is_sorted(entries: Sequence[EopEntry]) -> bool:
    """Return whether entries are strictly increasing in time."""
    times = [entry.t_inst_ns for entry in entries]
    return all(one < other for one, other in pairwise(times))


def _covers(entries: Sequence[EopEntry], now_ns: int) -> bool:
    return bool(entries) and entries[0].t_inst_ns <= now_ns <= entries[-1].t_inst_ns
