"""The promises of the merge, over any course of days."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from conche.contract import EopEntry
from conche.eop.merge import Begun, Merged, Stored, check_join, is_sorted, merge
from conche.eop.smooth import Jump
from conche.eop.times import NS_PER_DAY, NS_PER_S

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


def test_new_entries_are_no_reason_to_leave_out_stored_ones():
    merged = merge(stored(1, 2, 3), stored(3, 4, 5, 6), now_ns=at(4.5))
    assert days_of(merged) == [1, 2, 3, 4, 5, 6]
    assert merged.covers_now


def test_a_table_that_ran_out_long_ago_gives_place_to_the_new_one_on_the_day_after():
    merged = merge(stored(1, 2, 3), stored(100, 101, 102, 103), now_ns=at(101.5))
    assert days_of(merged) == [1, 2, 3, 100, 101, 102, 103]
    assert days_of(merge(merged.table, stored(101, 102, 103, 104), now_ns=at(102.5))) == [101, 102, 103, 104]


def test_where_nothing_may_be_dropped_entries_are_only_appended():
    merged = merge(stored(1, 2, 3, 4, 5, 6), stored(2, 3, 4, 5, 6, 7), now_ns=at(4.5), may_drop=False)
    assert days_of(merged) == [1, 2, 3, 4, 5, 6, 7]


def test_a_leap_second_that_became_known_makes_no_two_entries_of_one_midnight():
    late = Stored(
        FRAME0, tuple(structs.replace(entry(d), t_inst_ns=d * NS_PER_DAY + NS_PER_S) for d in (4, 5, 6, 7))
    )
    merged = merge(stored(2, 3, 4, 5, 6), late, now_ns=at(4.5))
    assert merged.table.entries == (*stored(4, 5, 6).entries, late.entries[-1])
    early = Stored(
        FRAME0, tuple(structs.replace(entry(d), t_inst_ns=d * NS_PER_DAY - NS_PER_S) for d in (6, 7))
    )
    assert len(merge(stored(2, 3, 4, 5, 6), early, now_ns=at(4.5)).table.entries) == 6


# --- where they join


def test_a_table_that_goes_on_where_the_stored_one_ends_is_taken():
    check_join(stored(1, 2, 3), stored(2, 3, 4, value=0.009), now_ns=at(2.5))
    check_join(stored(1, 2, 3), stored(13, 14, 15, value=0.09), now_ns=at(14.5))


@pytest.mark.parametrize(
    ("new", "value", "words"),
    [
        ((2, 3, 4), 0.05, r"UT1 would jump by \+0\.050 s"),
        ((2, 3, 4), -1.0, r"UT1 is another by -1\.000 s"),
        ((2, 3), 1.0, r"UT1 is another by \+1\.000 s"),
        ((4, 5, 6), 1.0, r"UT1 would jump by \+1\.000 s"),
    ],
)
def test_a_table_that_does_not_is_refused(new: tuple[int, ...], value: float, words: str):
    with pytest.raises(Jump, match=words):
        check_join(stored(1, 2, 3), stored(*new, value=value), now_ns=at(2.5))


def test_a_pole_that_jumps_is_refused():
    fresh = Stored(FRAME0, (structs.replace(entry(4), xp_as=0.1),))
    with pytest.raises(Jump, match="x of the pole would jump by"):
        check_join(stored(1, 2, 3), fresh, now_ns=at(2.5))


def test_predictions_of_a_year_ahead_may_differ_by_their_errors():
    check_join(stored(300, 301), stored(301, 302, value=0.03), now_ns=at(1))
    with pytest.raises(Jump):
        check_join(stored(300, 301), stored(301, 302, value=0.03), now_ns=at(300))


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
        times = [one.t_inst_ns for one in kept]
        assert times[0] <= now_ns <= times[-1], "dropped although none is left on one side of now"


tables = st.lists(st.integers(0, 40), min_size=1, max_size=10, unique=True).map(sorted)
frames = st.sampled_from([FRAME0, FRAME0 + 1])


@given(tables, tables, frames, st.floats(-2, 45))
def test_no_promise_is_broken_by_any_two_tables(old: list[int], new: list[int], frame0: int, now: float):
    before, fresh = stored(*old, value=1.0), stored(*new, value=2.0, frame0_ns=frame0)
    merged = merge(before, fresh, now_ns=at(now))
    check_promises(before, fresh, merged, at(now))
    twice = merge(merged.table, fresh, now_ns=at(now)).table
    assert twice.entries == merged.table.entries[-len(twice.entries) :], "more than old entries went"
    assert merge(twice, fresh, now_ns=at(now)).table == twice, "thrice is not as twice"
