"""The gateway at size: real broker, the gateway's own process, TLS; the states of the nodes are played.

    .venv/bin/python -m bench.gateway --nodes 1000 --rate 200 --seconds 20 --streams 200

Everything runs on loopback, in a temporary folder, and is ended; the load is bounded by these numbers. What is
measured, and how:

status      `GET /api/status` at a fixed rate, from the moment at which each request was due until its last byte was
            there; with and without compression, while a poller's sweep makes the answer anew every 2 s; and the CPU
            time of the gateway for each request, from /proc
most        the same without pause, by eight at a time: requests a second
streams     from an event's own time until the last of all streams has it, while every node's status changes once a
            second; and 1,000 events at once, until the last stream has all of them
"""

import asyncio
import os
import ssl
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import click
import uvloop
from msgspec.json import decode
from tests.integration.bus_support import running, until
from tests.integration.gateway_support import local_settings
from tests.integration.harness import Mosquitto, child, free_port
from tests.integration.stack import CONCHE, environment_of
from tests.integration.telescope_support import tokens_of

from conche.bus import Bus
from conche.contract import (
    EVENT,
    NODE_OBSERVED,
    NODE_STATUS,
    REGISTRY,
    SWEEP,
    Drift,
    Event,
    EventKind,
    Maintenance,
    NodeState,
    NodeStatus,
    Observed,
    Reach,
    RegisteredNode,
    Registry,
    Role,
    Service,
    Sweep,
)

TICK = os.sysconf("SC_CLK_TCK")
GROUP = "cx"
SWEEP_S = 2.0
PATIENCE_S = 60.0


@dataclass
class Site:
    """What is asked, and who plays the telescope."""

    url: str
    token: str
    http: aiohttp.ClientSession
    process: asyncio.subprocess.Process
    buses: dict[str, Bus]
    nodes: int
    rounds: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """Who asks."""
        return {"Authorization": f"Bearer {self.token}"}

    def cpu_s(self) -> float:
        """CPU time of the gateway so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def change_all(self) -> None:
        """Have every node's status become another one."""
        self.rounds += 1
        for number in range(self.nodes):
            self.buses["sync"].own(NODE_STATUS, status(self.rounds), group=GROUP, node=f"cx{number}")

    def tell(self, text: str, node: int) -> None:
        """Have something happen to a node."""
        event = Event(at=datetime.now(UTC), kind=EventKind.STATE, text=text)
        self.buses["sync"].tell(EVENT, event, service="sync", group=GROUP, node=f"cx{node}")

    async def sweep(self) -> None:
        """Say once in 2 s, as a poller does, that all nodes were asked."""
        number = 0
        while True:
            number += 1
            one = Sweep(
                boot="b", number=number, groups=[GROUP], at=datetime.now(UTC), took_s=1.0, polled=self.nodes,
                unreachable=0, overrun=False, period_s=SWEEP_S,
            )  # fmt: skip
            await self.buses["poller"].publish(SWEEP, one, instance="main")
            await asyncio.sleep(SWEEP_S)


def status(attempts: int) -> NodeStatus:
    """Return the status of a node that runs; another one for each number."""
    return NodeStatus(
        state=NodeState.STARTED, started=True, maintenance=Maintenance(on=False), epoch="e", drift=Drift(),
        desired="a" * 32, live="a" * 32, proven="a" * 32, since=datetime.now(UTC), attempts=attempts,
    )  # fmt: skip


@asynccontextmanager
async def site(folder: Path, nodes: int) -> AsyncIterator[Site]:
    """Run broker and gateway, and play the nodes, until the body ends."""
    broker = Mosquitto(folder / "mosquitto")
    await broker.start()
    state_dir = local_settings(broker, folder).gateway.state_dir
    token = tokens_of(state_dir)[Role.VIEWER]
    port = free_port()
    environment = environment_of(broker) | {
        "CONCHE_GATEWAY__PORT": str(port),
        "CONCHE_GATEWAY__STATE_DIR": str(state_dir),
        "CONCHE_GATEWAY__REQUESTS_PER_S": "100000",
    }
    try:
        async with AsyncExitStack() as stack:
            with (folder / "log").open("wb") as log:
                process = await stack.enter_async_context(
                    child(CONCHE, "gateway", env=environment, stdout=log, cwd=folder)
                )
            buses = await _buses(broker, stack)
            one = Site(f"https://127.0.0.1:{port}", token, await _client(stack), process, buses, nodes)
            await _play(one)
            await _until_told(one)
            sweeping = asyncio.create_task(one.sweep())
            yield one
            sweeping.cancel()
    finally:
        broker.stop()


async def _buses(broker: Mosquitto, stack: AsyncExitStack) -> dict[str, Bus]:
    found = {}
    for service, instance in (("renderer", None), ("sync", GROUP), ("poller", "main")):
        bus = Bus(broker.settings, service=Service(service), instance=instance)
        found[service] = await stack.enter_async_context(running(bus))
    return found


async def _client(stack: AsyncExitStack) -> aiohttp.ClientSession:
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    connector = aiohttp.TCPConnector(ssl=unchecked, limit=0)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
    return await stack.enter_async_context(session)


async def _play(one: Site) -> None:
    entries = {f"cx{n}": RegisteredNode(host=f"cx{n}", port=12048, epoch="e") for n in range(one.nodes)}
    one.buses["renderer"].own(REGISTRY, Registry(boot="b", groups={GROUP: entries}))
    for number in range(one.nodes):
        seen = Observed(boot="b", sweep=1, reach=Reach.OK, running=True, version="2025.05-1-gabcdef")
        one.buses["poller"].own(NODE_OBSERVED, seen, group=GROUP, node=f"cx{number}")
    one.change_all()
    for bus in one.buses.values():
        await bus.settled()


async def _until_told(one: Site) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(aiohttp.ClientConnectionError):
                headers = one.headers | {"Accept-Encoding": "identity"}
                async with one.http.get(f"{one.url}/api/status", headers=headers) as answer:
                    body = await answer.read()
                    if answer.status == 200 and decode(body)["summary"]["started"] == one.nodes:
                        return
            await asyncio.sleep(0.2)


# --- status


async def at_rate(one: Site, *, rate: float, seconds: float, compressed: bool) -> list[float]:
    """Return how long each request took, from when it was due [s]."""
    took: list[float] = []
    headers = one.headers | {"Accept-Encoding": "gzip" if compressed else "identity"}

    async def ask(due: float) -> None:
        async with one.http.get(f"{one.url}/api/status", headers=headers) as answer:
            await answer.read()
            assert answer.status == 200
        took.append(time.perf_counter() - due)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(ask(due))
    return took


async def most(one: Site, *, seconds: float, at_once: int = 8) -> float:
    """Return requests a second without pause."""
    ends, asked = time.perf_counter() + seconds, 0
    headers = one.headers | {"Accept-Encoding": "gzip"}

    async def ask() -> None:
        nonlocal asked
        while time.perf_counter() < ends:
            async with one.http.get(f"{one.url}/api/status", headers=headers) as answer:
                await answer.read()
            asked += 1

    await asyncio.gather(*(ask() for _ in range(at_once)))
    return asked / seconds


# --- streams


@dataclass
class Reader:
    """One stream; when each event of those that are counted was there."""

    at: dict[str, float] = field(default_factory=dict)

    async def read(self, one: Site, opened: Callable[[], None]) -> None:
        """Read for ever; tell once it is open."""
        url = f"{one.url}/api/v1/events/stream"
        timeout = aiohttp.ClientTimeout(total=None)
        async with one.http.get(url, headers=one.headers, timeout=timeout) as answer:
            opened()
            async for line in answer.content:
                if line.startswith(b"data: "):
                    text = line.partition(b'"text":"')[2].partition(b'"')[0].decode()
                    self.at[text] = time.time()


async def stream(one: Site, *, streams: int, events: int) -> tuple[list[float], float, float]:
    """Return how long single events took to reach all, how long 1,000 at once took [s], and CPU of the latter [s]."""
    readers = [Reader() for _ in range(streams)]
    opened = 0

    def count() -> None:
        nonlocal opened
        opened += 1

    async with asyncio.TaskGroup() as tasks:
        reading = [tasks.create_task(reader.read(one, count)) for reader in readers]
        await until(lambda: opened == streams, PATIENCE_S)
        await asyncio.sleep(1)
        single = [await _single(one, readers, number) for number in range(events)]
        cpu_s, began = one.cpu_s(), time.time()
        for number in range(one.nodes):
            one.tell(f"burst {number}", number)
        await until(lambda: all(len(reader.at) == events + one.nodes for reader in readers), PATIENCE_S)
        took = max(max(reader.at.values()) for reader in readers) - began
        cpu_s = one.cpu_s() - cpu_s
        for task in reading:
            task.cancel()
    return single, took, cpu_s


async def _single(one: Site, readers: Sequence[Reader], number: int) -> float:
    if number % 5 == 0:
        one.change_all()
    text, told_at = f"single {number}", time.time()
    one.tell(text, number % one.nodes)
    await until(lambda: all(text in reader.at for reader in readers), PATIENCE_S)
    await asyncio.sleep(max(0.0, told_at + 0.2 - time.time()))
    return max(reader.at[text] for reader in readers) - told_at


# --- what is printed


def words(took: Sequence[float]) -> str:
    """Return what there is to say of times [s]."""
    ordered = sorted(took)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return f"p50 {statistics.median(ordered) * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, worst {ordered[-1] * 1e3:.1f} ms"


async def measured(one: Site, ask: Callable[[], Awaitable[list[float]]], name: str) -> None:
    """Print how long requests took, and how much CPU time."""
    before = one.cpu_s()
    took = await ask()
    cpu = (one.cpu_s() - before) / len(took)
    print(f"{name}: {words(took)}; {cpu * 1e3:.2f} ms of CPU a request")


async def run(nodes: int, rate: float, seconds: float, streams: int, events: int) -> None:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as folder:
        async with site(Path(folder), nodes) as one:
            for compressed in (True, False):
                kind = "compressed" if compressed else "whole"
                await measured(
                    one,
                    lambda c=compressed: at_rate(one, rate=rate, seconds=seconds, compressed=c),
                    f"status, {kind}, {rate:g}/s",
                )
            before = one.cpu_s()
            print(
                f"most: {await most(one, seconds=5):.0f} requests/s, {one.cpu_s() - before:.1f} s of CPU in 5 s"
            )
            single, burst_s, cpu_s = await stream(one, streams=streams, events=events)
            print(f"an event to {streams} streams: {words(single)}")
            print(f"{nodes} events at once to {streams} streams: {burst_s:.2f} s, {cpu_s:.2f} s of CPU")


@click.command()
@click.option("--nodes", default=1000, show_default=True)
@click.option("--rate", default=200.0, show_default=True, help="Requests a second.")
@click.option("--seconds", default=20.0, show_default=True)
@click.option("--streams", default=200, show_default=True)
@click.option("--events", default=50, show_default=True, help="One by one.")
def main(*, nodes: int, rate: float, seconds: float, streams: int, events: int) -> None:
    """Measure."""
    uvloop.run(run(nodes, rate, seconds, streams, events))


if __name__ == "__main__":
    main()
