"""A command whose id is repeated after its worker was restarted: it is answered, and not carried out again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec.json import decode, encode

from conche.commands import Command, Envelope
from conche.contract import Outcome, Resync
from conche.sync import carried
from conche.sync.carried import Carried
from conche.sync.records import CarriedOut, GroupRecord

from .world import World
from .world.moments import writes
from .world.operators import Sent
from .world.speakers import ROOT


def send(world: World, action: str, **arguments: Any) -> Sent:
    sent: Sent = world.do(world.operator.send, action, "cx1", **arguments)
    world.run(20.0)
    return sent


def bob_sends(world: World, action: str, **arguments: Any) -> None:
    topic = f"{ROOT}/command/bob/cx/cx1/{action}"
    world.do(world.broker.publish, topic, encode({"id": "bobs", **arguments}))
    world.run(20.0)


def repeat_to_the_next_worker(world: World, sent: Sent) -> None:
    world.kill_worker(back_in=0.3)
    world.run(10.0)
    world.do(world.operator.repeat, sent)
    world.run(10.0)


def last_result(sent: Sent) -> tuple[bool, Outcome, str | None]:
    result = sent.replies[-1][1].results["cx/cx1"]
    return result.ok, result.outcome, result.error


def test_an_old_end_of_maintenance_does_not_end_the_maintenance_of_another(pair: World) -> None:
    off = send(pair, "set_maintenance", maintenance=False)
    bob_sends(pair, "set_maintenance", maintenance=True, reason="cables")
    repeat_to_the_next_worker(pair, off)
    status = pair.status("cx1")
    assert status is not None
    assert (status.maintenance.on, status.maintenance.by) == (True, "bob")
    assert len(off.replies) == 2
    words = "carried out before; since then set otherwise by bob: cables"
    assert last_result(off) == (False, Outcome.FAILED, words)


def test_an_old_stop_does_not_stop_what_another_has_started_since(pair: World) -> None:
    stop = send(pair, "set_started", started=False)
    send(pair, "set_started", started=True)
    before = len(writes(pair))
    repeat_to_the_next_worker(pair, stop)
    assert len(writes(pair)) == before
    assert pair.runs("cx1")
    words = "carried out before; since then set otherwise by operator"
    assert last_result(stop) == (False, Outcome.FAILED, words)


@pytest.mark.parametrize(
    ("action", "arguments"),
    [("set_started", {"started": False}), ("set_maintenance", {"maintenance": True}), ("resync", {})],
)
def test_what_still_holds_is_answered_as_it_was_and_told_once_more(
    pair: World, action: str, arguments: dict[str, Any]
) -> None:
    sent = send(pair, action, **arguments)
    before = writes(pair)
    repeat_to_the_next_worker(pair, sent)
    assert [reply.ok for _, reply in sent.replies] == [True, True]
    assert last_result(sent) == (True, Outcome.OK, None)
    assert writes(pair) == before


def test_a_maintenance_whose_time_was_over_is_not_begun_again(pair: World) -> None:
    until = pair.wall() + timedelta(seconds=60)
    on = send(pair, "set_maintenance", maintenance=True, until=until)
    pair.run(100.0)
    repeat_to_the_next_worker(pair, on)
    assert last_result(on) == (False, Outcome.FAILED, "carried out before; since then its time was over")
    status = pair.status("cx1")
    assert status is not None
    assert not status.maintenance.on


def test_a_command_that_was_carried_out_is_answered_though_it_has_expired_since(pair: World) -> None:
    stop = send(pair, "set_started", started=False, expires_at=pair.wall() + timedelta(seconds=30))
    pair.run(60.0)
    repeat_to_the_next_worker(pair, stop)
    assert last_result(stop) == (True, Outcome.OK, None)


@pytest.mark.parametrize("other", ["set_started", "resync"])
def test_an_id_of_an_earlier_worker_s_command_is_refused_for_another(pair: World, other: str) -> None:
    first = send(pair, "set_maintenance", maintenance=False)
    before = writes(pair)
    repeat_to_the_next_worker(pair, Sent(first.id, other, "cx1", {"started": False}, pair.now))
    words = f"the id '{first.id}' is that of set_maintenance of cx/cx1: give each command an id of its own"
    assert first.replies[-1][1].error == words
    assert writes(pair) == before


@pytest.mark.parametrize("restarted", [False, True])
def test_one_id_with_another_value_is_refused_and_nothing_is_done(pair: World, restarted: bool) -> None:
    start = send(pair, "set_started", started=True)
    other = Sent(start.id, "set_started", "cx1", {"started": False}, pair.now)
    if restarted:
        repeat_to_the_next_worker(pair, other)
    else:
        pair.do(pair.operator.repeat, other)
        pair.run(10.0)
    heard = [*start.replies, *other.replies]
    assert heard[-1][1].error is not None
    assert "is that of set_started of cx/cx1 with other arguments" in heard[-1][1].error
    assert pair.runs("cx1")


def test_an_id_that_an_earlier_conche_kept_without_its_arguments_is_answered_as_before() -> None:
    old = CarriedOut(user="alice", id="1", action="resync", group="cx", node="cx1", by="alice")
    known = Carried()
    kept = decode(encode(decode(encode(old))[:-1]), type=CarriedOut)
    known.restore(GroupRecord(carried=[kept]), group="cx")
    assert known.of(replace(envelope("1"), digest="d")) == old


def test_an_id_of_an_earlier_worker_s_command_is_refused_for_another_node(pair: World) -> None:
    first = send(pair, "set_started", started=False)
    repeat_to_the_next_worker(pair, Sent(first.id, "set_started", "cx2", {"started": False}, pair.now))
    assert "is that of set_started of cx/cx1" in str(first.replies[-1][1].error)
    assert pair.runs("cx2")


def test_a_stop_that_could_not_be_saved_is_done_under_the_same_id_by_the_next_worker(pair: World) -> None:
    pair.disk.full = True
    stop = send(pair, "set_started", started=False)
    assert str(stop.reply.error).startswith("nothing was done: ")
    pair.disk.clear()
    pair.run(5.0)
    assert stop.id not in [one.id for one in pair.record().carried]
    repeat_to_the_next_worker(pair, stop)
    assert last_result(stop) == (True, Outcome.OK, None)
    assert pair.machine("cx1").running is None


def test_a_question_leaves_nothing_in_the_file_and_may_be_asked_again(pair: World) -> None:
    ping = send(pair, "ping")
    pair.do(pair.operator.repeat, ping)
    pair.run(10.0)
    assert [reply.ok for _, reply in ping.replies] == [True, True]
    assert ping.id not in [one.id for one in pair.record().carried]


def test_resyncs_that_an_earlier_conche_kept_are_known() -> None:
    known = Carried()
    known.restore(GroupRecord(restarts=[("alice", "1", "cx1")]), group="cx")
    assert known.of(envelope("1")) == CarriedOut(
        user="alice", id="1", action="resync", group="cx", node="cx1", by="alice"
    )


def test_the_oldest_ids_go_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "REMEMBERED", 3)
    known = Carried()
    for identity in "12345":
        known.note(Command(envelope(identity), Resync()))
    assert [one.id for one in known.all()] == ["3", "4", "5"]


def envelope(identity: str) -> Envelope:
    return Envelope(
        user="alice", group="cx", node="cx1", action="resync", id=identity, reply_to="", correlation=None
    )
