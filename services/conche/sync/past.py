"""What earlier workers, and this one before, knew of the nodes that there are no more, or not yet."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from conche.contract import NodeStatus

from .epochs import restore
from .locks import Locks
from .node import Node
from .records import NodeRecord


class Past:
    """Gives nodes their past, from the group's file, else from what stands on the broker."""

    def __init__(self) -> None:
        self.unnamed: dict[str, NodeRecord] = {}
        """Of the file: nodes that no registry has named yet, or that are there."""
        self._dismissed: dict[str, NodeRecord] = {}
        """Nodes that left while this worker worked: a registry may bring one back."""
        self._statuses: dict[str, NodeStatus] = {}
        self._locks = Locks()

    def take_records(self, records: Mapping[str, NodeRecord]) -> None:
        """Take what the group's file has."""
        self.unnamed = dict(records)

    def take_statuses(self, statuses: Iterable[tuple[Mapping[str, str], NodeStatus]]) -> None:
        """Take what stands on the broker, with the topics' parameters."""
        self._statuses = {params["node"]: status for params, status in statuses}

    def knows(self, name: str) -> bool:
        """Return whether there was a node of that name."""
        return name in self.unnamed or name in self._statuses

    def give(self, node: Node, *, now: float, wall: datetime) -> None:
        """Give a node what is known of it, at a monotonic time [s] and by the wall clock."""
        record = self.unnamed.get(node.name) or self._dismissed.get(node.name)
        restore(node, record=record, status=self._statuses.get(node.name), now=now, wall=wall)
        node.locks = self._locks

    def dismiss(self, node: Node, *, now: float, wall: datetime) -> None:
        """Keep what is known of a node that leaves."""
        self.unnamed.pop(node.name, None)
        self._dismissed[node.name] = node.record(now=now, wall=wall)
