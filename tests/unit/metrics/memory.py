"""A database in memory that does what it is told to, and a writer before it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from conche.influx import InfluxError, InfluxRefused, InfluxUnreachable
from conche.metrics.writer import Writer
from conche.settings import Metrics

SETTINGS = Metrics(batch_points=10, flush_s=1.0, buffer_points=100)
GONE = InfluxUnreachable("refused: nobody listens there")


def now() -> float:
    return asyncio.get_running_loop().time()


class Memory:
    """A database; points of one time are one point, as there."""

    def __init__(self) -> None:
        self.stored: set[bytes] = set()
        self.requests: list[tuple[float, int]] = []
        self.error: InfluxError | None = None
        self.bad: set[bytes] = set()
        """Lines for which a whole batch is refused, as by InfluxDB 2."""
        self.missing = False
        self.can_be_made = True
        self.made = 0
        self.not_made: InfluxError | None = None
        self.takes_s = 0.0
        self.stores_first = False
        """Whether it stores before it fails."""

    async def write(self, lines: Sequence[bytes]) -> None:
        self.requests.append((now(), len(lines)))
        await asyncio.sleep(self.takes_s)
        if self.missing:
            raise InfluxRefused("database not found", status=404, database_missing=True)
        if self.bad.intersection(lines):
            raise InfluxRefused("unable to parse it", status=400)
        if self.error is None or self.stores_first:
            self.stored |= set(lines)
        if self.error is not None:
            raise self.error

    async def create_database(self) -> None:
        if self.not_made is not None:
            raise self.not_made
        self.made += 1
        self.missing = False


class Bench:
    """A writer, its database, and what was told."""

    def __init__(self, settings: Metrics = SETTINGS) -> None:
        self.memory = Memory()
        self.news: list[tuple[str, bool]] = []
        self.count = 0
        self.writer = Writer(self.memory, settings=settings, on_news=lambda *news: self.news.append(news))

    def put(self, count: int = 1) -> None:
        self.writer.put(f"m f=1.0 {self.count + n}000000000" for n in range(count))
        self.count += count

    @property
    def adds_up(self) -> bool:
        writer = self.writer
        return self.count == writer.written + writer.rejected + writer.dropped + writer.buffered


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(bench.writer.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    assert bench.adds_up
