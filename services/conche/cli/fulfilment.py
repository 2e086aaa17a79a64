"""How far a change of configs is, by what the workers say of the nodes."""

from conche.client import NodeChange, Plan
from conche.contract import Change, NodeState, NodeStatus

_AT_ONCE = (Change.RESTART, Change.UPDATE)


class Fulfilment:
    """Counts the nodes that are as wished.

    Parameters
    ----------
    plan
        What has to happen; nodes for which it does not happen at once are not counted.
    """

    def __init__(self, plan: Plan) -> None:
        self._wanted = {
            key: node.revision
            for key, node in plan.nodes.items()
            if node.change in _AT_ONCE and node.waits is None and node.revision is not None
        }
        self._statuses: dict[str, NodeStatus] = {}

    @property
    def nodes(self) -> list[str]:
        """Those that are counted."""
        return list(self._wanted)

    def take(self, change: NodeChange) -> None:
        """Take what is said of a node."""
        if change.status is None:
            self._statuses.pop(change.node, None)
        else:
            self._statuses[change.node] = change.status

    @property
    def words(self) -> str:
        """How far it is: ``3 of 12 nodes as wished, 2 at work``."""
        if not self._wanted:
            return "waiting for the renderer"
        wished = [key for key, status in self._statuses.items() if self._is_as_wished(key, status)]
        busy = [key for key, status in self._statuses.items() if _is_busy(status) and key not in wished]
        held = [key for key, status in self._statuses.items() if status.held and key not in (*wished, *busy)]
        words = f"{len(wished)} of {len(self._wanted)} nodes as wished"
        words += f", {len(busy)} at work" if busy else ""
        return words + (f", {len(held)} waiting for another" if held else "")

    def _is_as_wished(self, key: str, status: NodeStatus) -> bool:
        return status.state is NodeState.STARTED and status.live == self._wanted.get(key)


def _is_busy(status: NodeStatus) -> bool:
    return status.state is NodeState.SYNCING or (status.pending and status.held is None)
