"""The promises of the merge, over any course of days."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conche.contract import EopEntry
from conche.eop.merge import Begun, Merged, Stored, is_sorted, merge
from conche.eop.times import NS_PER_DAY

FRAME0 = 1_772_838_439_000_002_880
DAY0 = 20_000


def entry(day: int, value: float = 0.0) -> EopEntry:
    return EopEntry(t_inst_ns=day * NS_PER_DAY, delta_UT1_inst=value, xp_as=value, yp_as=value)


def stored(*days: int, value: float = 0.0, frame0_ns: int = FRAME0) -> Stored:
    return Stored(frame0_ns, tuple(entry(day, value) for day in days))


def at(day: float) -> int:
    return round(day * NS_PER_DAY)


def days_of(merged: Merged) -> list[int]:
    return [one.t_inst_ns // NS_PER_DAY for one in merged.table.entries]


# --- in tables


def test_the_next_day_leaves_out_one_and_adds_one_of_today_s_values():
    merged = merge(stored(1, 2, 3, 4, 5, 6, value=1.0), stored(2, 3, 4, 5, 6, 7, value=2.0), now_ns=at(4.5))
    assert merged.table.entries == (*stored(2, 3, 4, 5, 6, value=1.0).entries, entry(7, 2.0))
    assert merged.begun is Begun.CONTINUED


def test_the_same_day_again_changes_nothing():
    merged = merge(stored(1, 2, 3, 4, value=1.0), stored(1, 2, 3, 4, value=2.0), now_ns=at(2.5))
    assert merged.table == stored(1, 2, 3, 4, value=1.0)


def test_gaps_are_not_filled_and_nothing_is_put_before():
    merged = merge(stored(3, 6, 9), stored(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), now_ns=at(5))
    assert days_of(merged) == [3, 6, 9, 10]


def test_old_entries_stay_while_the_others_have_none_on_each_side_of_now():
    assert days_of(merge(stored(1, 9, 10), stored(4, 5, 6, 7), now_ns=at(5.5))) == [1, 9, 10]


def test_a_table_that_ran_out_long_ago_gives_place_to_the_new_one():
    assert days_of(merge(stored(1, 2, 3), stored(100, 101, 102, 103), now_ns=at(101.5))) == [
        100,
        101,
        102,
        103,
    ]


@pytest.mark.parametrize("nothing", [None, stored()])
def test_the_first_table_is_the_fresh_one(nothing: Stored | None):
    merged = merge(nothing, stored(1, 2, 3), now_ns=at(2))
    assert (merged.table, merged.begun, merged.covers_now) == (stored(1, 2, 3), Begun.FIRST, True)


def test_another_time_base_begins_a_table_of_its_own_and_says_so():
    fresh = stored(1, 2, 3, value=2.0, frame0_ns=FRAME0 + 1)
    merged = merge(stored(1, 2, 3, value=1.0), fresh, now_ns=at(2))
    assert merged.table == fresh
    assert merged.begun is Begun.TIME_BASE


def test_a_table_of_a_clock_that_was_ahead_is_kept_and_said_not_to_cover_now():
    merged = merge(stored(50, 51, 52), stored(1, 2, 3, 4), now_ns=at(2.5))
    assert days_of(merged) == [50, 51, 52]
    assert not merged.covers_now


# --- for all


def check_promises(before: Stored | None, fresh: Stored, merged: Merged, now_ns: int) -> None:
    after = merged.table
    assert is_sorted(after.entries)
    assert after.frame0_ns == fresh.frame0_ns
    if before is None or not before.entries or before.frame0_ns != fresh.frame0_ns:
        assert after == fresh
        return
    known = {one.t_inst_ns: one for one in before.entries}
    kept = [one for one in after.entries if one.t_inst_ns in known]
    assert all(known[one.t_inst_ns] == one for one in kept), "a stored value changed"
    assert kept == list(before.entries[len(before.entries) - len(kept) :]), (
        "not the oldest ones were left out"
    )
    added = [one for one in after.entries if one.t_inst_ns not in known]
    assert all(one.t_inst_ns > before.entries[-1].t_inst_ns for one in added), "put between or before"
    assert set(added) <= set(fresh.entries)
    if len(kept) < len(known):
        times = [one.t_inst_ns for one in after.entries]
        assert times[0] <= now_ns <= times[-1], "dropped although none is left on one side of now"


tables = st.lists(st.integers(0, 40), min_size=1, max_size=10, unique=True).map(sorted)
frames = st.sampled_from([FRAME0, FRAME0 + 1])


@given(tables, tables, frames, st.floats(-2, 45))
def test_no_promise_is_broken_by_any_two_tables(old: list[int], new: list[int], frame0: int, now: float):
    before, fresh = stored(*old, value=1.0), stored(*new, value=2.0, frame0_ns=frame0)
    merged = merge(before, fresh, now_ns=at(now))
    check_promises(before, fresh, merged, at(now))
    assert merge(merged.table, fresh, now_ns=at(now)).table == merged.table, "twice is not as once"


@dataclass
class Telescope:
    """A year of days: what is stored, and every value that was ever pushed in this time base."""

    frame0: int = FRAME0
    kept: Stored | None = None
    pushed: dict[int, EopEntry] = field(default_factory=dict)

    def run(self, day: int, hour: float, revision: float, *, delivered: bool) -> None:
        fresh = Stored(self.frame0, tuple(entry(d, revision + d * 1e-3) for d in range(day - 2, day + 4)))
        now_ns = at(day + hour)
        merged = merge(self.kept, fresh, now_ns=now_ns)
        check_promises(self.kept, fresh, merged, now_ns)
        assert merged.covers_now
        assert merged.table.frame0_ns == self.frame0
        if self.kept is not None and self.kept.frame0_ns != self.frame0:
            self.pushed.clear()
        if delivered:
            for one in merged.table.entries:
                assert self.pushed.setdefault(one.t_inst_ns, one) == one, "a value that was pushed changed"
            self.kept = merged.table


@settings(max_examples=60)
@given(st.data())
def test_a_year_with_restarts_missed_days_refined_values_and_another_frame0_keeps_every_promise(
    data: st.DataObject,
):
    telescope = Telescope()
    moved = data.draw(st.integers(1, 364), label="day of another frame0")
    away = data.draw(st.sets(st.integers(0, 364), max_size=200), label="missed days")
    failed = data.draw(st.sets(st.integers(0, 364), max_size=30), label="days on which a group refused")
    again = data.draw(st.sets(st.integers(0, 364), max_size=60), label="days with a restart")
    refined = data.draw(st.lists(st.floats(0, 1e-4), min_size=1, max_size=8), label="refined values")
    for day in range(365):
        if day == moved:
            telescope.frame0 += 86_400_000_000_123
        if day in away:
            continue
        for hour in (0.5, *((0.9,) if day in again else ())):
            revision = refined[(day + round(hour)) % len(refined)]
            telescope.run(DAY0 + day, hour, revision, delivered=day not in failed)
