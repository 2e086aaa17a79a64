"""A whole conche for tests: mosquitto as shipped, the services and simulated nodes in this loop, and the command line
as the program that it is.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conche.bus.client import Client
from conche.client.picture import Picture, read_picture
from conche.contract import NodeStatus
from conche.eop.main import build as build_eop
from conche.fpga.main import build as build_fpga
from conche.journal.main import build as build_journal
from conche.metrics.main import build as build_metrics
from conche.poller.main import build as build_poller
from conche.renderer.main import build as build_renderer
from conche.settings import Eop, Fpga, Influx, Journal, Metrics, Poller, Renderer, Settings, Sync
from conche.sim.host import NodeHost
from conche.sim.launch import simulated_nodes
from conche.sync.main import build as build_sync

from .harness import Mosquitto

PATIENCE_S = 20.0
CONCHE = Path(sys.executable).with_name("conche")
CONFIG = """\
type: config
log_level: info
cpu_affinity: [0]
gains: {kotekan_update_endpoint: json, start_time: 1.5, count: 3}
"""
BUILD = {
    "renderer": build_renderer,
    "poller": build_poller,
    "sync": build_sync,
    "journal": build_journal,
    "fpga": build_fpga,
    "eop": build_eop,
    "metrics": build_metrics,
}
BEGUN = ("renderer", "poller", "sync")
"""Services that run in every stack; a test that wants another begins it."""


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def conche(
    *arguments: str, broker: Mosquitto, stdin: int = asyncio.subprocess.DEVNULL, **environment: str
) -> Ran:
    """Run the command line as a script does: without a terminal, unless one is given for its input."""
    process = await asyncio.create_subprocess_exec(
        CONCHE,
        *arguments,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment_of(broker) | environment,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    assert b"Traceback" not in err, err.decode()
    return Ran(process.returncode, out.decode(), err.decode())


def environment_of(broker: Mosquitto) -> dict[str, str]:
    """What leads the command line to a broker."""
    size = ("COLUMNS", "LINES")  # that pytest's workers are told; a terminal knows its own
    inherited = {n: v for n, v in os.environ.items() if not n.startswith("CONCHE_") and n not in size}
    return {
        **inherited,
        "CONCHE_BROKER__PORT": str(broker.port),
        "CONCHE_BROKER__SECRETS": str(broker.folder / "secrets"),
    }


class Stack:
    """Everything that runs; services can be ended and begun again one by one."""

    def __init__(self, broker: Mosquitto, settings: Settings, sim: NodeHost) -> None:
        self.broker = broker
        self.settings = settings
        self.sim = sim
        self._tasks: dict[str, tuple[asyncio.Task[None], AsyncExitStack]] = {}

    async def begin(self, service: str) -> None:
        resources = AsyncExitStack()
        runnable = await BUILD[service](self.settings, resources)
        self._tasks[service] = (asyncio.create_task(runnable.run(), name=f"run {service}"), resources)

    async def end(self, service: str) -> None:
        task, resources = self._tasks.pop(service)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await resources.aclose()

    async def end_all(self) -> None:
        for service in reversed(list(self._tasks)):
            await self.end(service)

    async def conche(
        self, *arguments: str, stdin: int = asyncio.subprocess.DEVNULL, **environment: str
    ) -> Ran:
        return await conche(*arguments, broker=self.broker, stdin=stdin, **environment)

    def write(self, name: str, text: str) -> None:
        path = self.settings.renderer.configs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def fault(self, node: str, kind: str, **parameters: Any) -> None:
        self.sim.call("fault", {"nodes": [node], "fault": {"kind": kind, **parameters}})

    def clear(self, node: str) -> None:
        self.sim.call("clear", {"nodes": [node]})

    async def picture(self) -> Picture:
        async with Client(self.broker.settings, account="operator") as client:
            return await read_picture(client)

    async def until(self, condition: Callable[[Picture], bool]) -> None:
        """Wait for what the broker holds to be so."""
        async with asyncio.timeout(PATIENCE_S), Client(self.broker.settings, account="operator") as client:
            while not condition(await read_picture(client)):
                await asyncio.sleep(0.05)

    async def until_node(self, key: str, condition: Callable[[NodeStatus], bool]) -> None:
        """Wait for a node's status to be so."""
        group, _, node = key.partition("/")

        def holds(picture: Picture) -> bool:
            status = picture.statuses.get(group, {}).get(node)
            return status is not None and condition(status)

        await self.until(holds)

    async def until_settled(self) -> None:
        """Wait until every node is known."""
        groups = self.settings.sync.groups
        await self.until(
            lambda picture: (
                picture.registry is not None
                and bool(picture.registry.groups)
                and all(
                    (status := picture.statuses.get(group, {}).get(node)) is not None
                    and status.state != "unknown"
                    for group, nodes in picture.registry.groups.items()
                    for node in nodes
                    if not groups or group in groups
                )
            )
        )


@asynccontextmanager
async def running_stack(
    broker: Mosquitto,
    folder: Path,
    *nodes: str,
    groups: tuple[str, ...] = (),
    fpga_url: str | None = None,
    influx: Influx | None = None,
    metrics: Metrics | None = None,
) -> AsyncIterator[Stack]:
    """Run conche on simulated nodes, until every one is known.

    Parameters
    ----------
    broker
        Running.
    folder
        For the config directory and what the services keep.
    nodes
        Group and node of each.
    groups
        Those that sync serves; none named: all.
    fpga_url
        Where the FPGA master is.
    influx, metrics
        Where the database is, and what is kept in it; None for none, and for what is usual.
    """
    settings = Settings(
        broker=broker.settings,
        renderer=Renderer(configs=folder / "configs", run_dir=folder / "run"),
        poller=Poller(period_s=0.2),
        sync=Sync(groups=list(groups), run_dir=folder / "run", settle_s=0.2),
        journal=Journal(database=folder / "journal.db"),
        fpga=Fpga(url=fpga_url, timeout_s=1.0),
        eop=Eop(state_file=folder / "eop.json"),
        influx=influx or Influx(),
        metrics=metrics or Metrics(),
    )
    async with simulated_nodes(*nodes, speed=50.0) as (sim, addresses):
        stack = Stack(broker, settings, sim)
        registry: dict[str, dict[str, object]] = {}
        for key, address in addresses.items():
            group, _, node = key.partition("/")
            registry.setdefault(group, {})[node] = {"host": address.host, "port": address.port}
            stack.write(f"{key}.yaml", CONFIG)
        stack.write("nodes.yaml", json.dumps({"groups": registry}))
        try:
            for service in BEGUN:
                await stack.begin(service)
            await stack.until_settled()
            yield stack
        finally:
            await stack.end_all()
