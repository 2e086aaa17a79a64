"""Which nodes have to be rendered, and what came of those that were."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from .nodes import Node
from .render import Rendered


@dataclass(frozen=True, slots=True)
class Done:
    """What is remembered of a rendered node.

    Parameters
    ----------
    entry
        From which ``nodes.yaml`` entry it was rendered, to be compared.
    reads
        Files on which it depends.
    revision
        Of its config, if it has one.
    error
        Why it has none.
    updatable
        Endpoint to hash of the block's values.
    """

    entry: str
    reads: frozenset[str]
    revision: str | None
    error: str | None
    updatable: Mapping[str, str]


class Worklist:
    """Keeps track of the nodes: pure bookkeeping, no I/O."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._stale: dict[str, None] = {}
        self._done: dict[str, Done] = {}

    def __bool__(self) -> bool:
        return bool(self._stale)

    def __len__(self) -> int:
        return len(self._stale)

    def set_nodes(self, nodes: Iterable[Node]) -> None:
        """Take the nodes that there are now; forget the others."""
        self._nodes = {node.key: node for node in nodes}
        self._stale = {key: None for key in self._stale if key in self._nodes}
        self._done = {key: done for key, done in self._done.items() if key in self._nodes}
        for key, node in self._nodes.items():
            done = self._done.get(key)
            if done is None or done.entry != node.rendered_from:
                self._stale[key] = None

    def files_changed(self, names: frozenset[str]) -> None:
        """Take note of changed files: whoever read or missed one has to be rendered again."""
        for key, done in self._done.items():
            if not done.reads.isdisjoint(names):
                self._stale[key] = None

    def concerned(self, nodes: Iterable[Node], names: Collection[str]) -> list[Node]:
        """Return those of some nodes that have to be rendered where these files, or their entries, are others."""
        changed = set(names)
        return [node for node in nodes if self._is_concerned(node, changed)]

    def _is_concerned(self, node: Node, names: set[str]) -> bool:
        done = self._done.get(node.key)
        return done is None or done.entry != node.rendered_from or not done.reads.isdisjoint(names)

    def done(self, key: str) -> Done | None:
        """Return what is remembered of a node."""
        return self._done.get(key)

    def nodes(self) -> list[Node]:
        """Return the nodes that there are."""
        return list(self._nodes.values())

    def stale(self) -> list[Node]:
        """Return the nodes that have to be rendered."""
        return [self._nodes[key] for key in self._stale]

    def finish(self, rendered: Rendered) -> Done | None:
        """Take what came of a node; return what was remembered of it until now."""
        key = rendered.node.key
        before = self._done.get(key)
        self._stale.pop(key, None)
        self._done[key] = Done(
            entry=rendered.node.rendered_from,
            reads=rendered.reads,
            revision=rendered.fingerprint.revision if rendered.fingerprint else None,
            error=rendered.error,
            updatable=rendered.fingerprint.updatable if rendered.fingerprint else {},
        )
        return before

    def reads(self) -> set[str]:
        """Return all files on which any node depends."""
        return set().union(*(done.reads for done in self._done.values()))
