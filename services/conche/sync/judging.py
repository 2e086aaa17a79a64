"""From the picture of a node to a decision about it."""

import asyncio
from datetime import UTC, datetime
from typing import Final

from conche.bus import Bus
from conche.kotekan.errors import WriteForbidden

from .decide import BUSY_PATIENCE_S, Decision, View, decide
from .node import Node, forbid_in_maintenance
from .picture import Sources
from .rejections import Rejections

TIMER_LONGEST_S: Final = 30.0
"""A wall clock may step while a timer runs: look again at least this often [s]."""


class Judge:
    """Decides about nodes; everything that a decision depends on comes together here.

    Parameters
    ----------
    bus
        Without it nothing is begun.
    sources
        Renderer and pollers.
    rejections
        Of the whole group.
    settle_s
        A config that has run for so long is proven [s].
    """

    def __init__(self, bus: Bus, *, sources: Sources, rejections: Rejections, settle_s: float) -> None:
        self._bus = bus
        self._sources = sources
        self._rejections = rejections
        self._settle_s = settle_s

    def decide(self, node: Node, *, pushing: bool | None = None, patient: bool = True) -> Decision:
        """Decide about a node.

        Parameters
        ----------
        pushing
            Whether a push counts as under way; None for what is the case.
        patient
            Whether back-off is heeded.
        """
        desired = node.desired
        return decide(
            View(
                pushing=node.restarting if pushing is None else pushing,
                connected=self._bus.connected and node.doubt_until <= _now(),
                unready=self._unready(node),
                blind=self._sources.blind(node.observed),
                desired=desired,
                seen=node.seen,
                busy_s=_now() - node.busy_since if node.busy_since is not None else 0.0,
                last_state=node.state,
                maintenance=node.maintenance.on,
                started=node.started,
                forced=node.forced,
                rejected=self._rejections.of_revision(node, desired) if desired else None,
                refused=self._rejections.of_values(node, desired) if desired else {},
                retry_s=self.retry_s(node) if patient else 0.0,
            )
        )

    def retry_s(self, node: Node) -> float:
        """Return how long back-off still forbids to try a node's desired revision again [s]."""
        return node.backoff.wait(node.desired.revision if node.desired else None, _now())

    def may_look(self, node: Node) -> bool:
        """Return whether reading a node is of use: without broker or poller nothing follows from it."""
        return (
            self._bus.connected and node.observed is not None and self._sources.blind(node.observed) is None
        )

    def gate(self, node: Node) -> None:
        """Let a write to a node pass, or not; asked before every request.

        Raises
        ------
        WriteForbidden
            Says why not.
        """
        forbid_in_maintenance(node)
        if not self._bus.connected:
            raise WriteForbidden("the broker is away")

    def learn(self, node: Node) -> None:
        """Take note of what time alone brings: a confirmed renderer, and a config that has proven itself."""
        if not node.confirmed and self._sources.confirms(node.desired):
            node.confirmed = True
        running = node.seen.running if node.seen else None
        if running is None or node.desired is None or running.revision != node.desired.revision:
            return
        if node.push is None and node.running_since is not None:
            node.problem = None
            if _now() - node.running_since >= self._settle_s:
                node.proven = running.revision

    def look_again_s(self, node: Node) -> float | None:
        """Return after how long time alone may change the decision about a node [s], or None."""
        now = _now()
        waits = [self.retry_s(node), node.doubt_until - now]
        if node.busy_since is not None:
            waits.append(node.busy_since + BUSY_PATIENCE_S - now)
        if node.running_since is not None:
            waits.append(node.running_since + self._settle_s - now)
        if node.maintenance.on and node.maintenance.until is not None:
            waits.append(max(0.1, (node.maintenance.until - datetime.now(UTC)).total_seconds()))
        due = min((wait for wait in waits if wait > 0), default=None)
        return None if due is None else min(due, TIMER_LONGEST_S) + 0.01

    def _unready(self, node: Node) -> str | None:
        entry = self._sources.entry(node.name)
        if node.push is None and entry is not None and entry.epoch != node.epoch:
            return "a new epoch begins"
        return self._sources.unready(confirmed=node.confirmed)


def _now() -> float:
    return asyncio.get_running_loop().time()
