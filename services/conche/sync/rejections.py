"""What was rejected is not sent again: a config to the node that rejected it, refused values to nobody.

Whether a config that one node rejected is given to others is the batch's to say.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from conche.contract import DesiredConfig, Rejection

from .node import Node


def of_revision(node: Node, desired: DesiredConfig) -> str | None:
    """Return why the desired revision is not given to a node that rejected it, or None."""
    if desired.revision is None or node.proven == desired.revision:
        return None
    own = next((r for r in node.rejected if r.revision == desired.revision), None)
    return None if own is None else f"its kotekan rejected this config: {own.error}"


class RefusedValues:
    """The values that nodes of a group refused: a refusal is deterministic, so one is enough.

    Kept up to date by `update`, so that one node's decision does not look at all nodes.
    """

    def __init__(self) -> None:
        self._by_values: dict[tuple[str, str], dict[str, Rejection]] = defaultdict(dict)
        self._known: dict[str, list[Rejection]] = {}

    def update(self, node: Node) -> bool:
        """Take over what a node refused; return whether that is new, so that it concerns other nodes."""
        refused = [r for r in node.rejected if r.endpoint is not None]
        if self._known.get(node.name, []) == refused:
            return False
        self.remove(node.name)
        self._known[node.name] = refused
        for rejection in refused:
            self._by_values[_key(rejection)][node.name] = rejection
        return True

    def remove(self, name: str) -> None:
        """Forget a node."""
        for rejection in self._known.pop(name, []):
            self._by_values[_key(rejection)].pop(name, None)

    def of(self, node: Node, desired: DesiredConfig) -> dict[str, str]:
        """Return endpoint and reason for each block whose desired values are not given to a node."""
        if desired.revision is not None and node.proven == desired.revision:
            return {}
        return {
            endpoint: f"held: {_names(found)} refused the values of {endpoint}: {next(iter(found.values())).error}"
            for endpoint, values in desired.updatable.items()
            if (found := self._by_values.get((endpoint, values))) and not _is_forced(endpoint, desired, found)
        }


def _is_forced(endpoint: str, desired: DesiredConfig, found: Mapping[str, Rejection]) -> bool:
    """Return whether somebody wants refused values to be tried once more, and nobody has since."""
    wish = desired.forced.get(endpoint)
    return wish is not None and all(rejection.forced != wish for rejection in found.values())


def _key(rejection: Rejection) -> tuple[str, str]:
    return rejection.endpoint or "", rejection.values or ""


def _names(nodes: Iterable[str]) -> str:
    names = sorted(nodes)
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
