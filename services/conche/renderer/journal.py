"""What the log says of renderings: each change once, and one line for what many nodes share."""

import logging
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from .problems import some_of
from .render import Rendered
from .worklist import Done

logger = logging.getLogger(__name__)

NAMED: Final = 10
"""Nodes that one line names, and lines that one pass writes of a kind: a shared file concerns thousands."""


class Journal:
    """Collects what changed until a pass over the nodes is complete."""

    def __init__(self) -> None:
        self._failed: defaultdict[str, list[str]] = defaultdict(list)
        self._changed: defaultdict[str, list[str]] = defaultdict(list)

    def note(self, rendered: Rendered, before: Done | None) -> None:
        """Take note of a node and of what was remembered of it."""
        if rendered.error is not None:
            if before is None or before.error != rendered.error:
                self._failed[rendered.error].append(rendered.node.key)
        elif rendered.fingerprint and (before is None or before.revision != rendered.fingerprint.revision):
            self._changed[rendered.fingerprint.revision].append(rendered.node.key)

    def tell(self) -> None:
        """Write the lines of a complete pass and begin anew."""
        for words, nodes in _few(self._failed, "other errors"):
            logger.warning("no config for %s: %s", some_of(nodes, at_most=NAMED), words)
        for words, nodes in _few(self._changed, "configs of their own"):
            logger.info("desired for %s: %s", some_of(nodes, at_most=NAMED), words)
        self._failed.clear()
        self._changed.clear()


def _few(nodes_of: dict[str, list[str]], rest: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what concerns most nodes first, and all that is beyond a few as one."""
    ranked = sorted(nodes_of.items(), key=lambda item: -len(item[1]))
    yield from ranked[:NAMED]
    if others := [node for _, nodes in ranked[NAMED:] for node in nodes]:
        yield f"{len(ranked) - NAMED} {rest}", others
