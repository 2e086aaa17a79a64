"""Reads the statuses all the time, and notes when each node is first seen in a new epoch."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from conche.contract import NodeStatus
from tests.integration.dataplane import DataPlane

from .record import NEVER, Epoch, Record

PERIOD_S: Final = 0.3
GONE_AFTER_S: Final = 3.0
"""A status that is missing for so long, while all others of its group stand there, was cleared [s]."""


class Watch:
    """What the broker says of all nodes.

    A broker that was killed comes back with old messages, so a status may be older than it looks: only what can't
    be old is noted, which is the first sight of an epoch.

    Parameters
    ----------
    stack
        Whose broker it is.
    record
        Takes what was seen.
    """

    def __init__(self, stack: DataPlane, record: Record) -> None:
        self.statuses: dict[str, NodeStatus] = {}
        self._stack = stack
        self._record = record
        self._news = asyncio.Event()
        self._missing_since: dict[str, float] = defaultdict(time.time)

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(PERIOD_S)

    async def look(self) -> None:
        """Read all statuses once; nothing is learnt while the broker is away."""
        statuses = await self._stack.statuses()
        if not statuses:
            return
        self.statuses = statuses
        for node, status in statuses.items():
            self._missing_since.pop(node, None)
            if status.epoch:
                self._note(node, status)
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def until_seen(self, epochs: Iterable[Epoch]) -> None:
        """Wait until each of some epochs has come to its node."""
        waiting = list(epochs)
        while any(epoch.seen == NEVER for epoch in waiting):
            await self._news.wait()

    async def until_gone(self, node: str, others: Iterable[str]) -> None:
        """Wait until a node's status is surely cleared: those of the others of its group stand there."""
        others = set(others)
        self._missing_since.pop(node, None)
        while True:
            await self._news.wait()
            if node in self.statuses or not others <= self.statuses.keys():
                self._missing_since.pop(node, None)
            elif time.time() - self._missing_since[node] > GONE_AFTER_S:
                return

    def _note(self, node: str, status: NodeStatus) -> None:
        seen = self._record.epochs_seen[node]
        epochs = [epoch for epoch in self._record.epochs if epoch.node == node]
        if status.epoch not in seen:
            seen.append(status.epoch)
            expected = next((epoch for epoch in epochs if epoch.seen == NEVER), None)
            if expected is not None:
                expected.seen, expected.seen_in_maintenance = time.time(), status.maintenance.on
        current = next((e for e in reversed(epochs) if e.seen != NEVER), None)
        if current is None or current.adopted != NEVER or status.epoch != seen[-1]:
            return
        if status.started is not None:
            current.adopted, current.adopted_as = time.time(), status.started
