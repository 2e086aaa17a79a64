"""What a switch can stand at is in doubt exactly as long as it must be."""

import math

from .timeline import BOTH, Event, Timeline, Values

ON: Values = frozenset({True})
OFF: Values = frozenset({False})


def to(value: Values, begin: float, end: float) -> Event:
    return Event(begin, end, lambda _: value)


def test_a_switch_stands_where_it_stood_first() -> None:
    assert Timeline(ON, []).at(5.0) == ON


def test_an_order_under_way_leaves_both_open_and_its_answer_neither() -> None:
    timeline = Timeline(ON, [to(OFF, 1.0, 2.0)])
    assert [timeline.at(t) for t in (0.9, 1.0, 1.5, 2.0, 2.1)] == [ON, BOTH, BOTH, BOTH, OFF]


def test_an_order_of_what_stands_already_leaves_nothing_open() -> None:
    assert Timeline(ON, [to(ON, 1.0, 2.0)]).at(1.5) == ON


def test_an_order_that_is_never_answered_leaves_both_open_for_ever() -> None:
    assert Timeline(ON, [to(OFF, 1.0, math.inf)]).at(1e9) == BOTH


def test_of_two_that_overlap_either_may_have_come_last() -> None:
    timeline = Timeline(ON, [to(OFF, 1.0, 4.0), to(ON, 2.0, 3.0)])
    assert timeline.at(5.0) == BOTH


def test_of_two_that_overlap_a_third_the_later_one_still_came_after_the_earlier() -> None:
    timeline = Timeline(ON, [to(ON, 0.0, 9.0), to(ON, 1.0, 2.0), to(OFF, 3.0, 4.0)])
    assert timeline.at(10.0) == BOTH
    timeline = Timeline(ON, [Event(0.0, 9.0, lambda before: before), to(ON, 1.0, 2.0), to(OFF, 3.0, 4.0)])
    assert timeline.at(10.0) == OFF


def test_what_comes_after_a_doubt_ends_it() -> None:
    timeline = Timeline(ON, [to(OFF, 1.0, 4.0), to(ON, 2.0, 3.0), to(OFF, 6.0, 7.0)])
    assert timeline.at(8.0) == OFF


def test_more_at_once_than_can_be_looked_at_leave_everything_open() -> None:
    assert Timeline(ON, [to(ON, 1.0, 2.0)] * 6).at(3.0) == BOTH


def test_since_an_event_nothing_is_possible_that_only_was_before_it() -> None:
    epoch, off = to(ON, 1.0, 4.0), to(OFF, 3.0, 5.0)
    timeline = Timeline(OFF, [epoch])
    assert timeline.at(2.0) == BOTH
    assert timeline.since(epoch) == ON
    assert Timeline(OFF, [epoch, off]).since(epoch) == BOTH


def test_since_an_event_all_that_can_have_followed_is_possible() -> None:
    epoch = Event(0.0, 9.0, lambda before: before)
    timeline = Timeline(ON, [epoch, to(OFF, 1.0, 2.0), to(ON, 3.0, 4.0)])
    assert timeline.at(10.0) == ON
    assert timeline.since(epoch) == BOTH
