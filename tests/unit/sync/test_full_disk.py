"""The disk is full when something is to be saved: nothing is half done, and the words say so."""

import pytest

from .world import World
from .world.configs import Config
from .world.moments import writes

OLD = Config()
OTHER = Config(depth=5)
FULL = "can't be written: No space left on device"


@pytest.fixture
def full(trio: World) -> World:
    """Return a telescope whose worker's disk is full."""
    trio.run(5.0)
    trio.disk.full = True
    return trio


def test_a_stop_that_cannot_be_saved_is_not_done(full: World) -> None:
    before = writes(full)
    sent = full.do(full.operator.send, "set_started", "cx1", started=False)
    full.run(60.0)
    status = full.status("cx1")
    assert (sent.reply.ok, sent.reply.results) == (False, {})
    assert str(sent.reply.error).startswith("nothing was done: ")
    assert FULL in str(sent.reply.error)
    assert status is not None
    assert (status.started, status.state) == (True, "started")
    full.disk.clear()
    full.run(60.0)
    assert writes(full) == before


def test_maintenance_that_cannot_be_saved_holds_and_is_said_to_be_forgotten_with_the_worker(
    full: World,
) -> None:
    sent = full.do(full.operator.send, "set_maintenance", "cx1", maintenance=True)
    full.run(1.0)
    status = full.status("cx1")
    result = sent.reply.results["cx/cx1"]
    assert (result.ok, result.outcome) == (False, "failed")
    assert "it is in maintenance, which is forgotten if its worker ends" in str(result.error)
    assert status is not None
    assert status.maintenance.on
    full.disk.clear()
    full.run(5.0)
    assert full.record().nodes["cx1"].maintenance.on


def test_the_end_of_maintenance_that_cannot_be_saved_is_none(trio: World) -> None:
    trio.do(trio.operator.send, "set_maintenance", "cx1", maintenance=True)
    trio.do(trio.want, OTHER, "cx1")
    trio.run(5.0)
    before = writes(trio)
    trio.disk.full = True
    sent = trio.do(trio.operator.send, "set_maintenance", "cx1", maintenance=False)
    trio.run(30.0)
    status = trio.status("cx1")
    assert str(sent.reply.error).startswith("nothing was done: ")
    assert status is not None
    assert status.maintenance.on
    trio.disk.clear()
    trio.run(60.0)
    assert writes(trio) == before


def test_a_resync_that_cannot_be_saved_is_not_done_later_either(full: World) -> None:
    before = writes(full)
    sent = full.do(full.operator.send, "resync", "all")
    full.run(10.0)
    assert (sent.reply.ok, sent.reply.results) == (False, {})
    assert FULL in str(sent.reply.error)
    full.disk.clear()
    full.run(60.0)
    assert writes(full) == before


def test_a_resync_that_could_not_be_saved_is_done_under_the_same_id_when_there_is_room(full: World) -> None:
    sent = full.do(full.operator.send, "resync", "cx1")
    full.run(10.0)
    full.disk.clear()
    full.run(10.0)
    full.kill_worker(back_in=0.3)
    full.run(10.0)
    before = len(writes(full))
    full.do(full.operator.repeat, sent)
    full.run(30.0)
    assert sent.replies[-1][1].ok
    assert writes(full)[before:] == ["/kill", "/start"]


def test_a_push_that_cannot_be_recorded_writes_nothing_and_says_so(full: World) -> None:
    before = {name: writes(full, name) for name in full.names}
    full.do(full.want, OTHER)
    full.run(20.0)
    status = full.status("cx1")
    assert {name: writes(full, name) for name in full.names} == before
    assert status is not None
    assert "restart failed: " in str(status.error)
    assert FULL in str(status.error)
    assert full.machine("cx1").running == OLD.revision


def test_a_push_that_could_not_be_recorded_is_made_when_there_is_room(full: World) -> None:
    full.do(full.want, OTHER)
    full.run(20.0)
    full.disk.clear()
    full.until(full.all_run, within=600.0)
