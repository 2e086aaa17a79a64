"""A poller of nodes and a broker that do what they are told to, in virtual time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from conche.bus import BusUnavailable
from conche.contract import Reach, RegisteredNode, Registry
from conche.kotekan.connection import Address
from conche.kotekan.revision import Fingerprint
from conche.kotekan.snapshot import Snapshot
from conche.poller.node import WatchedNode
from conche.poller.service import PollerService
from conche.settings import Kotekan, Poller

IDLE = Snapshot(Reach.OK)
REFUSED = Snapshot(Reach.REFUSED, error="connection refused")


def runs(number: int) -> Snapshot:
    return Snapshot(Reach.OK, running=Fingerprint(f"{number:032x}", "b" * 32, {}))


class FakeNode(WatchedNode):
    """Answers as it is told to, after a time; notes when it was asked."""

    all: dict[str, "FakeNode"]
    answers: Callable[[str], tuple[float, Snapshot]]

    def __init__(self, name: str, *, address: Address, **_: Any) -> None:
        self.name, self.address = name, address
        self.version = "1"
        self.asked: list[float] = []
        self.closed = False
        self.all[name] = self

    async def look(self) -> Snapshot:
        self.asked.append(asyncio.get_running_loop().time())
        takes_s, snapshot = FakeNode.answers(self.name)
        await asyncio.sleep(takes_s)
        return snapshot

    def close(self) -> None:
        self.closed = True


class FakeBus:
    """Notes what is published, in order; acknowledges after a time."""

    boot = "poller-1"

    def __init__(self) -> None:
        self.log: list[tuple[str, Any]] = []
        self.filters: list[dict[str, str]] = []
        self.acknowledges_s = 0.0
        self.away = False

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def picture_complete(self) -> None:
        pass

    def own(self, message: Any, payload: Any, **params: str) -> None:
        self.log.append((f"{params['group']}/{params['node']}", payload))

    def disown(self, message: Any, **params: str) -> None:
        self.log.append((f"{params['group']}/{params['node']}", None))

    def clear_unowned(self, message: Any, **only: str) -> None:
        self.filters.append(only)

    async def settled(self) -> None:
        await asyncio.sleep(self.acknowledges_s)

    async def publish(self, message: Any, payload: Any, **params: str) -> bool:
        if self.away:
            raise BusUnavailable("not connected to the broker")
        self.log.append((f"{message.topic(**params)}", payload))
        return True

    def of(self, topic: str) -> list[Any]:
        return [payload for name, payload in self.log if name == topic]

    @property
    def sweeps(self) -> list[Any]:
        return self.of("sweep/main")

    @property
    def latencies(self) -> list[Any]:
        return self.of("latency/main")


def answer(answers: Callable[[str], tuple[float, Snapshot]]) -> None:
    FakeNode.answers = staticmethod(answers)


def registry(*names: str, error: str | None = None, host: str = "h") -> Registry:
    groups: dict[str, dict[str, RegisteredNode]] = {}
    for port, name in enumerate(names, start=1):
        group, _, node = name.partition("/")
        groups.setdefault(group, {})[node] = RegisteredNode(host=host, port=port, epoch="e")
    return Registry(boot="r", groups=groups, error=error)


@asynccontextmanager
async def polling(*names: str, **settings: Any) -> AsyncIterator[tuple[PollerService, FakeBus]]:
    bus = FakeBus()
    service = PollerService(bus, Poller(**settings), Kotekan())
    task = asyncio.create_task(service.run())
    await asyncio.sleep(0)
    if names:
        service.on_registry({}, registry(*names))
    try:
        yield service, bus
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
