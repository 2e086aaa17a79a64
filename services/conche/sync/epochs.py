"""How a node comes into a new epoch: in maintenance, and adopted as it is found."""

from datetime import datetime

from conche.contract import Maintenance, NodeStatus, Reach, RegisteredNode
from conche.kotekan.snapshot import Snapshot

from .node import BY_CONCHE, Node
from .records import NodeRecord

NEW_EPOCH = Maintenance(on=True, by=BY_CONCHE, reason="new epoch: look, then take it out of maintenance")
UNKNOWN_PAST = Maintenance(on=True, by=BY_CONCHE, reason="its switches were lost: look, then take it out")


def restore(
    node: Node, *, record: NodeRecord | None, status: NodeStatus | None, now: float, wall: datetime
) -> None:
    """Give a node its switches back: from the file, else from its retained status, else maintenance.

    Parameters
    ----------
    node
        To be restored.
    record, status
        What the file and the broker hold of it; of whatever epoch.
    now, wall
        Monotonic clock [s] and wall clock.
    """
    if record is not None:
        node.restore(record, now=now, wall=wall)
    elif status is not None:
        node.epoch = status.epoch
        node.started = status.started
        node.maintenance = status.maintenance
        node.proven = status.proven
        node.rejected = list(status.rejected)
    else:
        node.maintenance = UNKNOWN_PAST


def enter_epoch(node: Node, entry: RegisteredNode) -> bool:
    """Bring a node into the epoch of its registry entry, unless a push is under way.

    A switch that an operator set while the epoch waited for a push is what he wants in it.

    Parameters
    ----------
    node
        To be brought.
    entry
        What the registry of a live renderer says of it.

    Returns
    -------
    bool
        Whether the epoch was new to it.
    """
    if node.push is not None:
        return False
    if (node.entry.host, node.entry.port) != (entry.host, entry.port):
        node.seen = None  # of another machine; what the poller saw may be of this one, and makes it look
    node.entry = entry
    if node.epoch == entry.epoch:
        node.await_epoch(None)
        return False
    node.await_epoch(entry.epoch)
    node.was_started = node.started if node.started is not None else node.was_started
    node.epoch = entry.epoch
    node.started = node.next_started
    node.maintenance = node.next_maintenance or NEW_EPOCH
    node.await_epoch(None)
    return True


def adopted(*, was_started: bool, interrupted: bool, seen: Snapshot | None, registered: bool) -> bool | None:
    """Return the run state that a node is adopted with, or None while that can't be told.

    Parameters
    ----------
    was_started
        Whether it was to run in the epoch before.
    interrupted
        Whether a push was under way when the worker ended.
    seen
        The worker's own look at it.
    registered
        ``started`` of nodes.yaml.
    """
    if seen is not None and seen.running is not None:
        return True
    if was_started or interrupted:
        return True
    if seen is None or seen.reach is not Reach.OK:
        return None
    return registered


def adopt(node: Node) -> bool:
    """Set the run state of a node that has none yet; return whether it has one now and had none before."""
    if node.started is not None:
        node.interrupted = False
        return False
    node.started = adopted(
        was_started=node.was_started,
        interrupted=node.interrupted,
        seen=node.seen,
        registered=node.entry.started,
    )
    node.interrupted = False
    return node.started is not None
