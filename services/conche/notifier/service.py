"""The notifier: it looks at the bus, and has people told."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

from conche.bus.intake import Handler, TakeText
from conche.contract import (
    BIRTHS,
    BROKER_DROPPED,
    EOP,
    EVENT,
    FPGA,
    NO_NAME,
    NODE_STATUS,
    REGISTRY,
    SWEEP,
    EopStatus,
    Event,
    EventKind,
    FpgaStatus,
    Message,
    NodeStatus,
    Payload,
    Registry,
    Service,
    ServiceBirth,
    Sweep,
)
from conche.happenings import bounded

from .conditions import judge
from .memory import MemoryFile, MemoryUnavailable, remembered
from .outbox import Outbox
from .picture import Drops, Picture
from .raising import Ledger
from .times import Now, read_clocks

logger = logging.getLogger(__name__)

PayloadT = TypeVar("PayloadT", bound=Payload)

OWNERS_S: Final = 5.0
"""After each connection owners are given so long to say anew what the broker, back with an old store, has wrong [s]."""

LOOK_S: Final = 1.0
"""What stands is judged so often [s]; with 1,000 nodes it takes 1 ms, and 9 ms if all are down."""

MAX_UNTOLD: Final = 100
"""Events that are kept while the broker is away; the oldest go. A guess."""


class Broker(Protocol):
    """What the service needs of the bus."""

    @property
    def connected(self) -> bool:
        """Whether the picture is complete."""

    async def run(self) -> None:
        """Stay connected."""

    def subscribe(self, message: Message[PayloadT], handler: Handler[PayloadT], **only: str) -> None:
        """Read a kind of message."""

    def listen(self, topic_filter: str, handler: TakeText) -> None:
        """Read text on topics outside the root."""

    def on_connection(self, handler: Callable[[], None]) -> None:
        """Have somebody told of connections."""

    def tell(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> bool:
        """Publish an event."""


class NotifierService:
    """Has people told what needs them.

    Parameters
    ----------
    bus
        The broker.
    picture
        What it said; what an earlier process knew of it is in there already.
    ledger
        Knows what was told.
    outboxes
        One for each channel.
    memory
        Where what was told is kept.
    clock
        Reads the clocks.
    """

    def __init__(
        self,
        bus: Broker,
        *,
        picture: Picture,
        ledger: Ledger,
        outboxes: Sequence[Outbox],
        memory: MemoryFile,
        clock: Callable[[], Now] = read_clocks,
    ) -> None:
        self._bus = bus
        self._picture = picture
        self._ledger = ledger
        self._outboxes = outboxes
        self._memory = memory
        self._clock = clock
        self._connected_s: float | None = None
        self._due = asyncio.Event()
        self._stored: tuple[int, Drops | None] | None = None
        """Changes of the ledger, and the broker's count, that the file has."""
        self._trouble: str | None = None
        self._untold: list[Event] = []
        for outbox in outboxes:
            outbox.on_trouble = self.tell
            outbox.on_told = self._due.set

    async def run(self) -> None:
        """Stay connected, look, and tell, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._bus.run(), name="bus")
            tasks.create_task(self._watch(), name="look what stands")
            for outbox in self._outboxes:
                tasks.create_task(outbox.run(), name=f"tell {outbox.name}")

    def subscribe(self) -> None:
        """Set up what is read."""
        bus = self._bus
        bus.subscribe(REGISTRY, self.on_registry)
        bus.subscribe(NODE_STATUS, self.on_status)
        bus.subscribe(SWEEP, self.on_sweep)
        bus.subscribe(FPGA, self.on_fpga)
        bus.subscribe(EOP, self.on_eop)
        for message in BIRTHS:
            bus.subscribe(message, self.on_birth)
        bus.listen(BROKER_DROPPED, self.on_dropped)
        bus.on_connection(self.on_connection)

    # --- what comes in

    def on_registry(self, _params: Mapping[str, str], registry: Registry | None) -> None:
        """Take which nodes there are; without a registry, or with one that is broken, nobody is gone."""
        if registry is None or registry.error is None:
            self._picture.registry = registry

    def on_status(self, params: Mapping[str, str], status: NodeStatus | None) -> None:
        """Take how a node is."""
        key = params["group"], params["node"]
        if status is None:
            self._picture.statuses.pop(key, None)
        else:
            self._picture.statuses[key] = status

    def on_sweep(self, params: Mapping[str, str], sweep: Sweep | None) -> None:
        """Take that a poller has asked all its nodes."""
        if sweep is not None:
            self._picture.take_sweep(params["instance"], sweep, now_s=self._clock().s)

    def on_fpga(self, _params: Mapping[str, str], status: FpgaStatus | None) -> None:
        """Take how the FPGA master is."""
        self._picture.fpga = status

    def on_eop(self, _params: Mapping[str, str], status: EopStatus | None) -> None:
        """Take how the Earth-orientation table is."""
        self._picture.eop = status

    def on_birth(self, params: Mapping[str, str], birth: ServiceBirth | None) -> None:
        """Take that a service came or went."""
        self._picture.take_birth("/".join(params.values()), birth, now_s=self._clock().s)

    def on_dropped(self, _topic: str, text: str) -> None:
        """Take how many messages the broker has thrown away since its start."""
        if text.isdecimal():
            self._picture.take_dropped(int(text), now_s=self._clock().s)

    def on_connection(self) -> None:
        """Take that the broker is there, or away."""
        self._connected_s = self._clock().s if self._bus.connected else None
        self._picture.listening_s = None

    # --- looking

    async def _watch(self) -> None:
        while True:
            self._note_connection()
            now = self._clock()
            self._ledger.step(judge(self._picture, now), now)
            for outbox in self._outboxes:
                outbox.look()
            self._tell_untold()
            await self._store()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._due.wait()
            self._due.clear()

    def _note_connection(self) -> None:
        """Take whether what is known can be believed: everything is there, and owners had time to mend it."""
        picture, now_s = self._picture, self._clock().s
        if not self._bus.connected or self._connected_s is None:
            picture.away, picture.listening_s = "this notifier has no connection to it", None
            return
        picture.away = None
        if picture.listening_s is None and now_s - self._connected_s >= OWNERS_S:
            picture.listening_s = now_s

    async def _store(self) -> None:
        """Have what was told remembered, in a thread: a disk may be slow."""
        state = self._ledger.changes, self._picture.drops
        if state == self._stored:
            return
        memory = remembered(self._ledger.records, self._picture.drops, self._clock())
        try:
            await asyncio.to_thread(self._memory.write, memory)
        except MemoryUnavailable as error:
            self._take_trouble(str(error))
            return
        self._stored = state
        self._take_trouble(None)

    def _take_trouble(self, trouble: str | None) -> None:
        before, self._trouble = self._trouble, trouble
        if trouble is not None and before is None:
            logger.error("notifier: %s; after a restart all that lasts is told again", trouble)
            self.tell(trouble, ok=False)
        elif trouble is None and before is not None:
            logger.warning("notifier: %s can be written again", self._memory.path)
            self.tell(f"{self._memory.path} can be written again", ok=True)

    # --- what it tells on the bus

    def tell(self, words: str, *, ok: bool) -> None:
        """Tell how the notifier itself fares."""
        event = Event(at=datetime.now(UTC), kind=EventKind.SERVICE, text=words, ok=ok)
        self._untold = [*self._untold, bounded(event)][-MAX_UNTOLD:]
        self._tell_untold()

    def _tell_untold(self) -> None:
        """Tell what could not be told while the broker was away."""
        while self._untold and self._bus.tell(
            EVENT, self._untold[0], service=Service.NOTIFIER, group=NO_NAME, node=NO_NAME
        ):
            del self._untold[0]
