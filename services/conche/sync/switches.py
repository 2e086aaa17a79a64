"""The operators' switches as they were before one was set that could not be saved."""

from dataclasses import dataclass

from conche.contract import Maintenance

from .epochs import NEW_EPOCH
from .node import Node


@dataclass(frozen=True, slots=True)
class Switches:
    """The switches of a node at a time.

    Parameters
    ----------
    epoch
        In which they held: those of an old one must not come back in a new one.
    started, next_started, maintenance, next_maintenance
        As in the node.
    """

    epoch: str
    started: bool | None
    next_started: bool | None
    maintenance: Maintenance
    next_maintenance: Maintenance | None

    @classmethod
    def of(cls, node: Node) -> "Switches":
        """Return the switches that a node has now."""
        return cls(node.epoch, node.started, node.next_started, node.maintenance, node.next_maintenance)

    def restore_started(self, node: Node) -> None:
        """Set back whether a node is to run; in an epoch that began meanwhile it is adopted."""
        if node.epoch == self.epoch:
            node.started, node.next_started = self.started, self.next_started
        else:
            node.started = node.next_started = None
            node.was_started = bool(self.started)
            node.poke.set()

    def restore_maintenance(self, node: Node, switch: Maintenance) -> None:
        """Set maintenance back, unless it is another by now than the switch that could not be saved."""
        if node.maintenance is switch:
            node.maintenance = self.maintenance if node.epoch == self.epoch else NEW_EPOCH
        if node.next_maintenance is switch:
            node.next_maintenance = self.next_maintenance
