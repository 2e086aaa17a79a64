"""Whose turn it is: the nodes of a group wait for a first node's try, and for restart slots."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from conche.contract import PushKind

from .batches import Batches, Refusal, Verdict
from .decide import Action, Decision, Queue
from .node import Node
from .slots import Slots

logger = logging.getLogger(__name__)

CHOOSE_S: Final = 0.3
"""A change comes node by node: so long after the first of them is chosen who tries it [s]."""


class Turns:
    """Keeps batches and slots of a group up to date, and has decided anew about whom they concern.

    Parameters
    ----------
    group
        Its name.
    nodes
        Its nodes, by name; the worker's own.
    batches, slots
        What is kept.
    refresh
        Decides anew about a node.
    """

    def __init__(
        self,
        group: str,
        nodes: Mapping[str, Node],
        *,
        batches: Batches,
        slots: Slots,
        refresh: Callable[[Node], None],
    ) -> None:
        self._group = group
        self._nodes = nodes
        self._batches = batches
        self._slots = slots
        self._refresh = refresh
        self._choosing: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Let go of the timer."""
        if self._choosing is not None:
            self._choosing.cancel()

    def queue(self, node: Node, decision: Decision) -> None:
        """Have a node wait for its turn, or take it out of the queue, as was decided about it."""
        revision = node.desired.revision if node.desired else None
        if decision.queue is Queue.TURN and revision is not None:
            self._batches.wait(node.name, revision)
        else:
            self._batches.forget(node.name)
        if decision.queue is Queue.SLOT:
            self._slots.wait(node.name)
        elif self._batches.first == node.name and node.push is None and decision.action is Action.NONE:
            self._decide_anew(self._batches.conclude(Verdict.LEFT))
        self._choose_soon()

    def prove(self, revision: str) -> None:
        """Take that a revision has run past the settle time."""
        self._decide_anew(self._batches.prove(revision))

    def lift(self, node: Node) -> None:
        """Let a node's desired revision be tried again."""
        if node.desired is not None and node.desired.revision is not None:
            self._batches.lift(node.desired.revision)

    def leave(self, node: Node) -> None:
        """Take that a node left the registry."""
        self._batches.forget(node.name)
        if self._batches.first == node.name:
            self._decide_anew(self._batches.conclude(Verdict.LEFT))
        self._decide_anew(self._slots.give_back(node.name))
        self._choose_soon()

    def push_begins(self, node: Node) -> None:
        """Take a slot for a node that is being restarted."""
        if node.restarting:
            self._slots.take(node.name)

    def push_ended(self, node: Node) -> None:
        """Give the slot back, and take how a first node's try ended."""
        self._decide_anew(self._slots.give_back(node.name))
        if self._batches.first == node.name:
            verdict = verdict_of(node)
            logger.info("%s: tried its config for all that wait: %s", node.key, verdict)
            self._decide_anew(self._batches.conclude(verdict, node.problem or ""))
            self._choose_soon()

    def _choose_soon(self) -> None:
        if self._batches.needs_first and self._choosing is None:
            self._choosing = asyncio.get_running_loop().call_later(CHOOSE_S, self._choose)

    def _choose(self) -> None:
        self._choosing = None
        nodes = self._nodes.values()
        desired = {n.name: n.desired.revision for n in nodes if n.desired and n.desired.revision}
        rejections = [Refusal(n.name, r.revision, r.error) for n in nodes for r in n.rejected if r.revision]
        changed = self._batches.choose(desired, rejections)
        if self._batches.first is not None:
            changed |= self._batches.waiting  # who waits, and now knows for whom
        self._decide_anew(changed)

    def _decide_anew(self, names: set[str]) -> None:
        """Decide about nodes again because of what another did."""
        if names:
            asyncio.get_running_loop().call_soon(self._refresh_named, names)

    def _refresh_named(self, names: set[str]) -> None:
        for name in sorted(names):
            if (node := self._nodes.get(name)) is not None:
                self._refresh(node)


def verdict_of(node: Node) -> Verdict:
    """Return what a node's last push says about the config that it was given."""
    push = node.last_push
    if push is None or push.kind in (PushKind.STOP, PushKind.HEAL):
        return Verdict.LEFT
    if any(r.revision == push.revision or (r.endpoint and r.at >= push.at) for r in node.rejected):
        return Verdict.REJECTED
    if push.ok and node.proven == push.revision:
        return Verdict.PROVEN
    if push.error is not None and node.tried:
        return Verdict.INCONCLUSIVE
    return Verdict.LEFT
