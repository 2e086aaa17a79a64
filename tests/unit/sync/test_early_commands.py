"""Commands that come before the worker knows its nodes."""

import pytest

from .world import World
from .world.moments import register, writes


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
