"""The data plane at size: real broker and services, simulated nodes, whose CPU does not count.

    .venv/bin/python -m bench.data_plane --nodes 100 --nodes 1000 --size 10 --size 100

Each run starts its own mosquitto, simulator and services in a temporary folder, on loopback, and ends them.
What is measured, and how:

start       from the start of the services until every node has a status other than unknown
cpu         CPU time of renderer, poller, sync and mosquitto over 20 s in which nothing happens, for each
            node and poll (from /proc), and as a share of one core
drift       a base value is changed in the running config of one node (20 nodes, one after another): from the
            order at the simulator until /kill arrives there, by the simulator's clock
drift 10 %  the same for a tenth of the nodes at once: until the last first /kill
group       the base config of all nodes is changed on disk: until the last POST /start arrives
hung        10 nodes hang for 15 s: the period at which each of the others is still asked
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
from tests.integration.dataplane import DataPlane, running_data_plane

from conche.contract import NodeState, SetMaintenance, SetStarted

TICK = os.sysconf("SC_CLK_TCK")
PERIOD_S = 2.0
STEADY_S = 20.0
HUNG_S = 15.0


def padding(kilobytes: int) -> str:
    """Config text that brings a config to a size: stages as they stand in real ones."""
    stage = (
        "stage_{}: {{kotekan_stage: bufferRecv, buf: buffer_{}, listen_port: {}, cpu_affinity: [1, 2, 3]}}\n"
    )
    count = kilobytes * 1000 // 105
    return "".join(stage.format(i, i, 10000 + i) for i in range(count))


def cpu_s(pids: list[int]) -> float:
    """CPU time that processes have used so far [s]."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


@asynccontextmanager
async def data_plane(nodes: int, kilobytes: int) -> AsyncIterator[tuple[DataPlane, float]]:
    """Run everything; yields it with the time that the start took [s]."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        async with running_data_plane(
            Path(folder), {"cx": nodes}, padding=padding(kilobytes), poller={"period_s": PERIOD_S}
        ) as plane:
            yield plane, time.monotonic() - began - plane.before_services_s


async def steady(plane: DataPlane) -> dict[str, float]:
    """CPU while nothing happens."""
    pids = plane.pids()
    before, at = cpu_s(pids), time.monotonic()
    await asyncio.sleep(STEADY_S)
    used, took = cpu_s(pids) - before, time.monotonic() - at
    polls = len(plane.nodes) * took / PERIOD_S
    return {"cpu per node-poll [ms]": 1000 * used / polls, "cpu [% of a core]": 100 * used / took}


async def first_kills(plane: DataPlane, nodes: list[str], since: int) -> dict[str, float]:
    """Wait until each node was killed; return when each first was [UNIX s]."""
    found: dict[str, float] = {}
    async with asyncio.timeout(120):
        while len(found) < len(nodes):
            await asyncio.sleep(0.2)
            for entry in await plane.books(since=since, what="kill"):
                if entry.node in nodes:
                    found.setdefault(entry.node, entry.at)
    return found


async def drift(plane: DataPlane, count: int) -> dict[str, float]:
    """Drift of one node at a time, then of a tenth of all."""
    names = list(plane.nodes)
    delays = []
    for node in names[:count]:
        since = (await plane.sim.books(limit=1)).last
        ordered = time.time()
        await plane.sim.fault(node, "drift", path="depth", value=99)
        delays.append((await first_kills(plane, [node], since))[node] - ordered)
        await asyncio.sleep(0.37)
    many = names[count : count + max(1, len(names) // 10)]
    since = (await plane.sim.books(limit=1)).last
    ordered = time.time()
    await plane.sim.fault(many, "drift", path="depth", value=99)
    last = max((await first_kills(plane, many, since)).values()) - ordered
    return {
        "drift, median [s]": statistics.median(delays),
        "drift, worst [s]": max(delays),
        "drift of 10 %, last [s]": last,
    }


async def group_change(plane: DataPlane) -> dict[str, float]:
    """Another base config for every node."""
    await plane.until(lambda s: all(x.state is NodeState.STARTED for x in s.values()), 120)
    since = (await plane.sim.books(limit=1)).last
    ordered = time.time()
    plane.write_vars(depth=50, coeff=1.0)
    started: dict[str, float] = {}
    async with asyncio.timeout(600):
        while len(started) < len(plane.nodes):
            await asyncio.sleep(0.5)
            for entry in await plane.books(since=since, what="start"):
                started.setdefault(entry.node, entry.at)
    return {"group, last start [s]": max(started.values()) - ordered}


async def hung(plane: DataPlane) -> dict[str, float]:
    """Ten nodes that do not answer: how often the others are asked."""
    await plane.until(lambda s: all(x.state is NodeState.STARTED for x in s.values()), 120)
    names = list(plane.nodes)
    others = names[10 :: max(1, len(names) // 50)]
    await plane.sim.fault(names[:10], "hang", seconds=HUNG_S)
    await asyncio.sleep(1)
    before = {node: (await plane.sim.node(node)).reads["/config"]["count"] for node in others}
    began = time.monotonic()
    await asyncio.sleep(HUNG_S - 3)
    took = time.monotonic() - began
    periods = [
        took / max(1, (await plane.sim.node(node)).reads["/config"]["count"] - before[node])
        for node in others
    ]
    return {"period of others, 10 hung, median [s]": statistics.median(periods), "worst [s]": max(periods)}


async def run(nodes: int, kilobytes: int) -> dict[str, float]:
    """All figures for one size."""
    async with data_plane(nodes, kilobytes) as (plane, start_s):
        figures: dict[str, Any] = {"start until all have a status [s]": start_s}
        await plane.command("set_started", SetStarted(started=True))
        await plane.command("set_maintenance", SetMaintenance(maintenance=False))
        await plane.until(lambda s: all(x.state is NodeState.STARTED for x in s.values()), 120)
        await asyncio.sleep(5)
        figures |= await steady(plane)
        figures |= await drift(plane, 20)
        figures |= await group_change(plane)
        figures |= await hung(plane)
        return figures


@click.command()
@click.option("--nodes", multiple=True, type=int, default=(100, 1000), show_default=True)
@click.option(
    "--size", multiple=True, type=int, default=(10, 100), show_default=True, help="of a config [kB]"
)
def main(nodes: tuple[int, ...], size: tuple[int, ...]) -> None:
    """Measure and print the figures."""
    for count in nodes:
        for kilobytes in size:
            click.echo(f"\n{count} nodes, {kilobytes} kB")
            for name, value in asyncio.run(run(count, kilobytes)).items():
                click.echo(f"  {name:40} {value:8.3f}")


if __name__ == "__main__":
    main()
