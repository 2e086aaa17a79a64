"""The poller's loops: one slot for each node, one heartbeat for all."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Final, Protocol, TypeVar

from conche.bus import BusUnavailable
from conche.contract import (
    LATENCY,
    NODE_OBSERVED,
    SWEEP,
    Latencies,
    Latency,
    Message,
    Observed,
    Payload,
    Reach,
    Registry,
    Sweep,
)
from conche.kotekan.addresses import AddressMap
from conche.kotekan.connection import Address
from conche.kotekan.revision import FingerprintCache
from conche.kotekan.snapshot import Snapshot
from conche.settings import Kotekan, Poller

from .node import WatchedNode, is_away

logger = logging.getLogger(__name__)

FIRST_ROUND_S: Final = 0.2
"""What the first round lasts longer, for the looks of its last slots to end [s]."""

LATENCIES_S: Final = 60.0
"""Latencies are told once in this time [s]."""

PayloadT = TypeVar("PayloadT", bound=Payload)


class Broker(Protocol):
    """What the poller needs of the bus."""

    @property
    def boot(self) -> str:
        """Name of this process."""

    async def run(self) -> None:
        """Stay connected."""

    async def picture_complete(self) -> None:
        """Wait for what is retained."""

    def own(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> None:
        """Set an owned state."""

    def disown(self, message: Message[PayloadT], **params: str) -> None:
        """Clear an owned topic."""

    def clear_unowned(self, message: Message[PayloadT], **only: str) -> None:
        """Clear what is of no thing that there is."""

    async def settled(self) -> None:
        """Wait until the broker holds everything."""

    async def publish(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> bool:
        """Publish something that is not retained."""


@dataclass
class _Watch:
    """A node, its task, and what was published of it."""

    node: WatchedNode
    task: asyncio.Task[None]
    published: Observed | None = None
    published_at: float = 0.0
    away: bool = False
    answers_s: list[float] = field(default_factory=list)
    """How long each answer took since latencies were last told [s]."""


@dataclass
class _Round:
    """What happened since the last heartbeat."""

    began: float
    last_end: float = 0.0
    polled: int = 0
    latest_start: float = 0.0
    """How long after its slot a look began, at the worst [s]."""


@dataclass
class PollerService:
    """Asks every node of its groups what it runs, and tells the broker.

    Parameters
    ----------
    bus
        The broker.
    settings
        Period, groups.
    kotekan
        Timeouts and address map.
    """

    bus: Broker
    settings: Poller
    kotekan: Kotekan
    _watches: dict[tuple[str, str], _Watch] = field(default_factory=dict)
    _cache: FingerprintCache = field(default_factory=FingerprintCache)
    _sweep: int = 0
    _groups: list[str] = field(default_factory=list)
    _unseen: set[tuple[str, str]] = field(default_factory=set)
    _may_clear: bool = False

    async def run(self) -> None:
        """Follow the registry, look at each node in its slot, and send the heartbeat."""
        self._addresses = AddressMap(self.kotekan.addresses)
        self._round = _Round(began=asyncio.get_running_loop().time())
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self.bus.run(), name="bus")
                self._tasks.create_task(self._beat(), name="send heartbeat")
                self._tasks.create_task(self._tell_latencies(), name="tell latencies")
        finally:
            for watch in self._watches.values():
                watch.node.close()

    # --- the registry

    def on_registry(self, _params: Mapping[str, str], registry: Registry | None) -> None:
        """Watch the nodes that there are; a registry that is absent or broken changes nothing."""
        if registry is None or (registry.error and not registry.groups):
            return
        served = {
            group: nodes
            for group, nodes in registry.groups.items()
            if not self.settings.groups or group in self.settings.groups
        }
        self._groups = sorted(served)
        wanted = {
            (group, name): Address(node.host, node.port)
            for group, nodes in served.items()
            for name, node in nodes.items()
        }
        for key, watch in list(self._watches.items()):
            if key not in wanted and registry.error is not None:
                continue  # nobody is taken for gone on an error
            if wanted.get(key) != watch.node.address:
                self._forget(key, gone=key not in wanted)
        for key, address in wanted.items():
            if key not in self._watches:
                self._watch(key, address)
        self._may_clear = registry.error is None
        self._clear_if_all_seen()

    def _clear_if_all_seen(self) -> None:
        """Clear observations of nodes that are gone, once every node that there is has one of this poller's own."""
        if self._may_clear and not self._unseen:
            for group in self.settings.groups or ["+"]:
                self.bus.clear_unowned(NODE_OBSERVED, group=group)

    def _watch(self, key: tuple[str, str], address: Address) -> None:
        name = "/".join(key)
        node = WatchedNode(
            name,
            address=address,
            addresses=self._addresses,
            settings=self.kotekan,
            cache=self._cache,
        )
        task = self._tasks.create_task(self._poll(key, node), name=f"poll {name}")
        self._watches[key] = _Watch(node, task)
        self._unseen.add(key)

    def _forget(self, key: tuple[str, str], *, gone: bool) -> None:
        watch = self._watches.pop(key)
        self._unseen.discard(key)
        watch.task.cancel()
        watch.node.close()
        if gone:
            self.bus.disown(NODE_OBSERVED, group=key[0], node=key[1])

    # --- one node

    async def _poll(self, key: tuple[str, str], node: WatchedNode) -> None:
        loop = asyncio.get_running_loop()
        period = self.settings.period_s
        slot = loop.time() + node.slot * period
        while True:
            await asyncio.sleep(slot - loop.time())
            began = loop.time()
            snapshot = await node.look()
            ended = loop.time()
            self._round.polled += 1
            self._round.last_end = ended
            self._round.latest_start = max(self._round.latest_start, began - slot)
            if snapshot.reach is Reach.OK and (watch := self._watches.get(key)):
                watch.answers_s.append(ended - began)
            self._tell(key, snapshot, ended)
            # A look that took longer than the period, a hung node's, skips slots; it never doubles them.
            slot += period * max(1, -(-(ended - slot) // period))

    def _tell(self, key: tuple[str, str], snapshot: Snapshot, now: float) -> None:
        watch = self._watches.get(key)
        if watch is None:
            return
        watch.away = is_away(snapshot)
        seen = self._observed(watch.node, snapshot)
        due = now - watch.published_at >= self.settings.refresh_s
        if watch.published is not None and not due and _same(watch.published, seen):
            return
        if watch.published is None or watch.published.reach is not seen.reach:
            logger.info("%s: %s%s", watch.node.name, seen.reach, f", {seen.error}" if seen.error else "")
        spread = self.settings.refresh_s * watch.node.slot if watch.published is None else 0.0
        watch.published, watch.published_at = seen, now - spread
        self.bus.own(NODE_OBSERVED, seen, group=key[0], node=key[1])
        if key in self._unseen:
            self._unseen.remove(key)
            self._clear_if_all_seen()

    def _observed(self, node: WatchedNode, snapshot: Snapshot) -> Observed:
        running = snapshot.running
        answered = snapshot.reach is Reach.OK
        return Observed(
            boot=self.bus.boot,
            sweep=self._sweep + 1,
            reach=snapshot.reach,
            running=running is not None if answered else None,
            version=node.version if answered else None,
            revision=running.revision if running else None,
            base=running.base if running else None,
            updatable=running.updatable if running else {},
            error=snapshot.error,
        )

    # --- the heartbeat

    async def _beat(self) -> None:
        """Once a period say that the nodes were asked, after all that was seen is with the broker."""
        await self.bus.picture_complete()
        loop = asyncio.get_running_loop()
        # The first says that every node of the registry that was found has been asked once.
        self._round = _Round(began=loop.time() + FIRST_ROUND_S)
        while True:
            await asyncio.sleep(self._round.began + self.settings.period_s - loop.time())
            done, self._round = self._round, _Round(began=loop.time())
            self._sweep += 1
            await self.bus.settled()
            with suppress(BusUnavailable):  # the next one will tell
                await self._publish(done)

    async def _tell_latencies(self) -> None:
        """Once a minute say how long nodes took to answer: it changes at every look, so it is no state."""
        while True:
            await asyncio.sleep(LATENCIES_S)
            told = Latencies(boot=self.bus.boot, at=datetime.now(UTC), groups=self._take_latencies())
            with suppress(BusUnavailable):
                await self.bus.publish(LATENCY, told, instance=self.settings.instance)

    def _take_latencies(self) -> dict[str, dict[str, Latency]]:
        groups: dict[str, dict[str, Latency]] = {}
        for (group, name), watch in self._watches.items():
            taken, watch.answers_s = watch.answers_s, []
            if taken:
                groups.setdefault(group, {})[name] = Latency(
                    median_s=round(median(taken), 6), worst_s=round(max(taken), 6), answers=len(taken)
                )
        return groups

    async def _publish(self, done: _Round) -> None:
        sweep = Sweep(
            boot=self.bus.boot,
            number=self._sweep,
            groups=self._groups,
            at=datetime.now(UTC),
            took_s=round(max(0.0, done.last_end - done.began), 3),
            polled=done.polled,
            unreachable=sum(watch.away for watch in self._watches.values()),
            overrun=done.latest_start > self.settings.period_s,
            period_s=self.settings.period_s,
        )
        if sweep.overrun:
            logger.warning("sweep %d: looks began up to %.1f s late", sweep.number, done.latest_start)
        await self.bus.publish(SWEEP, sweep, instance=self.settings.instance)


def _same(one: Observed, other: Observed) -> bool:
    """Return whether two observations differ in nothing but when they were made."""
    return (one.reach, one.running, one.version, one.revision, one.error) == (
        other.reach,
        other.running,
        other.version,
        other.revision,
        other.error,
    )
