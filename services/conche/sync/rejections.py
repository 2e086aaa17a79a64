"""What was rejected is not sent again: to the node that rejected it, nor to one that has never run it."""

from collections import defaultdict
from collections.abc import Iterable

from conche.contract import DesiredConfig, Rejection

from .node import Node


class Rejections:
    """The rejections of a whole group, found by revision and by values.

    Kept up to date by `update`, so that one node's decision does not look at all nodes.
    """

    def __init__(self) -> None:
        self._by_revision: dict[str, dict[str, Rejection]] = defaultdict(dict)
        self._by_values: dict[tuple[str, str], dict[str, Rejection]] = defaultdict(dict)
        self._proven_by: dict[str, set[str]] = defaultdict(set)
        self._known: dict[str, tuple[list[Rejection], str | None]] = {}

    def update(self, node: Node) -> bool:
        """Take over what a node rejected and has proven; return whether that may concern other nodes."""
        new = (list(node.rejected), node.proven)
        old = self._known.get(node.name, ([], None))
        if old == new:
            return False
        concerns = old[0] != new[0] or bool(self._by_revision.get(node.proven or ""))
        self.remove(node.name)
        self._known[node.name] = new
        for rejection in node.rejected:
            self._index(rejection)[node.name] = rejection
        if node.proven is not None:
            self._proven_by[node.proven].add(node.name)
        return concerns

    def remove(self, name: str) -> None:
        """Forget a node."""
        rejected, proven = self._known.pop(name, ([], None))
        for rejection in rejected:
            self._index(rejection).pop(name, None)
        if proven is not None:
            self._proven_by[proven].discard(name)

    def of_revision(self, node: Node, desired: DesiredConfig) -> str | None:
        """Return why the desired revision is not given to a node, or None."""
        revision = desired.revision
        if revision is None or node.proven == revision:
            return None
        found = self._by_revision.get(revision)
        if not found:
            return None
        own = found.get(node.name)
        if own is not None:
            return f"its kotekan rejected this config: {own.error}"
        if self._proven_by.get(revision):
            return None  # it runs elsewhere: another node's rejection is that node's sickness
        return f"held: {_names(found)} rejected this config: {next(iter(found.values())).error}"

    def of_values(self, node: Node, desired: DesiredConfig) -> dict[str, str]:
        """Return endpoint and reason for each block whose desired values are not given to a node."""
        if desired.revision is not None and node.proven == desired.revision:
            return {}
        return {
            endpoint: f"held: {_names(found)} refused the values of {endpoint}: {next(iter(found.values())).error}"
            for endpoint, values in desired.updatable.items()
            if (found := self._by_values.get((endpoint, values)))
        }

    def _index(self, rejection: Rejection) -> dict[str, Rejection]:
        if rejection.revision is not None:
            return self._by_revision[rejection.revision]
        return self._by_values[(rejection.endpoint or "", rejection.values or "")]


def _names(nodes: Iterable[str]) -> str:
    names = sorted(nodes)
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
