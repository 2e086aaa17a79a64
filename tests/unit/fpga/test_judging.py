"""What follows from a look: status and news."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conche.contract import FpgaState, FpgaStatus
from conche.fpga.judging import Look, news, status_after
from conche.fpga.timing import Judgement, Timing

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)
FIRST = 1_795_230_000_000_000_001
SECOND = 1_795_233_600_000_000_002
URL = "http://fpga:54321"


def good(frame0_ns: int = FIRST, **changes: Any) -> Look:
    return Look(**{"timing": Judgement(Timing(frame0_ns, frame0_ns - 4), 0, frame0_ns), **changes})


def after(*looks: Look | None, before: FpgaStatus | None = None) -> FpgaStatus:
    """The status after some looks, a minute apart."""
    at = AT
    for look in looks:
        before = status_after(before, look, url=URL, at=at)
        at += timedelta(minutes=1)
    assert before is not None
    return before


def texts(before: FpgaStatus | None, now: FpgaStatus) -> list[str]:
    return [event.text for event in news(before, now, at=AT)]


# --- the status


@pytest.mark.parametrize(
    ("look", "state", "error"),
    [
        (good(), "good", None),
        (good(health="GET /status: HTTP 500"), "degraded", "GET /status: HTTP 500"),
        (Look(unread="not JSON"), "degraded", "not JSON"),
        (Look(timing=Judgement(Timing(1, 2), error="off")), "degraded", "off"),
        (Look(health="a", unread="b"), "degraded", "a; b"),
        (Look(down="refused"), "down", "refused"),
        (None, "unconfigured", None),
    ],
)
def test_a_look_tells_the_state_and_why(look: Look | None, state: str, error: str | None):
    status = after(look)
    assert (status.state, status.error) == (state, error)


def test_a_frame0_that_can_be_believed_is_told_even_where_the_health_is_bad():
    assert after(good(health="HTTP 500")).frame0_ns == FIRST


def test_a_frame0_that_can_not_be_believed_is_told_as_reported_only():
    status = after(Look(timing=Judgement(Timing(FIRST, SECOND), 0, error="off")))
    assert (status.frame0_ns, status.reported_frame0_ns, status.rollovers) == (None, FIRST, 0)
    assert status.last_frame0_ns is None


def test_nothing_changes_while_nothing_changes():
    assert after(good(), good(), good()) == after(good())


def test_the_state_is_since_it_began():
    assert after(good(), good()).since == AT
    assert after(good(), Look(down="refused"), Look(down="timed out")).since == AT + timedelta(minutes=1)


def test_the_last_frame0_is_remembered_while_it_can_not_be_read():
    status = after(good(), Look(down="refused"), Look(unread="not JSON"), None)
    assert (status.frame0_ns, status.last_frame0_ns) == (None, FIRST)


def test_another_frame0_is_told_with_the_one_before_and_when_it_was_seen():
    status = after(good(), good(SECOND), good(SECOND))
    assert (status.frame0_ns, status.previous_frame0_ns) == (SECOND, FIRST)
    assert status.changed_at == AT + timedelta(minutes=1)


def test_a_frame0_that_changed_while_the_master_was_away_is_seen_when_it_is_back():
    status = after(good(), Look(down="refused"), good(SECOND))
    assert (status.frame0_ns, status.previous_frame0_ns) == (SECOND, FIRST)


def test_the_first_frame0_is_no_change():
    status = after(Look(down="refused"), good())
    assert (status.previous_frame0_ns, status.changed_at) == (None, None)


# --- the news


def test_a_change_of_state_is_told_with_its_reason():
    before, now = after(good()), after(good(), Look(down="GET /status: refused"))
    (event,) = news(before, now, at=LATER)
    assert event.text == "good -> down, GET /status: refused"
    assert (event.kind, event.before, event.after, event.ok, event.at) == (
        "fpga",
        "good",
        "down",
        False,
        LATER,
    )


def test_another_frame0_is_told_to_the_nanosecond():
    (event,) = news(after(good()), after(good(), good(SECOND)), at=AT)
    assert (event.before, event.after) == (str(FIRST), str(SECOND))
    assert "the F-engine was started anew" in event.text


def test_both_are_told_when_both_have_changed():
    before = after(good(), Look(down="refused"))
    told = texts(before, after(good(SECOND), before=before))
    assert len(told) == 2
    assert told[1] == "down -> good"


def test_what_is_the_same_is_no_news_nor_is_another_error():
    assert texts(after(good()), after(good(), good())) == []
    assert texts(after(Look(down="refused")), after(Look(down="timed out"))) == []


def test_where_nothing_was_told_before_nothing_has_changed():
    assert texts(None, after(good())) == []


def test_a_master_that_is_configured_no_more_is_not_an_error():
    (event,) = news(after(good()), after(good(), None), at=AT)
    assert event.ok is None
    assert event.after == FpgaState.UNCONFIGURED
