"""How a new table is joined to the one that was pushed before.

A kotekan interpolates between entries. What it was given before is never contradicted, or the phase of everything
that it computes would jump: values that the IERS has refined since are used for new entries only (choco's rule E4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from conche.contract import EopEntry

from .smooth import JUMP_S, Jump, check_step
from .times import NS_PER_DAY

HALF_DAY_NS: Final = NS_PER_DAY // 2
"""Entries that are closer are of one midnight: the time of a stored one lacks a leap second that became known [ns]."""


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


def merge(stored: Stored | None, fresh: Stored, *, now_ns: int, may_drop: bool = True) -> Merged:
    """Return the table that continues what was pushed before.

    No stored value changes; nothing is put between or before stored entries; stored entries that are earlier than the
    fresh table are left out only if the stored ones that are left, without the new ones, have an entry at or before
    now and one at or after (choco's rule E4). So a clock that was ahead for one run leaves those of now.

    Parameters
    ----------
    stored
        What was pushed before; None for nothing.
    fresh
        What would be pushed if nothing had been.
    now_ns
        Instrument time, in the time base of `fresh` [ns].
    may_drop
        Whether anything may be left out at all.
    """
    if stored is None or not stored.entries:
        return Merged(fresh, Begun.FIRST, _covers(fresh.entries, now_ns))
    if stored.frame0_ns != fresh.frame0_ns:
        return Merged(fresh, Begun.TIME_BASE, _covers(fresh.entries, now_ns))
    begin = fresh.entries[0].t_inst_ns - HALF_DAY_NS
    rest = tuple(entry for entry in stored.entries if entry.t_inst_ns > begin)
    kept = rest if may_drop and _covers(rest, now_ns) else stored.entries
    entries = (*kept, *_added(stored, fresh))
    return Merged(Stored(fresh.frame0_ns, entries), Begun.CONTINUED, _covers(entries, now_ns))


def check_join(stored: Stored, fresh: Stored, *, now_ns: int) -> None:
    """Refuse a table that does not go on where the stored one ends: one of the two is wrong.

    Parameters
    ----------
    stored, fresh
        As `merge` takes them, of one time base.
    now_ns
        Instrument time [ns].

    Raises
    ------
    Jump
        They differ by a leap second, or by more than the Earth can go; says where.
    """
    last = stored.entries[-1]
    for entry in fresh.entries:
        for old in stored.entries:
            step_s = entry.delta_UT1_inst - old.delta_UT1_inst
            if abs(entry.t_inst_ns - old.t_inst_ns) < HALF_DAY_NS and abs(step_s) > JUMP_S:
                raise Jump(f"UT1 is another by {step_s:+.3f} s")
    if added := _added(stored, fresh):
        check_step(last, added[0], lead_days=(last.t_inst_ns - now_ns) / NS_PER_DAY)


def _added(stored: Stored, fresh: Stored) -> tuple[EopEntry, ...]:
    """Return the fresh entries of later days than the last stored one."""
    end = stored.entries[-1].t_inst_ns + HALF_DAY_NS
    return tuple(entry for entry in fresh.entries if entry.t_inst_ns > end)


def is_sorted(entries: Sequence[EopEntry]) -> bool:
    """Return whether entries are strictly increasing in time."""
    times = [entry.t_inst_ns for entry in entries]
    return all(one < other for one, other in pairwise(times))


def _covers(entries: Sequence[EopEntry], now_ns: int) -> bool:
    return bool(entries) and entries[0].t_inst_ns <= now_ns <= entries[-1].t_inst_ns
