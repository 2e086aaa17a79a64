"""Points on their way into a real InfluxDB 1: how many a second, and what they cost in memory while it is away.

    .venv/bin/python -m bench.metrics_writer

influxd runs beside it, on loopback, in a temporary folder. A point is a line of 3 tags and 3 fields in 1,000 series.
What is measured, and how:

all at once     so many points are put, and written as fast as they go: from the first request to the last answer,
                and the CPU time of this process, which is what the writer and its HTTP cost
steady          10,000 points a second are put for 20 s, a twentieth of a second's at a time: the CPU time of this
                process, what waits at worst, and how late the event loop is at worst
full            the database is away and twice as many points are put as the buffer holds: what the process has
                grown by (resident, from /proc), how long a put of 10,000 takes when each drops another, and
                how long it then takes until the database, which is back, has them all
"""

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
from tests.integration.bus_support import until
from tests.integration.influx_support import Influxd, database_of, running_influxd

from conche.metrics.writer import Writer
from conche.settings import Metrics

STEADY_S = 20
STEADY_POINTS = 10_000
BEATS = 20
FULL = Metrics().buffer_points
AT_ONCE = 10_000


class Points:
    """Lines, each with a time of its own."""

    def __init__(self) -> None:
        self.count = 0
        self._begin_ns = time.time_ns()

    def lines(self, count: int) -> list[str]:
        """Return the next ones."""
        first, self.count = self.count, self.count + count
        return [
            f"node,group=cx,node=cx{n % 1000:03},rack=r{n % 10} state_code=1i,started=1i,latency_s="
            f'{n % 97 / 1000},desired="0123456789abcdef0123456789abcdef",live="0123456789abcdef0123456789abcdef"'
            f" {self._begin_ns + n}"
            for n in range(first, self.count)
        ]


@asynccontextmanager
async def writing(influxd: Influxd) -> AsyncIterator[Writer]:
    """Run a writer with the settings that it has by default."""
    async with database_of(influxd.settings()) as database:
        await database.create_database()
        writer = Writer(database, settings=Metrics(), on_news=lambda words, _: click.echo(f"  ({words})"))
        task = asyncio.create_task(writer.run())
        try:
            yield writer
        finally:
            task.cancel()
            await asyncio.wait([task])


async def _all_written(writer: Writer) -> None:
    await until(lambda: not writer.buffered, timeout=300)


async def all_at_once(influxd: Influxd) -> dict[str, float]:
    """Write as many points as the buffer holds, as fast as they go."""
    points = Points()
    lines = points.lines(FULL)
    async with writing(influxd) as writer:
        began, cpu = time.monotonic(), time.process_time()
        writer.put(lines)
        await _all_written(writer)
        took, cost = time.monotonic() - began, time.process_time() - cpu
    return {
        "all at once [points/s]": FULL / took,
        "all at once, CPU [us/point]": cost / FULL * 1e6,
        "all at once, in the database": await influxd.count("latency_s"),
    }


async def steady(influxd: Influxd) -> dict[str, float]:
    """Write so many points a second; making them up is not counted."""
    points, worst, late_s, made_s = Points(), 0, 0.0, 0.0
    async with writing(influxd) as writer:
        began, cpu = time.monotonic(), time.process_time()
        for beat in range(STEADY_S * BEATS):
            making = time.process_time()
            lines = points.lines(STEADY_POINTS // BEATS)
            made_s += time.process_time() - making
            writer.put(lines)
            due = began + (beat + 1) / BEATS
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            late_s = max(late_s, time.monotonic() - due)
            worst = max(worst, writer.buffered)
        cost = time.process_time() - cpu - made_s
        await _all_written(writer)
    return {
        "steady, CPU [% of a core]": cost / STEADY_S * 100,
        "steady, waiting at worst [points]": worst,
        "steady, loop late at worst [ms]": late_s * 1000,
        "steady, in the database, of so many": await influxd.count("latency_s") / points.count,
    }


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def full(influxd: Influxd) -> dict[str, float]:
    """Keep the database away until the buffer has overflown."""
    points = Points()
    async with writing(influxd) as writer:
        influxd.kill()
        before, slowest = _resident_mb(), 0.0
        size = len(points.lines(1)[0])
        points.count = 0
        for _ in range(2 * FULL // AT_ONCE):
            lines = points.lines(AT_ONCE)
            began = time.monotonic()
            writer.put(lines)
            slowest = max(slowest, time.monotonic() - began)
            del lines
            await asyncio.sleep(0)
        grown = _resident_mb() - before
        dropped = writer.dropped
        await influxd.start()
        await until(lambda: not writer.away_s, timeout=60)
        began = time.monotonic()
        await _all_written(writer)
        took = time.monotonic() - began
    return {
        "full, bytes of a line": size,
        "full, grown by [MB]": grown,
        "full, put of 10,000 at worst [ms]": slowest * 1000,
        "full, dropped": dropped,
        "full, until all is written [s]": took,
        "full, in the database and dropped, of so many": (await influxd.count("latency_s") + writer.dropped)
        / points.count,
    }


async def run() -> None:
    """All figures."""
    with tempfile.TemporaryDirectory() as folder:
        for part in (full, all_at_once, steady):  # memory first: what is freed later is not given back
            async with running_influxd(Path(folder) / part.__name__) as influxd:
                for name, value in (await part(influxd)).items():
                    click.echo(f"  {name:48} {value:12,.2f}")


if __name__ == "__main__":
    logging.disable()
    asyncio.run(run())
