"""Each rule finds the doctored record that breaks it, and nothing in the one that does not."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from conche.contract import Maintenance
from conche.sim.control_client import SimEntry
from conche.sync.records import GroupRecord, NodeRecord

from .books import broken_rules
from .keeping import not_kept
from .record import NEVER, Epoch, Order, Record, Restart, Switch
from .switches import Switches

OLD, NEW = "a" * 32, "b" * 32
NODE = "cx/cx1"
_serial = count(1)


def entry(what: str, at: float, *, node: str = NODE, process: int = 1, **told: Any) -> SimEntry:
    return SimEntry(
        serial=next(_serial), at=at, node=node, process=process, connection=1, what=what, told=told
    )


def order(switch: Switch, value: bool, sent: float, answered: float) -> Order:
    return Order(node=NODE, switch=switch, value=value, sent=sent, answered=answered)


def epoch(edited: float, seen: float, adopted: float, **more: Any) -> Epoch:
    told: dict[str, Any] = {"registered": False, "seen_in_maintenance": True, "adopted_as": True, **more}
    return Epoch(node=NODE, machine=NODE, edited=edited, seen=seen, adopted=adopted, **told)


@pytest.fixture
def record() -> Record:
    """One node that was to run, and out of maintenance, from the second second on; NEW is desired from 10 on."""
    return Record(
        desired=[(0.0, OLD), (10.0, NEW)],
        orders=[order(Switch.STARTED, True, 0.0, 1.0), order(Switch.MAINTENANCE, False, 1.0, 2.0)],
        founders=frozenset({NODE}),
        node_of={NODE: NODE},
        machine_of={NODE: NODE},
        epochs_seen={NODE: ["e1"]},
    )


def only(breaches: Sequence[str]) -> str:
    assert len(breaches) == 1, breaches
    return breaches[0]


def test_a_restart_that_a_change_calls_for_breaks_nothing(record: Record) -> None:
    entries = [
        entry("start", 3.0, revision=OLD, status=200),
        entry("running", 3.0, revision=OLD),
        entry("kill", 11.0, running=OLD, arrived_at=11.0),
        entry("died", 12.0),
        entry("start", 13.0, process=2, revision=NEW, status=200),
    ]
    assert broken_rules(entries, record) == []


# --- no write to a node in maintenance


@pytest.mark.parametrize("what", ["kill", "start", "stop", "update", "lost"])
def test_a_write_in_maintenance_is_found(record: Record, what: str) -> None:
    record.orders.append(order(Switch.MAINTENANCE, True, 20.0, 21.0))
    found = only(broken_rules([entry(what, 30.0, running=OLD)], record))
    assert "in maintenance" in found


def test_a_write_before_anybody_took_it_out_of_maintenance_is_found(record: Record) -> None:
    assert "in maintenance" in only(broken_rules([entry("update", 0.5)], record))


def test_a_write_while_the_order_is_not_answered_breaks_nothing(record: Record) -> None:
    record.orders.append(order(Switch.MAINTENANCE, True, 20.0, 21.0))
    assert broken_rules([entry("update", 20.5)], record) == []


def test_a_write_after_an_order_that_was_lost_with_its_node_breaks_nothing(record: Record) -> None:
    lost = order(Switch.MAINTENANCE, True, 20.0, 21.0)
    lost.lost = True
    record.orders.append(lost)
    assert broken_rules([entry("update", 30.0)], record) == []


def test_a_write_that_arrived_in_time_and_was_carried_out_late_breaks_nothing(record: Record) -> None:
    record.orders.append(order(Switch.MAINTENANCE, True, 20.0, 21.0))
    assert broken_rules([entry("update", 30.0, arrived_at=20.5)], record) == []


def test_maintenance_ends_when_the_next_order_is_sent(record: Record) -> None:
    record.orders.append(order(Switch.MAINTENANCE, True, 20.0, 21.0))
    record.orders.append(order(Switch.MAINTENANCE, False, 30.0, 31.0))
    assert only(broken_rules([entry("update", 29.9), entry("update", 30.1)], record))


def test_a_new_epoch_is_maintenance_too(record: Record) -> None:
    record.epochs.append(epoch(20.0, 22.0, 22.0, adopted_as=True))
    breaches = broken_rules([entry("update", 21.0), entry("update", 23.0)], record)
    assert "23.000" in only(breaches)


def test_a_node_that_moved_is_in_maintenance_at_its_new_machine(record: Record) -> None:
    record.node_of["cx/cx1.1"] = NODE
    record.epochs.append(epoch(20.0, 22.0, 22.0))
    assert "cx/cx1.1" in only(broken_rules([entry("start", 23.0, node="cx/cx1.1")], record))


# --- no write to what is not in the registry


def test_a_write_to_a_machine_that_left_the_registry_is_found(record: Record) -> None:
    record.retired[NODE] = [(20.0, 30.0)]
    breaches = broken_rules([entry("update", t) for t in (19.0, 25.0, 31.0)], record)
    assert "not in the registry" in only(breaches)


# --- no kill of what runs as desired


def test_a_kill_of_what_is_desired_is_found(record: Record) -> None:
    assert "what is desired" in only(broken_rules([entry("kill", 11.0, running=NEW)], record))


def test_a_kill_of_what_is_to_be_stopped_breaks_nothing(record: Record) -> None:
    record.orders.append(order(Switch.STARTED, False, 20.0, 25.0))
    assert broken_rules([entry("kill", 21.0, running=NEW)], record) == []


def test_a_resync_excuses_one_kill_and_not_two(record: Record) -> None:
    record.restarts.append(Restart(node=NODE, sent=20.0, answered=25.0))
    kills = [entry("kill", 21.0, running=NEW), entry("kill", 23.0, process=2, running=NEW)]
    assert broken_rules(kills[:1], record) == []
    assert "second time for one resync" in only(broken_rules(kills, record))


def test_a_resync_that_was_answered_excuses_nothing(record: Record) -> None:
    record.restarts.append(Restart(node=NODE, sent=20.0, answered=25.0))
    assert only(broken_rules([entry("kill", 26.0, running=NEW)], record))


def test_a_machine_that_lies_about_its_config_may_be_killed_for_it(record: Record) -> None:
    lie = {"kind": "http", "path": "/config", "mode": "huge"}
    kill = entry("kill", 11.5, running=NEW)
    assert broken_rules([entry("fault", 11.0, fault=lie), kill], record) == []
    cleared = [entry("fault", 11.0, fault=lie), entry("fault", 11.2, fault=None), kill]
    assert only(broken_rules(cleared, record))
    assert only(broken_rules([entry("fault", 11.0, fault={**lie, "mode": "html"}), kill], record))


# --- no start of what is not to run, none twice


def test_a_start_of_what_is_to_be_stopped_is_found(record: Record) -> None:
    record.orders.append(order(Switch.STARTED, False, 20.0, 25.0))
    assert "not to run" in only(broken_rules([entry("start", 26.0, revision=NEW)], record))


def test_a_revision_started_twice_in_one_process_is_found(record: Record) -> None:
    twice = [entry("start", at, revision=NEW) for at in (11.0, 12.0)]
    assert "2 times" in only(broken_rules(twice, record))
    again = [entry("start", at, process=i, revision=NEW) for i, at in enumerate((11.0, 12.0))]
    assert broken_rules(again, record) == []


@pytest.mark.parametrize(
    ("fault", "excused"),
    [
        ({"kind": "http", "mode": "html"}, True),
        ({"kind": "http", "mode": "half", "path": "/start"}, True),
        ({"kind": "http", "mode": "half", "path": "/config"}, False),
        ({"kind": "reject_start"}, False),
    ],
)
def test_a_start_counts_unless_the_machine_was_deaf_to_it(
    record: Record, fault: dict[str, Any], excused: bool
) -> None:
    entries = [
        entry("fault", 10.5, fault=fault),
        entry("start", 11.0, revision=NEW),
        entry("fault", 11.5, fault=None),
        entry("start", 12.0, revision=NEW),
    ]
    assert (broken_rules(entries, record) == []) is excused


def test_a_unit_driven_to_its_start_limit_is_found_unless_it_had_a_fault(record: Record) -> None:
    failed = entry("failed", 12.0)
    assert "start limit" in only(broken_rules([failed], record))
    assert broken_rules([entry("fault", 11.0, fault={"kind": "flap"}), failed], record) == []


# --- epochs


def test_an_epoch_without_maintenance_is_found(record: Record) -> None:
    record.epochs.append(epoch(20.0, 22.0, 22.0, seen_in_maintenance=False))
    assert "maintenance False" in only(broken_rules([], record))


def test_an_order_during_the_edit_may_take_it_out_of_maintenance_again(record: Record) -> None:
    record.epochs.append(epoch(20.0, 22.0, 22.0, seen_in_maintenance=False))
    record.orders.append(order(Switch.MAINTENANCE, False, 19.0, 21.0))
    assert broken_rules([], record) == []


def test_what_was_to_run_is_adopted_as_such(record: Record) -> None:
    record.epochs.append(epoch(20.0, 22.0, 22.0, adopted_as=False))
    assert "started False" in only(broken_rules([], record))


@pytest.mark.parametrize(
    ("running", "registered", "right"),
    [(True, False, True), (True, True, True), (False, True, True), (False, False, False)],
)
def test_what_was_not_to_run_is_adopted_as_it_is_found(
    record: Record, running: bool, registered: bool, right: bool
) -> None:
    record.orders.append(order(Switch.STARTED, False, 14.0, 15.0))
    entries = [entry("running", 13.0, revision=NEW), *([] if running else [entry("died", 14.0)])]
    for adopted_as in (True, False):
        record.epochs = [epoch(20.0, 22.0, 23.0, registered=registered, adopted_as=adopted_as)]
        assert (broken_rules(entries, record) == []) is (adopted_as is right)


def test_of_a_node_that_returns_nobody_need_know_that_it_was_to_run(record: Record) -> None:
    record.epochs.append(epoch(20.0, 22.0, 22.0, returned=True, adopted_as=False))
    assert broken_rules([], record) == []


def test_a_start_of_a_node_adopted_as_stopped_is_found(record: Record) -> None:
    record.orders.append(order(Switch.STARTED, False, 14.0, 15.0))
    record.epochs.append(epoch(20.0, 22.0, 22.0, adopted_as=False))
    record.orders.append(order(Switch.MAINTENANCE, False, 24.0, 25.0))
    assert "not to run" in only(broken_rules([entry("start", 26.0, revision=NEW)], record))


def test_an_epoch_that_nobody_asked_for_is_found(record: Record) -> None:
    record.epochs.append(epoch(20.0, 22.0, 22.0))
    record.epochs_seen[NODE] = ["e1", "e2"]
    assert broken_rules([], record) == []
    record.epochs_seen[NODE] = ["e1", "e2", "e3"]
    assert "3 epochs" in only(broken_rules([], record))


def test_a_node_that_came_later_has_the_epochs_of_its_edits_alone(record: Record) -> None:
    record.founders = frozenset()
    assert "1 epochs" in only(broken_rules([], record))


def test_an_epoch_that_is_not_seen_yet_breaks_nothing(record: Record) -> None:
    record.epochs.append(epoch(20.0, NEVER, NEVER, seen_in_maintenance=None, adopted_as=None))
    assert broken_rules([], record) == []


# --- switches on disk


def on_disk(record: Record, at: float, *, started: bool | None, maintenance: bool, epoch: str = "e1") -> str:
    kept = NodeRecord(epoch=epoch, started=started, maintenance=Maintenance(on=maintenance))
    switches = Switches(record, [])
    group = GroupRecord(nodes={"cx1": kept})
    return "; ".join(not_kept(group, "cx", record, switches, between=(at, at + 0.01)))


def test_a_switch_that_was_answered_and_is_not_on_disk_is_found(record: Record) -> None:
    assert on_disk(record, 5.0, started=True, maintenance=False) == ""
    assert "maintenance True on disk" in on_disk(record, 5.0, started=True, maintenance=True)
    assert "started False on disk" in on_disk(record, 5.0, started=False, maintenance=False)


def test_a_switch_may_stand_either_way_on_disk_until_its_order_is_answered(record: Record) -> None:
    record.orders.append(order(Switch.MAINTENANCE, True, 20.0, 21.0))
    for value in (True, False):
        assert on_disk(record, 20.5, started=True, maintenance=value) == ""
    assert on_disk(record, 22.0, started=True, maintenance=False)


def test_what_is_on_disk_of_another_epoch_tells_nothing(record: Record) -> None:
    assert on_disk(record, 5.0, started=False, maintenance=True, epoch="e0") == ""


def test_what_was_found_on_disk_is_a_breach(record: Record) -> None:
    record.not_kept.add("cx/cx1: maintenance False on disk")
    assert only(broken_rules([], record)) == "cx/cx1: maintenance False on disk"
