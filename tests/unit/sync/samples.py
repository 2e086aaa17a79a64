"""Nodes for tests of a worker, and how they are seen."""

from datetime import UTC, datetime

from conche.contract import Maintenance, Reach, RegisteredNode
from conche.kotekan.revision import Fingerprint
from conche.kotekan.snapshot import Snapshot
from conche.sync.node import Node

NOW = datetime(2026, 11, 21, tzinfo=UTC)
IDLE = Snapshot(Reach.OK)
RUNNING = Snapshot(Reach.OK, running=Fingerprint("1" * 32, "2" * 32, {}))
DOWN = Snapshot(Reach.REFUSED)


def entry(epoch: str = "e1", *, started: bool = False, host: str = "cx1") -> RegisteredNode:
    return RegisteredNode(host=host, port=12048, epoch=epoch, started=started)


def node(name: str = "cx1", epoch: str = "e1") -> Node:
    return Node("cx", name, entry(epoch), epoch=epoch, started=True, maintenance=Maintenance(on=False))
