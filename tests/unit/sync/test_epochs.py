"""How a node is adopted, enters an epoch, and is restored from the file or the broker."""

from datetime import timedelta

import pytest

from conche.contract import Maintenance, NodeState, NodeStatus, PushKind, Rejection
from conche.kotekan.snapshot import Snapshot
from conche.sync.epochs import adopt, adopted, enter_epoch, restore
from conche.sync.node import Node
from conche.sync.records import NodeRecord, PushStep

from .samples import DOWN, IDLE, NOW, RUNNING, entry, node


@pytest.mark.parametrize(
    ("was_started", "interrupted", "seen", "registered", "outcome"),
    [
        (False, False, RUNNING, False, True),  # running: true
        (True, False, IDLE, False, True),  # was to run, and is idle
        (True, False, DOWN, False, True),  # was to run, and is unreachable
        (False, True, IDLE, False, True),  # a push was under way
        (False, False, IDLE, True, True),  # else nodes.yaml
        (False, False, IDLE, False, False),  # else false
        (False, False, DOWN, True, None),  # when it first answers
        (False, False, None, True, None),
    ],
)
def test_a_node_is_adopted_as_it_is_found(
    was_started: bool, interrupted: bool, seen: Snapshot | None, registered: bool, outcome: bool | None
) -> None:
    found = adopted(was_started=was_started, interrupted=interrupted, seen=seen, registered=registered)
    assert found is outcome


def test_a_new_epoch_puts_a_node_into_maintenance_and_asks_anew_whether_it_is_to_run() -> None:
    one = node()
    assert enter_epoch(one, entry("e2"))
    assert one.maintenance.on
    assert one.started is None
    one.seen = DOWN
    assert adopt(one)
    assert one.started is True


def test_an_epoch_waits_for_a_push_under_way() -> None:
    one = node()
    one.push = PushStep(id="p", kind=PushKind.RESTART, at=NOW)
    assert not enter_epoch(one, entry("e2"))
    assert (one.epoch, one.maintenance.on) == ("e1", False)


def test_switches_that_were_set_while_an_epoch_waited_hold_in_it() -> None:
    one = node()
    mine = Maintenance(on=False, by="ann")
    one.await_epoch("e2")
    one.next_started, one.next_maintenance = False, mine
    two = Node("cx", "cx1", entry())
    two.restore(one.record(now=0.0, wall=NOW), now=0.0, wall=NOW)  # also if the worker is killed meanwhile
    assert enter_epoch(two, entry("e2"))
    assert (two.started, two.maintenance) == (False, mine)
    assert enter_epoch(two, entry("e3"))
    assert (two.started, two.maintenance.on) == (None, True)


def test_switches_that_were_set_for_one_epoch_do_not_hold_in_the_next() -> None:
    one = node()
    one.await_epoch("e2")
    one.next_started, one.next_maintenance = True, Maintenance(on=False)
    assert enter_epoch(one, entry("e3"))
    assert (one.started, one.maintenance.on) == (None, True)


def test_switches_that_were_set_before_the_epoch_was_known_do_not_hold_in_a_later_one() -> None:
    one = node()
    one.await_epoch("e3")
    one.next_started, one.next_maintenance = True, Maintenance(on=False)
    assert not enter_epoch(one, entry("e1"))
    assert enter_epoch(one, entry("e2"))
    assert (one.started, one.maintenance.on) == (None, True)


def test_another_address_makes_what_was_seen_worthless() -> None:
    one = node()
    one.seen = RUNNING
    enter_epoch(one, entry("e2", host="elsewhere"))
    assert one.entry.host == "elsewhere"
    assert one.seen is None


def test_an_explicit_wish_wins_over_adoption() -> None:
    one = node()
    enter_epoch(one, entry("e2"))
    one.started = False
    one.seen = RUNNING
    assert not adopt(one)
    assert one.started is False


def test_switches_come_from_the_file_then_from_the_broker_then_maintenance() -> None:
    record = NodeRecord(epoch="e1", maintenance=Maintenance(on=False), started=True)
    status = NodeStatus(
        state=NodeState.STARTED, started=False, maintenance=Maintenance(on=True, by="ann"), epoch="e1"
    )
    one = Node("cx", "cx1", entry())
    restore(one, record=record, status=status, now=0.0, wall=NOW)
    assert (one.started, one.maintenance.on) == (True, False)
    two = Node("cx", "cx1", entry())
    restore(two, record=None, status=status, now=0.0, wall=NOW)
    assert (two.started, two.maintenance.by) == (False, "ann")
    three = Node("cx", "cx1", entry())
    restore(three, record=None, status=None, now=0.0, wall=NOW)
    assert three.maintenance.on


def test_a_stop_that_was_interrupted_does_not_make_a_node_start() -> None:
    record = NodeRecord(
        epoch="e1",
        maintenance=Maintenance(on=False),
        started=False,
        push=PushStep(id="p", kind=PushKind.STOP, at=NOW),
    )
    one = Node("cx", "cx1", entry())
    restore(one, record=record, status=None, now=0.0, wall=NOW)
    enter_epoch(one, entry("e2"))
    one.seen = IDLE
    adopt(one)
    assert one.started is False


def test_the_record_of_a_node_restores_it() -> None:
    one = node()
    one.backoff.begin("1" * 32, 0.0)
    one.reject(Rejection(error="no", at=NOW, revision="9" * 32))
    one.proven = "1" * 32
    two = Node("cx", "cx1", entry())
    restore(
        two, record=one.record(now=0.5, wall=NOW), status=None, now=100.0, wall=NOW + timedelta(seconds=1)
    )
    assert (two.started, two.maintenance, two.epoch) == (one.started, one.maintenance, one.epoch)
    assert (two.rejected, two.proven) == (one.rejected, one.proven)
    assert 0.0 <= two.backoff.wait("1" * 32, 100.0) <= 1.0


def test_a_stop_that_was_interrupted_leaves_the_back_off_of_the_config_alone() -> None:
    one = node()
    one.backoff.begin("1" * 32, 0.0)
    one.push = PushStep(id="p", kind=PushKind.STOP, at=NOW)
    two = Node("cx", "cx1", entry())
    two.restore(one.record(now=0.0, wall=NOW), now=50.0, wall=NOW)
    assert two.backoff.attempts == 1
    assert two.backoff.wait("1" * 32, 50.0) > 1.0


def test_a_resync_that_was_to_be_done_is_done_by_the_next_worker() -> None:
    one = node()
    one.forced, one.forced_until = True, NOW
    two = Node("cx", "cx1", entry())
    two.restore(one.record(now=0.0, wall=NOW), now=0.0, wall=NOW)
    assert (two.forced, two.forced_until, two.resync_lost) == (True, NOW, False)


def test_a_resync_that_was_interrupted_is_not_done_twice_and_that_is_said() -> None:
    one = node()
    one.forced = True
    one.push = PushStep(id="p", kind=PushKind.RESTART, at=NOW)
    two = Node("cx", "cx1", entry())
    two.restore(one.record(now=0.0, wall=NOW), now=0.0, wall=NOW)
    assert (two.forced, two.resync_lost) == (False, True)


def test_a_push_that_was_interrupted_long_ago_makes_no_stopped_node_start() -> None:
    one = node()
    one.interrupted, one.started = True, True
    assert not adopt(one)
    one.started = False
    enter_epoch(one, entry("e2"))
    one.seen = IDLE
    adopt(one)
    assert one.started is False
