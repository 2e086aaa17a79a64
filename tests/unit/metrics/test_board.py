"""States that are known: written when they change, and again once a refresh period, spread over it."""

from collections import Counter
from typing import Any

from conche.contract import measurements as m
from conche.metrics.board import AGEING, GRACE_S, STALE_PERIODS, Board, Moment, Recent
from conche.metrics.readings import Reading, time_ns

from .samples import moment


def node(name: str, **fields: Any) -> Any:
    """What makes a node's reading."""
    tags = {"group": "cx", "node": name}
    return lambda at: Reading(m.NODE, tags, fields, time_ns(at.wall))


def ageing(at: Moment) -> Reading:
    return Reading(m.FPGA, {}, {"state": "good", "frame0_age_s": at.clock}, time_ns(at.wall))


def test_what_is_new_is_news_and_what_is_as_it_was_is_none():
    board = Board(refresh_s=60)
    first = board.set(node("cx1", state="down"), moment(1))
    assert first is not None
    assert first.fields == {"state": "down"}
    assert board.set(node("cx1", state="down"), moment(2)) is None
    assert board.set(node("cx1", state="started"), moment(3)) is not None
    assert board.set(node("cx2", state="started"), moment(3)) is not None


def test_an_age_alone_is_no_news():
    board = Board(refresh_s=60)
    board.set(ageing, moment(1))
    assert board.set(ageing, moment(2)) is None


def test_every_field_that_ages_is_in_the_catalogue():
    assert {f.name for measurement in m.MEASUREMENTS for f in measurement.fields} >= AGEING


def test_each_state_is_written_again_once_a_period_and_they_are_spread_over_it():
    board = Board(refresh_s=60)
    for number in range(1000):
        board.set(node(f"cx{number}", state="down"), moment(0))
    written = [list(board.due(moment(second))) for second in range(1, 181)]
    for period in (written[:60], written[60:120], written[120:]):
        names = Counter(reading.tags["node"] for second in period for reading in second)
        assert len(names) == 1000
        assert set(names.values()) == {1}
    assert max(map(len, written)) < 40


def test_a_state_that_changed_is_written_again_as_it_is_then():
    board = Board(refresh_s=60)
    board.set(ageing, moment(0))
    (again,) = board.due(moment(60))
    assert (again.fields["frame0_age_s"], again.at_ns) == (60, time_ns(moment(60).wall))


def test_what_was_due_many_times_is_written_once():
    board = Board(refresh_s=60)
    board.set(node("cx1", state="down"), moment(0))
    assert len(list(board.due(moment(1000)))) == 1
    assert list(board.due(moment(1000))) == []
    assert len(list(board.due(moment(1060)))) == 1


def test_what_is_gone_is_forgotten():
    board = Board(refresh_s=60)
    board.set(node("cx1", state="down"), moment(0))
    board.forget(m.NODE, {"group": "cx", "node": "cx1"})
    board.forget(m.NODE, {"group": "cx", "node": "never was"})
    assert list(board.due(moment(1000))) == []
    assert board.readings(moment(0)) == []
    assert board.set(node("cx1", state="down"), moment(0)) is not None


def test_the_last_sample_of_a_series_counts_until_it_is_old():
    recent = Recent()
    old_s = STALE_PERIODS * 60
    for clock, value in ((0, 1), (1, 2)):
        recent.put(Reading(m.SWEEP, {"instance": "main"}, {"polled": value}, 0), moment(clock), period_s=60)
    recent.put(Reading(m.SWEEP, {"instance": "other"}, {"polled": 3}, 0), moment(100), period_s=60)
    assert [r.fields["polled"] for r in recent.readings(moment(1 + old_s))] == [2, 3]
    assert [r.fields["polled"] for r in recent.readings(moment(2 + old_s))] == [3]


def test_how_old_a_sample_may_be_follows_from_its_own_period():
    recent = Recent()
    for name, period_s in (("quick", 2), ("slow", 600)):
        recent.put(Reading(m.SWEEP, {"instance": name}, {"polled": 1}, 0), moment(0), period_s=period_s)
    assert [r.tags["instance"] for r in recent.readings(moment(GRACE_S))] == ["quick", "slow"]
    assert [r.tags["instance"] for r in recent.readings(moment(GRACE_S + 1))] == ["slow"]
    assert [r.tags["instance"] for r in recent.readings(moment(1800))] == ["slow"]
    assert recent.readings(moment(1801)) == []
