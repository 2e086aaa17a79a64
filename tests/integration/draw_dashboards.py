"""Draws the pictures of the dashboards that stand in docs/images, from a cluster that is lived in for some minutes.

python -m tests.integration.draw_dashboards docs/images
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from conche.client import Conche
from conche.dashboards.files import DASHBOARDS
from conche.settings import Metrics
from conche.sim.fpga import FpgaFault, FpgaMaster
from conche.sim.launch import simulated_fpga

from .grafana_pictures import draw
from .grafana_queries import Asked, Choices, Span
from .harness import PROJECT, Mosquitto
from .influx_support import Influxd, running_influxd
from .metrics_support import TABLE
from .stack import CONFIG, Stack, running_stack

CX: Final = tuple(f"cx/cx{number:02}" for number in range(1, 9))
RECV: Final = tuple(f"recv/recv{number}" for number in range(1, 5))
FAMILIES: Final = ("kotekan_bufferstatus_full_frames_total", "kotekan_dpdk_rx_packets_total")
PARTS: Final[dict[str, tuple[Choices, int]]] = {
    "conche-overview": ({"group": None}, 45),
    "conche-group": ({"group": ["cx"]}, 40),
    "conche-node": ({"group": ["cx"], "node": ["cx03"], "family": FAMILIES}, 43),
    "conche-timing": ({}, 40),
    "conche-itself": ({}, 44),
}
"""Of each dashboard what is chosen, and how far down it is drawn [rows of its grid]."""

PAUSE_S: Final = 20.0
"""Between what happens, so that it can be told apart in a picture."""


async def draw_all(
    database: Asked, span: Span, *, folder: Path, choices: Choices | None = None
) -> list[Path]:
    """Draw every dashboard into a folder; with other choices where there are other nodes."""
    drawn = []
    for uid, (usual, rows) in PARTS.items():
        dashboard = json.loads((PROJECT / DASHBOARDS / f"{uid}.json").read_text())
        path = folder / f"{uid}.png"
        await draw(database, dashboard, usual if choices is None else choices, span, path=path, rows=rows)
        drawn.append(path)
    return drawn


@asynccontextmanager
async def cluster(folder: Path, influxd: Influxd) -> AsyncIterator[tuple[Stack, FpgaMaster]]:
    """Twelve nodes with every service."""
    broker = Mosquitto(folder / "mosquitto")
    await broker.start()
    metrics = Metrics(refresh_s=10.0, flush_s=0.2, scrape_s=5.0)
    try:
        async with (
            simulated_fpga() as (master, url),
            running_stack(
                broker, folder, *CX, *RECV, fpga_url=url, influx=influxd.settings(), metrics=metrics
            ) as stack,
        ):
            for node in RECV:
                stack.write(f"{node}.yaml", CONFIG + TABLE)
            for service in ("metrics", "journal", "fpga", "eop"):
                await stack.begin(service)
            yield stack, master
    finally:
        broker.stop()


async def live(stack: Stack, master: FpgaMaster) -> None:
    """Have happen what happens to a telescope within days."""
    async with Conche(broker=stack.broker.settings) as telescope:
        stack.fault("cx/cx07", "reject_start", words="no such stage: rfiBroadcst")
        await asyncio.sleep(PAUSE_S)
        await telescope.maintenance("all", on=False, reason="commissioning is over")
        await telescope.start("cx", reason="first light")
        await asyncio.sleep(PAUSE_S)
        await telescope.start("recv", reason="first light")
        await stack.conche("eop", "run")
        await asyncio.sleep(PAUSE_S)
        stack.fault("cx/cx03", "refuse")
        await asyncio.sleep(PAUSE_S)
        await stack.conche("set", "cx", "gains", "start_time=2.5", "count=4", "--yes")
        master.order({"fault": FpgaFault.SICK})
        await stack.conche("fpga", "--refresh")
        await asyncio.sleep(PAUSE_S)
        stack.clear("cx/cx03")
        master.order({"fault": None})
        await stack.conche("fpga", "--refresh")
        stack.fault("cx/cx05", "slow_start", seconds=15)
        await telescope.resync("cx/cx05", reason="it looked odd")
        await asyncio.sleep(PAUSE_S)
        await telescope.maintenance("recv/recv2", on=True, reason="new fans")
        stack.fault("recv/recv2", "drift", path="gains/count", value=5)
        stack.clear("cx/cx07")
        await telescope.resync("cx/cx07", reason="another build of kotekan")
        await asyncio.sleep(PAUSE_S)
        await stack.end("sync")
        await asyncio.sleep(PAUSE_S)
        await stack.begin("sync")
        await asyncio.sleep(PAUSE_S)
        await telescope.stop("recv/recv4", reason="lightning")
        stack.fault("cx/cx02", "refuse")
        await asyncio.sleep(PAUSE_S)


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        async with (
            running_influxd(Path(name) / "influxd") as influxd,
            cluster(Path(name), influxd) as (stack, master),
        ):
            begun = time.time()
            await live(stack, master)
            span = Span(int(begun * 1000), int(time.time() * 1000))
            await draw_all(influxd, span, folder=folder)


if __name__ == "__main__":
    images = Path(sys.argv[1])
    images.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(images))
