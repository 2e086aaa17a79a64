"""A poller that runs beside what publishes the registry, and what it has published."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from msgspec.json import decode

from conche.bus import Bus, Incoming
from conche.bus.client import Client
from conche.contract import NODE_OBSERVED, REGISTRY, Observed, Reach, RegisteredNode, Registry, Service, Sweep
from conche.poller.main import build
from conche.settings import Kotekan, Poller, Settings

from .bus_support import running
from .harness import Mosquitto

PERIOD_S = 0.1


def registry(addresses: dict[str, Any], *, error: str | None = None) -> Registry:
    groups: dict[str, dict[str, RegisteredNode]] = {}
    for name, address in addresses.items():
        group, _, node = name.partition("/")
        groups.setdefault(group, {})[node] = RegisteredNode(host=address.host, port=address.port, epoch="e")
    return Registry(boot="r", groups=groups, error=error)


@asynccontextmanager
async def renderer(mosquitto: Mosquitto, first: Registry) -> AsyncIterator[Bus]:
    """What publishes the registry."""
    async with running(Bus(mosquitto.settings, service=Service.RENDERER)) as bus:
        bus.own(REGISTRY, first)
        await bus.settled()
        yield bus


@asynccontextmanager
async def polling(
    mosquitto: Mosquitto, *, kotekan: Kotekan | None = None, **settings: Any
) -> AsyncIterator[None]:
    poller = Poller(**{"period_s": PERIOD_S, **settings})
    chosen = Settings(broker=mosquitto.settings, poller=poller, kotekan=kotekan or Kotekan())
    service = await build(chosen, AsyncExitStack())
    task = asyncio.create_task(service.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


def observations(got: list[Incoming], node: str) -> list[Observed]:
    return [decode(m.payload, type=Observed) for m in got if m.topic.endswith(f"/{node}") and m.payload]


def sweeps(got: list[Incoming]) -> list[Sweep]:
    return [decode(m.payload, type=Sweep) for m in got if "/sweep/" in m.topic]


async def held(mosquitto: Mosquitto) -> dict[str, Observed]:
    async with Client(mosquitto.settings, account="operator") as client:
        found = await client.read(NODE_OBSERVED)
    return {f"{params['group']}/{params['node']}": payload for params, payload in found}


async def periods(count: float) -> None:
    await asyncio.sleep(count * PERIOD_S)


async def reached(mosquitto: Mosquitto, wanted: dict[str, Reach]) -> None:
    """Wait for these observations to stand there, and no others."""
    async with asyncio.timeout(10):
        while {name: o.reach for name, o in (await held(mosquitto)).items()} != wanted:
            await asyncio.sleep(0.05)
