"""What is told of the difference between two statuses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conche.contract import (
    Event,
    EventKind,
    LastPush,
    Maintenance,
    NodeState,
    NodeStatus,
    PushKind,
    Rejection,
)
from conche.happenings import MAX_WORDS, TIME_OVER, bounded, carried, farewell, happenings
from conche.sync.batches import Batches
from conche.sync.decide import View, decide

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
OFF = Maintenance(on=False)
OLD, NEW = "a" * 32, "b" * 32


def status(state: str = "started", **fields: Any) -> NodeStatus:
    defaults: dict[str, Any] = {"started": True, "maintenance": OFF, "epoch": "e1", "live": OLD}
    return NodeStatus(state=NodeState(state), **defaults | fields)


def push(kind: str = "restart", **fields: Any) -> LastPush:
    return LastPush(kind=PushKind(kind), at=AT, **fields)


def told(before: NodeStatus | None, after: NodeStatus, *, beginning: bool = False) -> list[Event]:
    now = after if before is None else carried(before, after, beginning=beginning)
    return list(happenings(before, now, at=AT))


def only(before: NodeStatus | None, after: NodeStatus) -> Event:
    (event,) = told(before, after)
    assert event.at == AT
    return event


def test_statuses_that_differ_in_nothing_of_note_tell_nothing() -> None:
    assert told(status(), status()) == []
    assert told(status(attempts=1), status(attempts=2, proven=NEW, retry_at=AT)) == []


@pytest.mark.parametrize(
    ("before", "after", "kind", "text"),
    [
        (status(), status("down", error="refused"), "state", "started -> down, refused"),
        (status("down"), status("stopped"), "state", "down -> stopped"),
        (status(), status("syncing", last_push=push("start")), "state", "started -> syncing (start)"),
        (status(started=False), status(started=True), "switch", "is to run"),
        (status(started=True), status(started=False), "switch", "is to be stopped"),
        (status(started=None), status(started=True), "switch", "adopted: is to run"),
        (
            status(),
            status(maintenance=Maintenance(on=True, by="alice", reason="new GPU", until=AT)),
            "switch",
            "in maintenance by alice: new GPU, until 2026-11-21 03:00Z",
        ),
        (
            status(maintenance=Maintenance(on=True, by="alice")),
            status(maintenance=Maintenance(on=False, by="bob", reason="done")),
            "switch",
            "out of maintenance by bob: done",
        ),
        (
            status(maintenance=Maintenance(on=True, by="alice", until=AT)),
            status(maintenance=Maintenance(on=False, by="alice", reason=TIME_OVER)),
            "switch",
            "maintenance by alice ended by itself: its time was over",
        ),
        (
            status(last_push=push()),
            status(last_push=push(ok=True, took_s=3.21, revision=NEW), live=NEW),
            "push",
            "restart ended well after 3.2 s, revision bbbbbbbb",
        ),
        (status(), status(last_push=push(ok=False, error="restart failed: x")), "push", "restart failed: x"),
        (status(last_push=push()), status(), "push", "restart was interrupted: its worker ended"),
        (
            status(),
            status(rejected=[Rejection(error="no stage", at=AT, revision=NEW)]),
            "rejection",
            "its kotekan rejected its config: no stage",
        ),
        (
            status(),
            status(rejected=[Rejection(error="too big", at=AT, endpoint="gains", values=NEW)]),
            "rejection",
            "its kotekan rejected the values of gains: too big",
        ),
        (status(), status(held="held, a and b rejected it: x"), "hold", "held, a and b rejected it: x"),
        (status(held="held, x"), status(), "hold", "its desired config is held no longer"),
        (
            status(),
            status(epoch="e2", started=None, maintenance=Maintenance(on=True, by="conche", reason="look")),
            "epoch",
            "a new epoch: in maintenance by conche: look",
        ),
    ],
)
def test_each_difference_is_told_once_and_in_words(
    before: NodeStatus, after: NodeStatus, kind: str, text: str
) -> None:
    event = only(before, after)
    assert (event.kind, event.text) == (kind, text)


def test_a_switch_tells_who_why_and_what_it_was() -> None:
    event = only(status(), status(maintenance=Maintenance(on=True, by="alice", reason="new GPU")))
    assert (event.user, event.reason) == ("alice", "new GPU")
    assert (event.before, event.after) == ("maintenance off", "maintenance on")


def test_a_push_tells_what_ran_before_and_after_it_and_how_long_it_took() -> None:
    during = carried(status(), status("syncing", last_push=push(), live=None), beginning=False)
    assert during.live == OLD
    done = status(last_push=push(ok=True, took_s=3.0, revision=NEW), live=NEW)
    event = next(e for e in told(during, done) if e.kind is EventKind.PUSH)
    assert (event.before, event.after, event.took_s, event.ok) == (OLD, NEW, 3.0, True)
    assert event.action == "restart"


def test_a_push_that_was_given_up_before_anything_was_written_is_not_told() -> None:
    assert told(status(last_push=push()), status(last_push=push(ok=False, took_s=0.1))) == []


def test_a_push_that_is_under_way_is_not_told_yet() -> None:
    assert told(status(), status(last_push=push())) == []


def test_a_rejection_that_was_told_is_not_told_again_and_another_one_is() -> None:
    first = Rejection(error="no stage", at=AT, revision=NEW)
    second = Rejection(error="no stage", at=AT + timedelta(minutes=1), revision=NEW)
    assert told(status(rejected=[first]), status(rejected=[first])) == []
    assert only(status(rejected=[first]), status(rejected=[second])).kind is EventKind.REJECTION


def test_to_wait_for_the_first_nodes_try_or_for_a_slot_is_no_hold() -> None:
    """The words come from the worker: these are all that it has for a node that takes its turn."""
    batches = Batches()
    words = {batches.turn("cx1", NEW).words}
    batches.wait("cx2", NEW)
    batches.choose({"cx1": NEW, "cx2": NEW}, [])
    words.add(batches.turn("cx1", NEW).words)
    assert len(words) == 2
    for held in words:
        assert told(status(), status(held=held)) == []
    assert decide(View()).held is None


@pytest.mark.parametrize("state", ["syncing", "down", "unknown"])
def test_a_hold_is_not_lifted_by_not_seeing_the_node(state: str) -> None:
    held = status("failed", held="held, x")
    between = carried(held, status(state), beginning=False)
    assert [e.kind for e in happenings(held, between, at=AT)] == [EventKind.STATE]
    back = carried(between, status("failed", held="held, x"), beginning=False)
    assert [e.kind for e in happenings(between, back, at=AT)] == [EventKind.STATE]


@pytest.mark.parametrize("switch", [{"started": False}, {"maintenance": Maintenance(on=True)}])
def test_a_hold_is_not_lifted_by_a_switch_that_leaves_the_node_alone(switch: dict[str, Any]) -> None:
    held = status("started", held="held, x")
    assert [e.kind for e in told(held, status("started", **switch))] == [EventKind.SWITCH]


def test_a_node_that_is_new_is_told_with_its_epoch() -> None:
    event = only(None, status(maintenance=Maintenance(on=True, by="conche")))
    assert (event.kind, event.after) == (EventKind.EPOCH, "e1")


def test_a_node_of_which_no_epoch_is_known_yet_is_told_with_its_first() -> None:
    unknown = status("unknown", epoch="")
    assert told(None, unknown) == []
    assert only(unknown, status("unknown")).after == "e1"


def test_at_the_beginning_a_state_that_is_not_known_yet_is_no_change() -> None:
    assert told(status(), status("unknown"), beginning=True) == []
    assert [e.text for e in told(status(), status("unknown"))] == ["started -> unknown"]


def test_a_node_that_left_is_told() -> None:
    assert farewell(status(), at=AT).text == "started -> left the registry"


def test_texts_are_bounded() -> None:
    event = only(status(), status("down", error="x" * 10 * MAX_WORDS))
    assert len(event.text) == MAX_WORDS
    assert event.text.endswith("…")
    foreign = Event(at=AT, kind=EventKind.STATE, text="x" * 10 * MAX_WORDS, reason="y" * 10 * MAX_WORDS)
    cut = bounded(foreign)
    assert (len(cut.text), len(cut.reason or ""), cut.kind) == (MAX_WORDS, MAX_WORDS, EventKind.STATE)
    assert bounded(event) is event
