"""What is still not as it should be, once nothing is killed any more."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from conche.contract import NodeState, NodeStatus
from conche.sim.control_client import SimEntry, SimNode
from tests.integration.dataplane import converged

from .record import NEVER, Record, Switch
from .switches import Switches


@dataclass(frozen=True, slots=True)
class Found:
    """How things are.

    Parameters
    ----------
    statuses
        What stands on the broker.
    machines
        What the simulator says of its own.
    present
        The nodes of nodes.yaml.
    """

    statuses: Mapping[str, NodeStatus]
    machines: Mapping[str, SimNode]
    present: Set[str]


def unsettled(found: Found, record: Record, entries: Sequence[SimEntry]) -> list[str]:
    """Return what is not yet as it should be, in words."""
    switches = Switches(record, entries)
    words = [f"{order.node}: nobody has answered {order}" for order in record.unanswered()]
    words += [
        f"{e.node}: never seen in the epoch of {e.edited:.3f}" for e in record.epochs if e.seen == NEVER
    ]
    words += [f"{node}: has a status and is not there" for node in found.statuses.keys() - found.present]
    for node in sorted(found.present):
        if node not in found.statuses:
            words.append(f"{node}: has no status")
        else:
            words += [f"{node}: {w}" for w in _wrong(node, found, record, switches)]
    return words


def _wrong(node: str, found: Found, record: Record, switches: Switches) -> Iterator[str]:
    """Find what is wrong with one node: with a switch, or with what it runs."""
    status, machine = found.statuses[node], found.machines[record.machine_of[node]]
    stands = {Switch.STARTED: status.started, Switch.MAINTENANCE: status.maintenance.on}
    for switch, value in stands.items():
        if value not in switches.at(node, switch):
            yield f"{switch} is {value}, which nobody ordered"
    if status.maintenance.on:
        return
    if status.started:
        if not converged(status) or status.live != record.newest():
            words = f"{status.state}, {status.error or status.held}, retry at {status.retry_at}"
            yield f"does not run what is desired: {words}"
        elif machine.revision != record.newest():
            yield f"its machine runs {machine.revision}"
    elif status.state is not NodeState.STOPPED or status.live is not None:
        yield f"is {status.state} and should be stopped: {status.error}"
    elif machine.running:
        yield "is said to be stopped, and its machine runs"
