"""Points under way while a real database dies and comes back: none is lost, or the loss is the figure that is told."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.rest import ApiException
from msgspec.json import encode

from conche.bus.link import Link
from conche.bus.login import login_of
from conche.contract import LATENCY, Latencies, Latency
from conche.contract import measurements as m
from conche.metrics.writer import RETRY_S, Writer
from conche.settings import Influx, Metrics

from .bus_support import until
from .harness import Mosquitto
from .influx_support import ORG, TOKEN, Fault, Influxd, database_of, influxdb2, running_influxd
from .metrics_support import observatory

OUTAGE_S = float(os.environ.get("CONCHE_OUTAGE_S", "6"))
"""Less than the minute of the slow test: what there is time for at each run of the tests."""

WHOLE_OUTAGE_S = 60.0
NODES_OF_A_MESSAGE = 1_000

POINTS_A_SECOND = 2_000
BEAT_S = 0.05
BACK_S = RETRY_S[1] + 10.0
"""After the end of an outage everything is written within this."""


@pytest.fixture
async def influxd(tmp_path: Path) -> AsyncIterator[Influxd]:
    async with running_influxd(tmp_path / "influxd") as one:
        yield one


class Load:
    """A writer and the points that it is given."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.news: list[tuple[str, bool]] = []
        self.count = 0
        self._begin_ns = time.time_ns()

    def put(self, count: int = 1, *, value: str = "1.0") -> None:
        """Points of 50 series, each with a time of its own."""
        numbers = range(self.count, self.count + count)
        self.writer.put(f"m,node=n{n % 50} f={value} {self._begin_ns + n}" for n in numbers)
        self.count += count

    async def lasting(self) -> None:
        """Points without end, so many a second."""
        began, before = time.monotonic(), self.count
        while True:
            self.put(max(0, round((time.monotonic() - began) * POINTS_A_SECOND) - (self.count - before)))
            await asyncio.sleep(BEAT_S)

    async def settled(self) -> None:
        await until(lambda: not self.writer.buffered, timeout=BACK_S)
        assert self.count == self.writer.written + self.writer.dropped + self.writer.rejected

    def told(self, words: str) -> list[str]:
        return [told for told, _ in self.news if words in told]


@asynccontextmanager
async def writing(settings: Influx, **more: Any) -> AsyncIterator[Load]:
    chosen = Metrics(**{"flush_s": 0.2, **more})
    async with database_of(settings) as database:
        loads: list[Load] = []
        writer = Writer(database, settings=chosen, on_news=lambda *news: loads[0].news.append(news))
        loads.append(Load(writer))
        task = asyncio.create_task(writer.run())
        await asyncio.sleep(0)  # what is cancelled before it began ends nothing well
        try:
            yield loads[0]
        finally:
            task.cancel()
            await asyncio.wait([task])
        assert task.cancelled()


@asynccontextmanager
async def under_load(load: Load) -> AsyncIterator[None]:
    task = asyncio.create_task(load.lasting())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def killed_for(influxd: Influxd, load: Load, seconds: float) -> None:
    """End it without a warning while points are under way, and start it again."""
    await until(lambda: load.writer.written)
    influxd.kill()
    ends = time.monotonic() + seconds
    await until(lambda: load.writer.away_s)
    await until(lambda: time.monotonic() > ends, timeout=seconds + 10)
    await influxd.start()
    await until(lambda: not load.writer.away_s, timeout=BACK_S)


async def test_of_an_outage_under_load_nothing_is_lost(influxd: Influxd):
    async with writing(influxd.settings()) as load:
        async with under_load(load):
            await killed_for(influxd, load, OUTAGE_S)
        await load.settled()
        assert (load.writer.dropped, load.writer.rejected) == (0, 0)
        assert load.count > OUTAGE_S * POINTS_A_SECOND * 0.5
        assert await influxd.count() == load.count
        (away,), (back,) = load.told("is away"), load.told("is back")
    assert "refused: nobody listens there" in away or "closed before there was an answer" in away
    assert back.endswith(" points waited, none was lost")


async def test_an_outage_that_is_longer_than_the_buffer_costs_exactly_what_is_told(influxd: Influxd):
    async with writing(influxd.settings(), buffer_points=2_000, batch_points=500) as load:
        async with under_load(load):
            await killed_for(influxd, load, min(OUTAGE_S, 4.0))
        await load.settled()
        stored = await influxd.count()
        assert load.writer.dropped > 0
        assert stored + load.writer.dropped == load.count
        figures = [re.search(r"([\d,]+) points of \d{4}-.* UTC were lost", words) for words, _ in load.news]
        told = sum(int(figure[1].replace(",", "")) for figure in figures if figure)
    assert told == load.writer.dropped


async def test_a_database_that_is_killed_again_and_again_loses_nothing(influxd: Influxd):
    async with writing(influxd.settings()) as load:
        async with under_load(load):
            for _ in range(3):
                written = load.writer.written
                await until(lambda before=written: load.writer.written > before, timeout=BACK_S)
                influxd.kill()
                await influxd.start()
        await load.settled()
        assert load.writer.dropped == 0
        assert await influxd.count() == load.count


@pytest.mark.parametrize(
    "fault",
    [Fault.SLOW, Fault.UNAVAILABLE, Fault.BUSY, Fault.FULL, Fault.GONE, Fault.CUT, Fault.HALF, Fault.PAGE],
)
async def test_whatever_the_database_does_for_a_while_costs_nothing(influxd: Influxd, fault: Fault):
    async with influxdb2(influxd) as front, writing(front.settings(timeout_s=0.5)) as load:
        async with under_load(load):
            await until(lambda: load.writer.written)
            front.fault = fault
            await until(lambda: load.writer.away_s)
            before = len(front.requests)
            await until(lambda: len(front.requests) > before)
            front.fault = None
            await until(lambda: not load.writer.away_s, timeout=BACK_S)
        await load.settled()
        assert (load.writer.dropped, load.writer.rejected) == (0, 0)
        assert await influxd.count() == load.count
        assert front.most_at_once == 1 or fault is Fault.SLOW  # what was given up may go on there
        assert len(load.told("is away")) == len(load.told("is back")) == 1


async def test_a_token_that_is_refused_costs_points_and_no_repetition(influxd: Influxd):
    async with influxdb2(influxd) as front, writing(front.settings(token="stale"), batch_points=100) as load:
        load.put(300)
        await load.settled()
        assert (load.writer.rejected, front.requests) == (300, [100, 100, 100])
        ((told, _),) = load.news
        assert "influx.token_file must be of somebody" in told


async def test_a_bucket_that_is_lost_is_said_and_not_made(influxd: Influxd):
    async with influxdb2(influxd) as front, writing(front.settings()) as load:
        front.buckets.clear()
        load.put(10)
        await load.settled()
        assert load.writer.rejected == 10
        assert 'bucket "conche" not found; make the bucket' in load.news[0][0]
        front.buckets.add("conche")
        load.put(10)
        await load.settled()
        assert load.writer.written == await influxd.count() == 10


async def test_a_database_that_is_dropped_is_made_again_without_a_loss(influxd: Influxd):
    async with writing(influxd.settings()) as load:
        load.put(10)
        await load.settled()
        await influxd.ask("DROP DATABASE conche")
        load.put(7)
        await load.settled()
        assert (load.writer.written, load.writer.rejected) == (17, 0)
        assert await influxd.count() == 7


async def test_who_may_not_make_the_database_is_told_so(tmp_path: Path):
    async with running_influxd(tmp_path / "influxd", auth=True) as influxd:
        await influxd.ask("CREATE USER bob WITH PASSWORD 'b'")
        async with writing(influxd.settings(user="bob", password="b")) as load:
            load.put(10)
            await load.settled()
            assert load.writer.rejected == 10
            await influxd.ask("CREATE DATABASE conche; GRANT ALL ON conche TO bob")
            load.put(10)
            await load.settled()
            assert load.writer.written == 10


@pytest.mark.parametrize("generation", [1, 2])
async def test_a_field_of_another_kind_costs_its_points_alone(influxd: Influxd, generation: int):
    async with influxdb2(influxd) as front:
        async with writing(front.settings() if generation == 2 else influxd.settings()) as load:
            load.put(100)
            await load.settled()
            load.put(3, value="1i")
            load.put(100)
            await load.settled()
            assert (load.writer.written, load.writer.rejected) == (200, 3)
            assert "already exists as type float" in load.news[0][0]
        assert await influxd.count() == 200


@pytest.mark.parametrize("generation", [1, 2])
async def test_bad_lines_cost_themselves(influxd: Influxd, generation: int):
    async with influxdb2(influxd) as front:
        async with writing(front.settings() if generation == 2 else influxd.settings()) as load:
            load.put(2000)
            load.put(100, value="")
            load.put(2000)
            load.put(1, value='"no end')
            await load.settled()
            assert (load.writer.written, load.writer.rejected) == (4000, 101)
        assert await influxd.count() == 4000


async def test_points_beyond_the_retention_are_rejected_alone(influxd: Influxd):
    await influxd.ask("CREATE DATABASE conche WITH DURATION 1h")
    async with writing(influxd.settings()) as load:
        load.put(10)
        load.writer.put(f"m f=1.0 {n}" for n in range(1, 5))
        await until(lambda: not load.writer.buffered)
        assert (load.writer.written, load.writer.rejected) == (10, 4)
        assert "points beyond retention policy" in load.news[0][0]
    assert await influxd.count() == 10


async def test_a_proxy_that_takes_only_short_requests_gets_them(influxd: Influxd):
    async with influxdb2(influxd) as front, writing(front.settings()) as load:
        front.most = 20_000
        load.put(5_000)
        await load.settled()
        assert (load.writer.written, load.writer.rejected) == (5_000, 0)
        assert await influxd.count() == 5_000


async def test_the_end_writes_what_is_there(influxd: Influxd):
    async with writing(influxd.settings(), flush_s=60.0) as load:
        load.put(1_000)
    assert load.writer.written == await influxd.count() == 1_000


async def test_the_front_is_what_influxdb_2_is_to_the_makers_client(influxd: Influxd):
    """So that what passes here is not only what our own client and our own front agree upon."""
    async with influxdb2(influxd) as front:
        async with InfluxDBClientAsync(url=front.url, token=TOKEN, org=ORG) as client:
            assert await client.write_api().write(bucket="conche", record="m f=1.0 1")
            with pytest.raises(ApiException, match=r"bucket .* not found"):
                await client.write_api().write(bucket="lost", record="m f=1.0 1")
        assert await influxd.count() == 1


@asynccontextmanager
async def latencies(broker: Mosquitto) -> AsyncIterator[Callable[[], int]]:
    """Latencies of so many nodes as make the load, told as a poller does; yields what counts their points."""
    link = Link(login_of(broker.settings, account="poller", client_id="load"), on_message=lambda _: None)
    await link.connect()
    told = 0
    ends = asyncio.Event()

    async def tell() -> None:
        nonlocal told
        one = Latency(median_s=0.1, worst_s=0.2, answers=30)
        groups = {"load": {f"n{number}": one for number in range(NODES_OF_A_MESSAGE)}}
        while not ends.is_set():
            payload = encode(Latencies(boot="b", at=datetime.now(UTC), groups=groups))
            # One topic for each: of several under way to one the first alone would count.
            await link.publish(f"conche/{LATENCY.topic(instance=f'load{told}')}", payload)
            told += 1
            await asyncio.sleep(NODES_OF_A_MESSAGE / POINTS_A_SECOND)

    telling = asyncio.create_task(tell())
    try:
        yield lambda: told * NODES_OF_A_MESSAGE
    finally:
        ends.set()  # not in the middle of one that is told and not counted
        await telling
        await link.disconnect()


@pytest.mark.chaos
async def test_of_a_minute_without_the_database_under_load_the_service_loses_nothing(
    mosquitto: Mosquitto, tmp_path: Path, influxd: Influxd
):
    await influxd.ask("CREATE DATABASE conche")
    async with observatory(mosquitto, tmp_path, influxd, scrape_s=None) as observed:
        await observed.until_last(m.NODE, lambda p: p["state"] == "stopped", node="cx1")
        async with latencies(mosquitto) as points:
            await observed.until_last(m.LATENCY, lambda p: p["answers"] == 30, group="load")
            influxd.kill()
            ends, before = time.monotonic() + WHOLE_OUTAGE_S, points()
            await until(lambda: time.monotonic() > ends, timeout=WHOLE_OUTAGE_S + 10)
            assert points() - before > WHOLE_OUTAGE_S * POINTS_A_SECOND / 2
            await influxd.start()
            async with asyncio.timeout(BACK_S):
                while "is back" not in str((await observed.last(m.HAPPENING, service="metrics"))["text"]):
                    await asyncio.sleep(0.2)
        question = "SELECT count(answers) FROM latency WHERE \"group\" = 'load'"
        stored, ends = 0, time.monotonic() + BACK_S
        while stored < points() and time.monotonic() < ends:
            await asyncio.sleep(0.2)
            stored = (await observed.points(question))[0]["count"]
        assert stored == points()
        told = await observed.last(m.HAPPENING, service="metrics")
        assert told["text"].endswith("points waited, none was lost")
        figures = await observed.until_last(m.METRICS, lambda p: p["written"] >= points())
        assert (figures["dropped"], figures["rejected"]) == (0, 0)
