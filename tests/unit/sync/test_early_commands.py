"""Commands that come before the worker knows its nodes."""

from typing import Any

import pytest
from msgspec.json import decode, encode

from conche.contract import COMMAND, Delivery
from conche.sync import wishes

from .world import World
from .world.moments import register, writes
from .world.speakers import ROOT


@pytest.fixture
def early(pair: World) -> World:
    """Return a telescope whose broker and worker have just come up, without anything that was said before."""
    pair.do(pair.renderer.die)
    pair.kill_worker()
    pair.do(pair.broker.crash)
    pair.do(pair.broker.come_back, {})
    pair.start_worker()
    pair.run(1.0)
    return pair


COMMANDS = [("set_started", {"started": False}), ("set_maintenance", {"maintenance": True}), ("resync", {})]

every = pytest.mark.parametrize(("action", "arguments"), COMMANDS, ids=[action for action, _ in COMMANDS])


@every
def test_a_command_that_comes_early_is_answered_once_when_the_nodes_are_known(
    early: World, action: str, arguments: dict[str, object]
) -> None:
    sent = early.do(early.operator.send, action, "cx1", **arguments)
    early.run(20.0)
    assert sent.replies == []
    early.do(early.renderer.start)
    early.run(120.0)
    assert len(sent.replies) == 1
    assert sent.reply.ok


@every
def test_a_command_that_comes_too_early_is_refused_after_a_minute_and_never_carried_out(
    early: World, action: str, arguments: dict[str, object]
) -> None:
    sent = early.do(early.operator.send, action, "cx1", **arguments)
    early.run(59.0)
    assert sent.replies == []
    early.run(2.0)
    assert (sent.reply.ok, sent.reply.results) == (False, {})
    assert "the renderer is not there" in str(sent.reply.error)
    before = len(writes(early))
    early.do(early.renderer.start)
    early.run(120.0)
    assert len(sent.replies) == 1
    assert len(writes(early)) == before
    assert early.runs("cx1")


def test_an_early_command_to_a_node_that_there_is_not_is_told_so(early: World) -> None:
    sent = early.do(early.operator.send, "set_started", "cx9", started=True)
    early.do(early.renderer.start)
    early.run(5.0)
    assert "there is no node 'cx9' in cx; there are cx1, cx2" in str(sent.reply.error)


def test_an_early_command_is_carried_out_in_the_epoch_that_has_begun_meanwhile(early: World) -> None:
    sent = early.do(early.operator.send, "set_maintenance", "cx1", maintenance=False)
    early.do(register, early, cx1=early.entry("cx1", "e2"), cx2=early.entry("cx2", "e2"))
    early.do(early.renderer.start)
    early.run(20.0)
    assert sent.reply.ok
    statuses = [early.status("cx1"), early.status("cx2")]
    assert [(s.epoch, s.maintenance.on) for s in statuses if s] == [("e2", False), ("e2", True)]


# --- what others answer


def ask(world: World, group: str, node: str, action: str, **arguments: Any) -> list[dict[str, Any]]:
    """Send a command as somebody else; return where its answers will stand."""
    answers: list[dict[str, Any]] = []

    def hear(topic: str, payload: bytes) -> None:
        if topic == f"{ROOT}/reply/eve/one":
            answers.append(decode(payload))

    world.broker.listeners.append(hear)
    topic = COMMAND.topic(user="eve", group=group, node=node, action=action)
    world.do(world.broker.publish, f"{ROOT}/{topic}", encode({"id": "one", **arguments}))
    return answers


def fill_inbox(world: World) -> None:
    """Have the worker's inbox take no command more."""
    assert world.worker is not None
    world.worker.bus._intake.inbox._most[Delivery.COMMAND] = 0


NOT_MINE = [
    ("cx", "cx1", "updatable_config", {"endpoint": "gains", "values": {}}),
    ("cx", "all", "base_config", {"config_content": ""}),
    ("all", "other9", "ping", {}),
    ("all", "other9", "set_started", {"started": False}),
]


@pytest.mark.parametrize(("group", "node", "action", "arguments"), NOT_MINE)
def test_what_others_answer_is_not_refused_by_a_worker_that_does_not_know_its_nodes(
    early: World, group: str, node: str, action: str, arguments: dict[str, Any]
) -> None:
    answers = ask(early, group, node, action, **arguments)
    early.run(70.0)
    assert answers == []


@pytest.mark.parametrize(("group", "node", "action", "arguments"), NOT_MINE)
def test_what_others_answer_is_not_refused_by_a_worker_that_has_too_much_to_do(
    pair: World,
    monkeypatch: pytest.MonkeyPatch,
    group: str,
    node: str,
    action: str,
    arguments: dict[str, Any],
) -> None:
    fill_inbox(pair)
    answers = ask(pair, group, node, action, **arguments)
    pair.run(5.0)
    assert answers == []


@pytest.mark.parametrize(("group", "node"), [("cx", "cx1"), ("all", "cx1"), ("all", "all"), ("cx", "cx9")])
def test_what_is_the_worker_s_own_is_refused_where_it_has_too_much_to_do(
    pair: World, group: str, node: str
) -> None:
    fill_inbox(pair)
    answers = ask(pair, group, node, "ping")
    pair.run(5.0)
    assert [answer["error"] for answer in answers] == ["busy: too many commands; try again"]


def test_a_command_to_all_groups_for_a_node_that_was_known_is_refused_after_a_minute(early: World) -> None:
    answers = ask(early, "all", "cx1", "set_started", started=False)
    early.run(70.0)
    assert ["the renderer is not there" in answer["error"] for answer in answers] == [True]


def test_too_many_early_commands_of_others_leave_room_for_the_worker_s_own(
    early: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wishes, "MAX_EARLY", 2)
    for _ in range(5):
        ask(early, "cx", "cx1", "updatable_config", endpoint="gains", values={})
    sent = early.do(early.operator.send, "set_maintenance", "cx1", maintenance=True)
    early.do(early.renderer.start)
    early.run(20.0)
    assert sent.reply.ok


def test_a_node_that_there_is_not_is_told_of_ten_that_there_are(make_world: Any) -> None:
    world = make_world(*(f"cx{number}" for number in range(1, 14)))
    world.begin()
    sent = world.do(world.operator.send, "resync", "cx99")
    world.run(5.0)
    named = ", ".join(f"cx{number}" for number in range(1, 11))
    assert sent.reply.error == f"there is no node 'cx99' in cx; there are {named} and 3 more"
