"""What is not yet as it should be is named."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs

from conche.contract import Maintenance, NodeState, NodeStatus
from conche.sim.control_client import SimNode

from .record import Epoch, Order, Record, Switch
from .settling import Found, unsettled

NEW, OLD = "b" * 32, "a" * 32
NODE = "cx/cx1"

RUNS = NodeStatus(
    state=NodeState.STARTED,
    started=True,
    maintenance=Maintenance(on=False),
    epoch="e1",
    desired=NEW,
    live=NEW,
    proven=NEW,
    since=datetime(2026, 11, 21, tzinfo=UTC),
)
MACHINE = SimNode(
    name=NODE,
    host="127.0.0.1",
    port=12000,
    process=1,
    state="running",
    running=True,
    revision=NEW,
    starts=1,
    deaths=0,
    faults=[],
    writes={},
)


def order(switch: Switch, value: bool, sent: float, **more: Any) -> Order:
    return Order(node=NODE, switch=switch, value=value, sent=sent, **{"answered": sent + 1.0, **more})


@pytest.fixture
def record() -> Record:
    """One node that is to run, and out of maintenance."""
    return Record(
        desired=[(0.0, NEW)],
        orders=[order(Switch.STARTED, True, 0.0), order(Switch.MAINTENANCE, False, 2.0)],
        machine_of={NODE: NODE},
        node_of={NODE: NODE},
    )


def words(record: Record, *, status: NodeStatus | None = RUNS, machine: SimNode = MACHINE) -> str:
    statuses = {} if status is None else {NODE: status}
    return "; ".join(unsettled(Found(statuses, {NODE: machine}, set(record.machine_of)), record, []))


def test_a_node_that_runs_what_is_desired_is_settled(record: Record) -> None:
    assert words(record) == ""


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"live": OLD}, "does not run what is desired"),
        ({"live": OLD, "desired": OLD, "proven": OLD}, "does not run what is desired"),
        ({"proven": OLD}, "does not run what is desired"),
        ({"state": NodeState.SYNCING}, "does not run what is desired"),
        ({"maintenance": Maintenance(on=True)}, "maintenance is True, which nobody ordered"),
        ({"started": False, "state": NodeState.STOPPED}, "started is False, which nobody ordered"),
        ({"started": None}, "started is None, which nobody ordered"),
    ],
)
def test_what_is_wrong_with_a_status_is_named(record: Record, changes: dict[str, Any], found: str) -> None:
    assert found in words(record, status=structs.replace(RUNS, **changes))


def test_a_status_that_lies_about_its_machine_is_found(record: Record) -> None:
    assert "its machine runs" in words(record, machine=replace(MACHINE, revision=OLD))


def test_a_stopped_node_must_be_stopped(record: Record) -> None:
    record.orders.append(order(Switch.STARTED, False, 4.0))
    stopped = structs.replace(RUNS, started=False, state=NodeState.STOPPED, live=None)
    idle = replace(MACHINE, running=False, revision=None)
    assert words(record, status=stopped, machine=idle) == ""
    assert "its machine runs" in words(record, status=stopped)
    assert "should be stopped" in words(record, status=structs.replace(RUNS, started=False))


def test_a_node_in_maintenance_may_run_anything(record: Record) -> None:
    record.orders.append(order(Switch.MAINTENANCE, True, 4.0))
    held = structs.replace(RUNS, maintenance=Maintenance(on=True), live=OLD)
    assert words(record, status=held, machine=replace(MACHINE, revision=OLD)) == ""
    assert "maintenance is False, which nobody ordered" in words(record)


def test_an_order_that_nobody_answered_is_found(record: Record) -> None:
    record.orders.append(Order(node=NODE, switch=Switch.STARTED, value=True, sent=4.0))
    assert "nobody has answered" in words(record)


def test_an_epoch_that_nobody_saw_is_found(record: Record) -> None:
    record.epochs.append(Epoch(node=NODE, edited=4.0, machine=NODE, registered=False))
    assert "never seen in the epoch" in words(record)


def test_a_status_that_is_missing_or_left_over_is_found(record: Record) -> None:
    assert "has no status" in words(record, status=None)
    record.machine_of.clear()
    assert "has a status and is not there" in words(record)
