"""Everything that the metrics service can be told of, and the database and the port where it tells it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from conche.client import Conche
from conche.contract.measurements import Measurement
from conche.settings import Influx, Metrics
from conche.sim.launch import simulated_fpga

from .harness import Mosquitto, free_port
from .influx_support import Influxd
from .stack import CONFIG, PATIENCE_S, Stack, running_stack

NODES = ("cx/cx1", "cx/cx2", "recv/recv1")
TABLE = """\
earth_rotation_data:
  kotekan_update_endpoint: json
  earth_orientation_parameter_table: []
"""
LATENCIES_S = 0.5
FIGURES_S = 0.5
"""Of the poller's latencies, and of the broker's figures: their usual periods are for telescopes, not for tests [s]."""


class Point(dict[str, Any]):
    """One point; a field that the database does not know yet is one that this point leaves out."""

    def __missing__(self, _field: str) -> None:
        return None


@dataclass
class Observatory:
    """A stack, and what its metrics service has written."""

    stack: Stack
    influxd: Influxd | None
    port: int

    async def ask(self, question: str) -> list[dict[str, Any]]:
        assert self.influxd is not None
        return await self.influxd.ask(question)

    async def points(self, question: str) -> list[Point]:
        """The points of an answer, each with its tags."""
        return [
            Point(series.get("tags", {}) | dict(zip(series["columns"], values, strict=True)))
            for series in await self.ask(question)
            for values in series["values"]
        ]

    async def last(self, measurement: Measurement, **tags: str) -> Point:
        """The last point of a series; empty where there is none."""
        where = " AND ".join(f"\"{name}\" = '{value}'" for name, value in tags.items())
        condition = f" WHERE {where}" if where else ""
        found = await self.points(f'SELECT * FROM "{measurement.name}"{condition} ORDER BY time DESC LIMIT 1')
        return found[0] if found else Point()

    async def until_last(
        self, measurement: Measurement, condition: Callable[[Point], object], **tags: str
    ) -> Point:
        """Wait for the last point of a series to be so."""
        point = Point()
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (point := await self.last(measurement, **tags)) or not condition(point):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"never came; the last {measurement.name} {tags} is {point}") from None
        return point

    async def prometheus(self, **headers: str) -> str:
        """What Prometheus is told."""
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"http://127.0.0.1:{self.port}/metrics") as answer,
        ):
            assert answer.status == 200
            return await answer.text()

    async def until_prometheus(self, words: str) -> str:
        """Wait until Prometheus is told something, and return all that it is."""
        text = ""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while words not in (text := await self.prometheus()):
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"{words} is never told; there is:\n{text}") from None
        return text

    async def start_all(self) -> None:
        """Have every node run what is desired."""
        async with Conche(broker=self.stack.broker.settings) as telescope:
            await telescope.maintenance("all", on=False)
            await telescope.start("all", reason="first light")
        await self.stack.until(
            lambda picture: all(
                status.state == "started" for nodes in picture.statuses.values() for status in nodes.values()
            )
        )


@asynccontextmanager
async def observatory(
    broker: Mosquitto, folder: Path, influxd: Influxd | None, *, influx: Influx | None = None, **metrics: Any
) -> AsyncIterator[Observatory]:
    """A cluster of three nodes with the metrics service; one node takes Earth-orientation tables.

    Parameters
    ----------
    broker, folder
        As of a stack.
    influxd
        Where the points end up; None for no database.
    influx
        How they get there, if not directly.
    metrics
        Settings that are not those of every test.
    """
    if influx is None:
        influx = influxd.settings() if influxd else Influx()
    port = free_port()
    settings = Metrics(**{"refresh_s": 1.0, "flush_s": 0.05, "scrape_s": 0.5, "listen_port": port, **metrics})
    async with (
        simulated_fpga() as (_, url),
        running_stack(
            broker,
            folder,
            *NODES,
            fpga_url=url,
            influx=influx,
            metrics=settings,
        ) as stack,
    ):
        stack.write("recv/recv1.yaml", CONFIG + TABLE)
        await stack.begin("metrics")
        yield Observatory(stack, influxd, port)
