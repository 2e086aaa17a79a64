"""The metrics service at size: real broker, services and influxd, simulated nodes, whose CPU does not count.

    .venv/bin/python -m bench.metrics_service --nodes 1000 --steady 60

Everything runs on loopback, in a temporary folder, and is ended. What is measured, and how:

steady      CPU time of the metrics service while nothing happens, from /proc, with and without asking the nodes for
            their own metrics, and what it wrote in that time
prometheus  the same, while Prometheus asks once in 15 s
points      latencies of 1,000 nodes in each of so many messages, sent at once: until influxd has counted all points,
            and the CPU time of the service for each
events      events sent at once, likewise; two messages of MQTT and one point each
statuses    statuses of all nodes in each of so many rounds, one message each, a round once the last is acknowledged:
            until influxd has the last one of each node. One that finds an older one of its node still unread takes its
            place, so there may be fewer points than messages
"""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import click
import yaml
from msgspec.json import encode
from tests.integration.dataplane import DataPlane, Process, starting_data_plane
from tests.integration.harness import free_port
from tests.integration.influx_support import Influxd, running_influxd

from conche.bus.link import Link
from conche.bus.login import login_of
from conche.contract import (
    EVENT,
    LATENCY,
    NODE_STATUS,
    Event,
    EventKind,
    Latencies,
    Latency,
    Maintenance,
    NodeState,
    NodeStatus,
)

TICK = os.sysconf("SC_CLK_TCK")
NODES_OF_A_MESSAGE = 1000
FIRST_ATTEMPT = 1_000_000
"""So many no worker tells of."""


@dataclass
class Bench:
    """Everything that runs.

    Parameters
    ----------
    plane
        Broker, nodes, and the other services.
    influxd
        The database.
    port
        For Prometheus.
    """

    plane: DataPlane
    influxd: Influxd
    port: int

    @asynccontextmanager
    async def metrics(self, **settings: Any) -> AsyncIterator[int]:
        """Run the metrics service; yields its process id once it has written what it found."""
        config = yaml.safe_load((self.plane.folder / "conche.yaml").read_text())
        config["metrics"] = {"listen_port": self.port, **settings}
        config["influx"] = {"url": self.influxd.url}
        file = self.plane.folder / "metrics.yaml"
        file.write_text(yaml.dump(config))
        await self.influxd.ask("DROP DATABASE conche")
        await self.influxd.ask("CREATE DATABASE conche")
        process = Process("metrics", file, self.plane.folder / "metrics.log")
        supervising = asyncio.create_task(process.supervise())
        process.start()
        try:
            await self.until("node", "state", len(self.plane.nodes))
            yield process.pid
        finally:
            process.stop()
            supervising.cancel()
            await asyncio.wait([supervising])

    async def until(self, measurement: str, field: str, count: int, *, where: str = "time > 0") -> None:
        """Wait until the database has so many points."""
        async with asyncio.timeout(300):
            while True:
                if await self.count(measurement, field, where=where) >= count:
                    return
                await asyncio.sleep(0.05)

    async def count(self, measurement: str, field: str, *, where: str = "time > 0") -> int:
        """Return how many points of a measurement the database has."""
        found = await self.influxd.ask(f'SELECT count("{field}") FROM "{measurement}" WHERE {where}')
        return int(found[0]["values"][0][1]) if found else 0


def cpu_s(pid: int) -> float:
    """CPU time that a process has used so far [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mb(pid: int) -> float:
    """Memory that a process has [MB]."""
    line = next(s for s in Path(f"/proc/{pid}/status").read_text().splitlines() if s.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


async def steady(
    bench: Bench, seconds: float, *, asked_s: float | None = None, **settings: Any
) -> dict[str, float]:
    """CPU while nothing happens, but that Prometheus asks once in a time."""
    async with bench.metrics(**settings) as pid:
        await asyncio.sleep(5)
        written, used, began = await all_points(bench), cpu_s(pid), time.monotonic()
        if asked_s is None:
            await asyncio.sleep(seconds)
        else:
            await ask(bench.port, times=round(seconds / asked_s), every_s=asked_s)
        took = time.monotonic() - began
        return {
            "cpu [% of a core]": 100 * (cpu_s(pid) - used) / took,
            "points [1/s]": (await all_points(bench) - written) / took,
            "memory [MB]": memory_mb(pid),
        }


async def ask(port: int, *, times: int, every_s: float) -> None:
    """Ask as Prometheus does."""
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        for _ in range(times):
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                await answer.read()
            await asyncio.sleep(every_s)


async def all_points(bench: Bench) -> int:
    """Return how many points there are of what comes all the time."""
    series = (("node", "state"), ("kotekan", "value"), ("latency", "median_s"), ("sweep", "took_s"))
    return sum([await bench.count(*one) for one in series])


async def points(bench: Bench, messages: int) -> dict[str, float]:
    """Latencies of many nodes at once."""
    groups = {
        "cx": {f"cx{i}": Latency(median_s=0.1, worst_s=0.2, answers=30) for i in range(NODES_OF_A_MESSAGE)}
    }
    at = datetime.now(UTC)
    async with bench.metrics(scrape_s=None) as pid:
        before = await bench.count("latency", "median_s")
        total = before + messages * NODES_OF_A_MESSAGE
        used, began = cpu_s(pid), time.monotonic()
        link = Link(
            login_of(bench.plane.mosquitto.settings, account="poller", client_id="bench"), on_message=print
        )
        await link.connect()
        try:
            for number in range(messages):
                told = Latencies(boot="b", at=at + timedelta(milliseconds=number), groups=groups)
                # One topic for each: of several under way to one the first alone would count.
                topic = f"conche/{LATENCY.topic(instance=f'bench{number}')}"
                await link.publish(topic, encode(told))
            await bench.until("latency", "median_s", total)
        finally:
            await link.disconnect()
        return _rates(pid, messages * NODES_OF_A_MESSAGE, used, began)


async def events(bench: Bench, count: int) -> dict[str, float]:
    """Events at once."""
    event = encode(
        Event(at=datetime.now(UTC), kind=EventKind.CONFIG, text="gains of the whole group, by bob")
    )
    topic = f"conche/{EVENT.topic(service='journal', group='cx', node='cx1')}"
    arguments = [*bench.plane.mosquitto.client_arguments("journal"), "-t", topic, "-q", "1", "-l"]
    async with bench.metrics(scrape_s=None) as pid:
        used, began = cpu_s(pid), time.monotonic()
        await asyncio.to_thread(
            subprocess.run, ["mosquitto_pub", *arguments], input=(event + b"\n") * count, check=True
        )
        sent = time.monotonic() - began
        await bench.until("event", "text", count)
        return {"sent within [s]": sent, **_rates(pid, count, used, began)}


async def statuses(bench: Bench, rounds: int) -> dict[str, float]:
    """Statuses of all nodes, each of which is news."""
    names = [key.partition("/")[2] for key in bench.plane.nodes]
    last = f"attempts = {FIRST_ATTEMPT + rounds - 1}"
    async with bench.metrics(scrape_s=None) as pid:
        link = Link(
            login_of(bench.plane.mosquitto.settings, account="sync", client_id="bench"), on_message=print
        )
        await link.connect()
        before = await bench.count("node", "attempts")
        used, began = cpu_s(pid), time.monotonic()
        try:
            for number in range(rounds):
                status = NodeStatus(
                    state=NodeState.STARTED, started=True, maintenance=Maintenance(on=False), epoch="e",
                    attempts=FIRST_ATTEMPT + number,
                )  # fmt: skip
                payload = encode(status)
                topics = (f"conche/{NODE_STATUS.topic(group='cx', node=name)}" for name in names)
                await asyncio.gather(*(link.publish(topic, payload) for topic in topics))
            await bench.until("node", "attempts", len(names), where=last)
        finally:
            await link.disconnect()
        written = await bench.count("node", "attempts") - before
        messages = rounds * len(names)
        rates = _rates(pid, messages, used, began)
        return {
            "messages [1/s]": rates.pop("points [1/s]"),
            "points of each message": written / messages,
            **rates,
        }


def _rates(pid: int, count: int, used: float, began: float) -> dict[str, float]:
    took, cpu = time.monotonic() - began, cpu_s(pid) - used
    return {
        "points [1/s]": count / took,
        "cpu a point [us]": 1e6 * cpu / count,
        "memory [MB]": memory_mb(pid),
    }


async def run(nodes: int, seconds: float, messages: int, storm: int, rounds: int) -> None:
    """Measure and print everything."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            running_influxd(Path(folder) / "influxd") as influxd,
            starting_data_plane(Path(folder), {"cx": nodes}) as plane,
        ):
            await plane.until(lambda found: all(s.state == "stopped" for s in found.values()), 60)
            await plane.start_all()
            bench = Bench(plane, influxd, free_port())
            show("steady, nodes not asked", await steady(bench, seconds, scrape_s=None))
            show("steady, nodes asked once a minute", await steady(bench, seconds))
            show("steady, Prometheus asks", await steady(bench, seconds, asked_s=15.0, scrape_s=None))
            show(f"{messages * NODES_OF_A_MESSAGE} points at once", await points(bench, messages))
            show(f"{storm} events at once", await events(bench, storm))
            show(f"{rounds * nodes} statuses at once", await statuses(bench, rounds))


def show(title: str, figures: dict[str, float]) -> None:
    """Print figures."""
    click.echo(f"\n{title}")
    for name, value in figures.items():
        click.echo(f"  {name:30} {value:10.2f}")


@click.command()
@click.option("--nodes", type=int, default=1000, show_default=True)
@click.option(
    "--steady", "seconds", type=float, default=60.0, show_default=True, help="how long CPU is measured [s]"
)
@click.option("--messages", type=int, default=100, show_default=True, help="of latencies, 1,000 points each")
@click.option("--events", "storm", type=int, default=20_000, show_default=True)
@click.option("--rounds", type=int, default=20, show_default=True, help="of statuses, one of each node")
def main(nodes: int, seconds: float, messages: int, storm: int, rounds: int) -> None:
    """Measure and print the figures."""
    asyncio.run(run(nodes, seconds, messages, storm, rounds))


if __name__ == "__main__":
    main()
