"""The command plane at size: real broker and services, simulated nodes, whose CPU does not count.

    .venv/bin/python -m bench.command_plane --nodes 1000 --size 10

All nodes are of one group and one template. What is measured, and how:

values      new values of an updatable block for the whole group: from the publish until the last POST arrives at a
            node, by the simulator's clock, and until the reply; the CPU time of the services
stop        set_started for the whole group: until the last /kill, and until the reply
ping        a ping of the whole group, of which 100 nodes do not answer: until the reply
switch      set_maintenance of one node, 40 times: until the reply, median and worst
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import click
from msgspec.structs import replace

from conche.contract import (
    Arguments,
    Ping,
    Reply,
    SetMaintenance,
    SetStarted,
    UpdatableConfig,
)

from .data_plane import DataPlane, Listener, Size, cpu_s, data_plane

DEAD = 100
SWITCHES = 40
GROUP = "g0/all"


async def order(plane: DataPlane, action: str, arguments: Arguments, target: str) -> tuple[Reply, float]:
    """Send a command; return its one reply and after which time it came [s]."""
    group, _, node = target.partition("/")
    dated = replace(arguments, id=f"bench-{time.monotonic_ns()}")
    async with plane.connect() as client:
        began = time.monotonic()
        async for reply in client.command(action, dated, group=group, node=node, timeout=120):
            return reply, time.monotonic() - began
    raise TimeoutError(action)


async def arrivals(plane: DataPlane, what: str, since: int, count: int) -> list[float]:
    """Return when each node first got a request [UNIX s]."""
    found: dict[str, float] = {}
    async with asyncio.timeout(120):
        while len(found) < count:
            for entry in await plane.books(since=since, what=what):
                found.setdefault(entry.node, entry.at)
            await asyncio.sleep(0.2)
    return sorted(found.values())


async def values(plane: DataPlane) -> dict[str, float]:
    """Set the values of a block for all."""
    since, cpu, began = await plane.last_entry(), cpu_s(plane.pids()), time.time()
    wish = UpdatableConfig(endpoint="gains", values={"coeff": 2.5, "start_time": 1772838439000002880})
    reply, took = await order(plane, "updatable_config", wish, GROUP)
    last = (await arrivals(plane, "update", since, len(plane.nodes)))[-1]
    return {
        "values, last POST [s]": last - began,
        "values, reply [s]": took,
        "values, ok": sum(result.ok for result in reply.results.values()),
        "values, cpu [s]": cpu_s(plane.pids()) - cpu,
    }


async def switch(plane: DataPlane) -> dict[str, float]:
    """Put one node into maintenance and take it out."""
    took = []
    for number in range(SWITCHES):
        wish = SetMaintenance(maintenance=number % 2 == 0)
        took.append((await order(plane, "set_maintenance", wish, "g0/g01"))[1])
    return {"switch, median [s]": statistics.median(took), "switch, worst [s]": max(took)}


async def ping(plane: DataPlane) -> dict[str, float]:
    """Ping all, of which some are dead."""
    await plane.sim.fault(list(plane.nodes)[:DEAD], "hang", seconds=30)
    reply, took = await order(plane, "ping", Ping(), GROUP)
    await plane.sim.clear(list(plane.nodes)[:DEAD])
    return {"ping, reply [s]": took, "ping, ok": sum(result.ok for result in reply.results.values())}


async def stop(plane: DataPlane) -> dict[str, float]:
    """Stop all."""
    since, began = await plane.last_entry(), time.time()
    reply, took = await order(plane, "set_started", SetStarted(started=False), GROUP)
    last = (await arrivals(plane, "kill", since, len(plane.nodes)))[-1]
    ok = sum(result.ok for result in reply.results.values())
    return {"stop, last /kill [s]": last - began, "stop, reply [s]": took, "stop, ok": ok}


PARTS: dict[str, Callable[[DataPlane], Awaitable[dict[str, Any]]]] = {
    "values": values,
    "switch": switch,
    "ping": ping,
    "stop": stop,
}


async def run(size: Size, parts: tuple[str, ...]) -> dict[str, float]:
    """All figures for one size."""
    async with data_plane(size) as (plane, listener, _):
        await started(plane, listener)
        figures: dict[str, float] = {}
        for part in parts:
            figures |= await PARTS[part](plane)
        return figures


async def started(plane: DataPlane, listener: Listener) -> None:
    """Have all nodes run what they should."""
    await plane.command("set_started", SetStarted(started=True))
    await plane.command("set_maintenance", SetMaintenance(maintenance=False))
    await listener.until_all("started")
    await asyncio.sleep(5)


@click.command()
@click.option("--nodes", type=int, default=1000, show_default=True)
@click.option("--size", type=int, default=10, show_default=True, help="of a config [kB]")
@click.option("--only", type=click.Choice(list(PARTS)), multiple=True, default=list(PARTS))
def main(*, nodes: int, size: int, only: tuple[str, ...]) -> None:
    """Measure and print the figures."""
    click.echo(f"\n{nodes} nodes, {size} kB")
    measured = Size(nodes, 1, size, distinct=False, period_s=2.0, steady_s=0.0)
    for name, value in asyncio.run(run(measured, only)).items():
        click.echo(f"  {name:40} {value:8.3f}")


if __name__ == "__main__":
    main()
