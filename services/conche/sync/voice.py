"""What a worker says: a status for each node, and the group in one line."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

from msgspec.structs import replace

from conche.bus import PayloadTooLarge
from conche.contract import GROUP_SUMMARY, NODE_STATUS, Message, Payload

from .chronicle import Chronicle
from .decide import Decision
from .node import Node
from .status import shortened, status_of
from .tally import Tally

logger = logging.getLogger(__name__)

PayloadT = TypeVar("PayloadT", bound=Payload)

SUMMARY_PERIOD_S: Final = 0.2
"""At most five summaries a second."""


class Owner(Protocol):
    """What is needed of the bus."""

    def own(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> None:
        """Set an owned state; raises PayloadTooLarge for one that no broker would take."""

    def disown(self, message: Message[PayloadT], **params: str) -> None:
        """Clear an owned topic."""

    def clear_unowned(self, message: Message[PayloadT], **only: str) -> None:
        """Clear what is of no thing that there is."""


class Voice:
    """Publishes the statuses and the summary of a group.

    Parameters
    ----------
    group
        Its name.
    bus
        The broker.
    chronicle
        Tells what happened between two statuses.
    """

    def __init__(self, group: str, bus: Owner, chronicle: Chronicle) -> None:
        self._group = group
        self._bus = bus
        self._chronicle = chronicle
        self._tally = Tally()
        self._due = asyncio.Event()
        self._gone = False

    async def run(self) -> None:
        """Publish the summary whenever it is due, but not more often than anybody can read."""
        while True:
            await self._due.wait()
            self._due.clear()
            if not self._gone:
                summary = self._tally.summary()
                self._own(GROUP_SUMMARY, summary, cut=replace(summary, holds=[]))
            await asyncio.sleep(SUMMARY_PERIOD_S)

    def say(self, node: Node, decision: Decision, *, retry_s: float) -> None:
        """Publish a node's status if it is another than before; log where its state is."""
        clock, now, before = asyncio.get_running_loop().time(), datetime.now(UTC), node.state
        status = status_of(node, decision, retry_s=retry_s, clock=clock, now=now)
        if status == node.status:
            return
        if node.state is not before:
            words = f", {status.error}" if status.error else ""
            logger.info("%s: %s -> %s%s", node.key, before, node.state, words)
        node.status = status
        self._gone = False
        self._tally.update(node.name, status)
        self._due.set()
        self._chronicle.note(node.name, status)
        self._own(NODE_STATUS, status, cut=shortened(status), node=node.name)

    def _own(self, message: Message[PayloadT], whole: PayloadT, *, cut: PayloadT, **params: str) -> None:
        """Publish a state; of one that no broker would take what can be, else what stands there stays."""
        for payload in (whole, cut):
            try:
                self._bus.own(message, payload, group=self._group, **params)
            except PayloadTooLarge as error:
                logger.error("%s: can't be published: %s", "/".join((self._group, *params.values())), error)
            else:
                return

    def catch_up(self, nodes: Iterable[Node]) -> None:
        """Tell what happened while the broker was away."""
        for node in nodes:
            if node.status is not None:
                self._chronicle.note(node.name, node.status)

    def forget(self, node: Node) -> None:
        """Clear the status of a node that left."""
        self._tally.remove(node.name)
        self._due.set()
        self._chronicle.forget(node.name)
        self._bus.disown(NODE_STATUS, group=self._group, node=node.name)

    def clear_strangers(self) -> None:
        """Clear, from now on, statuses that stand there and are of no node of the registry."""
        self._bus.clear_unowned(NODE_STATUS, group=self._group)

    def fall_silent(self) -> None:
        """Clear what there is of a group that is gone."""
        self._gone = True
        self._bus.disown(GROUP_SUMMARY, group=self._group)
        self._bus.clear_unowned(GROUP_SUMMARY, group=self._group)
