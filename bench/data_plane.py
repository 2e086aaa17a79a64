"""The data plane at size: real broker and services, simulated nodes, whose CPU does not count.

    .venv/bin/python -m bench.data_plane --nodes 100 --nodes 1000 --size 10 --size 100
    .venv/bin/python -m bench.data_plane --nodes 1000 --size 10 --distinct
    .venv/bin/python -m bench.data_plane --nodes 10000 --groups 10 --period 5 --steady 600 --only steady

Each run starts its own mosquitto, simulator and services in a temporary folder, on loopback, and ends them.
What is measured, and how:

start       from the start of the services until the summaries say that every node is stopped
steady      CPU time of renderer, poller, sync and mosquitto over 20 s in which nothing happens, for each
            node and poll (from /proc), and as a share of one core; how many sweeps took longer than their period
drift       a base value is changed in the running config of one node (20 nodes, one after another): from the
            order at the simulator until /kill arrives there, by the simulator's clock; then the same for a tenth
            of the nodes at once: until the last first /kill
group       the base config of all nodes is changed on disk: until the last POST /start arrives, and the CPU time
            of the services (the simulator's, on the same cores, is about as much again)
hung        10 nodes hang for 15 s: the period at which each of the others is still asked
"""

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from tests.integration.dataplane import DataPlane, starting_data_plane

from conche.contract import SetMaintenance, SetStarted

TICK = os.sysconf("SC_CLK_TCK")
HUNG_S = 15.0
DRIFTS = 20
PARTS = ("steady", "drift", "group", "hung")


@dataclass(frozen=True)
class Size:
    """What is measured.

    Parameters
    ----------
    nodes, groups
        How many, evenly shared.
    kilobytes
        Of a config.
    distinct
        Whether each node has a config of its own.
    period_s
        Of polls [s].
    steady_s
        How long CPU is measured [s].
    """

    nodes: int
    groups: int
    kilobytes: int
    distinct: bool
    period_s: float
    steady_s: float

    @property
    def padding(self) -> str:
        """Config text that brings a config to its size: stages as they stand in real ones."""
        stage = (
            "stage_{}: {{kotekan_stage: bufferRecv, buf: buffer_{}, listen_port: {}, "
            "cpu_affinity: [1, 2, 3]}}\n"
        )
        count = self.kilobytes * 1000 // 105
        own = "node_name: {{ node.name }}\n" if self.distinct else ""
        return own + "".join(stage.format(i, i, 10000 + i) for i in range(count))


class Listener:
    """What summaries and sweeps say, without asking the broker again and again."""

    def __init__(self, plane: DataPlane) -> None:
        self.summaries: dict[str, dict[str, Any]] = {}
        self.sweeps: list[dict[str, Any]] = []
        self._plane = plane

    async def run(self) -> None:
        """Listen until cancelled."""
        topics = ("-t", "conche/summary/#", "-t", "conche/sweep/#")
        process = await asyncio.create_subprocess_exec(
            "mosquitto_sub", *self._plane.mosquitto.client_arguments(), *topics, "-F", "%t %p",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                topic, _, payload = line.decode().partition(" ")
                _, kind, name = topic.split("/")
                if kind == "sweep":
                    self.sweeps.append(json.loads(payload))
                elif payload.strip():
                    self.summaries[name] = json.loads(payload)
        finally:
            process.terminate()
            await process.wait()

    async def until(self, condition: Callable[[dict[str, int]], bool], timeout: float = 600) -> None:
        """Wait for counts of nodes by state; a node that differs counts as ``differing`` too."""
        async with asyncio.timeout(timeout):
            while True:
                counts: dict[str, int] = {}
                for summary in self.summaries.values():
                    for state, count in [*summary["counts"].items(), ("differing", summary["differing"])]:
                        counts[state] = counts.get(state, 0) + count
                if condition(counts):
                    return
                await asyncio.sleep(0.02)

    async def until_all(self, state: str) -> None:
        """Wait until every node is in a state and runs what it should."""
        wanted = len(self._plane.nodes)
        await self.until(lambda counts: counts.get(state) == wanted and not counts.get("differing"))


def cpu_s(pids: list[int]) -> float:
    """CPU time that processes have used so far [s]."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


@asynccontextmanager
async def data_plane(size: Size) -> AsyncIterator[tuple[DataPlane, Listener, float]]:
    """Run everything; yields it with the time that the start took [s]."""
    groups = {f"g{i}": size.nodes // size.groups for i in range(size.groups)}
    with tempfile.TemporaryDirectory() as folder:
        async with starting_data_plane(
            Path(folder), groups, padding=size.padding, poller={"period_s": size.period_s}
        ) as plane:
            began = time.monotonic()
            listener = Listener(plane)
            listening = asyncio.create_task(listener.run())
            try:
                await listener.until_all("stopped")
                yield plane, listener, time.monotonic() - began
            finally:
                listening.cancel()
                await asyncio.wait([listening])


async def steady(plane: DataPlane, listener: Listener, size: Size) -> dict[str, float]:
    """CPU while nothing happens."""
    names = ("mosquitto", *plane.processes)
    pids = plane.pids()
    first = len(listener.sweeps)
    before, at = [cpu_s([pid]) for pid in pids], time.monotonic()
    await asyncio.sleep(size.steady_s)
    used, took = [cpu_s([pid]) - b for pid, b in zip(pids, before, strict=True)], time.monotonic() - at
    polls = len(plane.nodes) * took / size.period_s
    sweeps = listener.sweeps[first:]
    return {
        "cpu per node-poll [ms]": 1000 * sum(used) / polls,
        "cpu [% of a core]": 100 * sum(used) / took,
        **{f"  {name} [% of a core]": 100 * s / took for name, s in zip(names, used, strict=True)},
        "sweeps": len(sweeps),
        "sweeps that overran": sum(sweep["overrun"] for sweep in sweeps),
        "longest sweep [s]": max((sweep["took_s"] for sweep in sweeps), default=0.0),
    }


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


async def drift(plane: DataPlane, listener: Listener, _size: Size) -> dict[str, float]:
    """Drift of one node at a time, then of a tenth of all."""
    names = list(plane.nodes)
    delays = []
    for node in names[:DRIFTS]:
        since = await plane.last_entry()
        ordered = time.time()
        await plane.sim.fault(node, "drift", path="depth", value=99)
        delays.append((await first_kills(plane, [node], since))[node] - ordered)
        await asyncio.sleep(0.37)
    many = names[DRIFTS : DRIFTS + max(1, len(names) // 10)]
    since = await plane.last_entry()
    ordered = time.time()
    await plane.sim.fault(many, "drift", path="depth", value=99)
    last = max((await first_kills(plane, many, since)).values()) - ordered
    await asyncio.sleep(5)
    await listener.until_all("started")
    return {
        "drift, median [s]": statistics.median(delays),
        "drift, worst [s]": max(delays),
        "drift of 10 %, last [s]": last,
    }


async def group_change(plane: DataPlane, listener: Listener, _size: Size) -> dict[str, float]:
    """Another base config for every node."""
    since = await plane.last_entry()
    before = cpu_s(plane.pids())
    ordered = time.time()
    plane.write_vars(depth=50, coeff=1.0)
    started: dict[str, float] = {}
    async with asyncio.timeout(600):
        while len(started) < len(plane.nodes):
            await asyncio.sleep(0.5)
            for entry in await plane.books(since=since, what="start"):
                started.setdefault(entry.node, entry.at)
    first = min(started.values())
    await listener.until_all("started")
    return {
        "group, first start [s]": first - ordered,
        "group, last start [s]": max(started.values()) - ordered,
        "group, cpu until all are proven [s]": cpu_s(plane.pids()) - before,
    }


async def hung(plane: DataPlane, _listener: Listener, _size: Size) -> dict[str, float]:
    """Ten nodes that do not answer: how often the others are asked."""
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


async def run(size: Size, parts: tuple[str, ...]) -> dict[str, float]:
    """All figures for one size."""
    measures = {"steady": steady, "drift": drift, "group": group_change, "hung": hung}
    async with data_plane(size) as (plane, listener, start_s):
        figures: dict[str, float] = {"start until all have a status [s]": start_s}
        await plane.command("set_started", SetStarted(started=True))
        await plane.command("set_maintenance", SetMaintenance(maintenance=False))
        await listener.until_all("started")
        await asyncio.sleep(5)
        for part in parts:
            figures |= await measures[part](plane, listener, size)
        return figures


@click.command()
@click.option("--nodes", multiple=True, type=int, default=(100, 1000), show_default=True)
@click.option("--groups", type=int, default=1, show_default=True)
@click.option(
    "--size", multiple=True, type=int, default=(10, 100), show_default=True, help="of a config [kB]"
)
@click.option("--distinct", is_flag=True, help="a config of its own for each node")
@click.option("--period", type=float, default=2.0, show_default=True, help="of polls [s]")
@click.option("--steady", type=float, default=20.0, show_default=True, help="how long CPU is measured [s]")
@click.option("--only", type=click.Choice(PARTS), multiple=True, default=PARTS, help="what is measured")
def main(
    nodes: tuple[int, ...],
    groups: int,
    size: tuple[int, ...],
    *,
    distinct: bool,
    period: float,
    steady: float,
    only: tuple[str, ...],
) -> None:
    """Measure and print the figures."""
    for count in nodes:
        for kilobytes in size:
            measured = Size(count, groups, kilobytes, distinct, period, steady)
            click.echo(f"\n{count} nodes in {groups}, {kilobytes} kB{', distinct' if distinct else ''}")
            for name, value in asyncio.run(run(measured, only)).items():
                click.echo(f"  {name:40} {value:8.3f}")


if __name__ == "__main__":
    main()
