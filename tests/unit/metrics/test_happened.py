"""Events as readings."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from conche.contract import Event, EventKind
from conche.contract import measurements as m
from conche.metrics.happened import REMEMBERED, Happened
from conche.metrics.readings import Reading

from .samples import NOW, NOW_NS

CX1 = {"service": "sync", "group": "cx", "node": "cx1"}
CX = {"service": "sync", "group": "cx", "node": "-"}


def event(kind: EventKind, at: datetime = NOW, **more: Any) -> Event:
    return Event(at=at, kind=kind, **{"text": "so it was", **more})


def told(happened: Happened, params: dict[str, str], one: Event) -> dict[str, Reading]:
    return {reading.measurement.name: reading for reading in happened.readings(params, one)}


@pytest.mark.parametrize("kind", EventKind)
def test_every_event_is_a_happening_with_its_series_and_time(kind: EventKind):
    happening = told(Happened(), CX1, event(kind, user="bob", ok=True))["event"]
    assert happening.measurement is m.HAPPENING
    assert happening.tags == {**CX1, "kind": kind}
    assert happening.fields == {"text": "so it was", "user": "bob", "ok": True}
    assert happening.at_ns == NOW_NS


@pytest.mark.parametrize("kind", [k for k in EventKind if k not in (EventKind.PUSH, EventKind.REPLY)])
def test_most_events_are_nothing_else(kind: EventKind):
    assert told(Happened(), CX1, event(kind, action="x", command="1")).keys() == {"event"}


def test_a_push_has_its_kind_its_length_and_what_ran_afterwards():
    one = event(EventKind.PUSH, action="restart", ok=True, took_s=5.5, before="a", after="b")
    push = told(Happened(), CX1, one)["push"]
    assert push.tags == {"group": "cx", "node": "cx1", "kind": "restart"}
    assert push.fields == {"took_s": 5.5, "ok": True, "revision": "b", "text": "so it was"}


def test_a_push_that_was_interrupted_says_neither_how_it_ended_nor_when():
    push = told(Happened(), CX1, event(EventKind.PUSH, action="start", before="a"))["push"]
    assert push.fields == {"took_s": None, "ok": None, "revision": None, "text": "so it was"}


def test_a_reply_is_an_answered_command():
    one = event(EventKind.REPLY, user="bob", action="resync", command="7", ok=False, took_s=2.0)
    command = told(Happened(), CX, one)["command"]
    assert command.tags == {"group": "cx", "action": "resync", "user": "bob", "service": "sync"}
    assert command.fields == {
        "took_s": 2.0, "ok": False, "person": "bob", "reason": None, "text": "so it was"
    }  # fmt: skip


def test_who_wished_it_through_whom_and_why_is_known_from_when_it_was_taken():
    happened = Happened()
    taken = event(EventKind.COMMAND, user="eve", via="panel", reason="rain", action="resync", command="7")
    told(happened, CX, taken)
    reply = event(EventKind.REPLY, user="panel", action="resync", command="7", ok=True)
    command = told(happened, CX, reply)["command"]
    assert command.tags["user"] == "panel"
    assert (command.fields["person"], command.fields["reason"]) == ("eve", "rain")


@pytest.mark.parametrize("name", ["eve müller", "x" * 65, "a/b", "a\nb"])
def test_a_name_that_no_account_has_makes_no_series(name: str):
    for more in ({"user": name}, {"user": "bob", "via": name}):
        command = told(Happened(), CX, event(EventKind.REPLY, **more))["command"]
        assert command.tags["user"] == "other"
        assert command.fields["person"] == more["user"]


@pytest.mark.parametrize(
    ("action", "tag"),
    [
        ("resync", "resync"),
        ("set_files", "set_files"),
        ("make_tea", "other"),
        ("x" * 500, "other"),
        (None, ""),
    ],
)
def test_an_action_that_there_is_not_makes_no_series(action: str | None, tag: str):
    command = told(Happened(), CX, event(EventKind.REPLY, user="bob", action=action))["command"]
    assert command.tags["action"] == tag


def test_a_command_of_another_group_node_or_id_is_another():
    happened = Happened()
    told(happened, CX, event(EventKind.COMMAND, user="eve", reason="rain", command="7"))
    for params, id_ in (({**CX, "group": "recv"}, "7"), (CX1, "7"), (CX, "8"), (CX, None)):
        reply = event(EventKind.REPLY, user="bob", command=id_)
        assert told(happened, params, reply)["command"].fields["reason"] is None


def test_commands_that_are_never_answered_do_not_fill_the_memory():
    happened = Happened()
    for number in range(REMEMBERED + 1):
        told(happened, CX, event(EventKind.COMMAND, reason="rain", command=str(number)))
    reasons = [
        told(happened, CX, event(EventKind.REPLY, command=str(number)))["command"].fields["reason"]
        for number in (0, 1, REMEMBERED)
    ]
    assert reasons == [None, "rain", "rain"]


def test_events_of_one_service_at_one_time_are_told_apart():
    happened = Happened()
    params = [CX1, CX, {**CX1, "node": "cx2"}] * 700
    times = [told(happened, p, event(EventKind.REPLY))["command"].at_ns for p in params]
    assert times == list(range(NOW_NS, NOW_NS + 2100))


def test_the_readings_of_one_event_have_one_time():
    happened = Happened()
    for _ in range(2):
        readings = told(happened, CX1, event(EventKind.PUSH, action="start"))
        assert readings["push"].at_ns == readings["event"].at_ns


def test_an_event_that_was_told_late_keeps_its_time():
    happened = Happened()
    told(happened, CX1, event(EventKind.STATE, at=NOW + timedelta(seconds=1)))
    assert told(happened, CX1, event(EventKind.STATE))["event"].at_ns == NOW_NS
