"""The writer in virtual time, with a database in memory that does what it is told to."""

import asyncio
import logging
import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from conche.influx import (
    InfluxError,
    InfluxGarbled,
    InfluxTimeout,
    InfluxUnavailable,
)
from conche.metrics.writer import LAST_FLUSH_S, LONGEST_ASKED_S, RETRY_S, retry_wait_s
from conche.settings import Metrics

from .memory import GONE, Bench, now, running

pytestmark = pytest.mark.looptime


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- gathering


async def test_points_wait_for_others_no_longer_than_they_should(bench: Bench):
    async with running(bench):
        await asyncio.sleep(5)
        bench.put(3)
        await asyncio.sleep(0.9)
        assert bench.memory.requests == []
        await asyncio.sleep(0.2)
        assert bench.memory.requests == [(6.0, 3)]
        assert (bench.writer.written, bench.writer.buffered) == (3, 0)


async def test_a_whole_batch_goes_at_once(bench: Bench):
    async with running(bench):
        await asyncio.sleep(0)
        bench.put(25)
        await asyncio.sleep(0.1)
        assert bench.memory.requests == [(0.0, 10), (0.0, 10)]
        assert bench.writer.buffered == 5
        await asyncio.sleep(1)
        assert [count for _, count in bench.memory.requests] == [10, 10, 5]


async def test_a_batch_that_is_larger_than_the_buffer_is_as_large_as_that():
    bench = Bench(Metrics(batch_points=1000, flush_s=60.0, buffer_points=4))
    async with running(bench):
        bench.put(4)
        await asyncio.sleep(0.1)
        assert bench.writer.written == 4


async def test_one_request_is_under_way_at_a_time(bench: Bench):
    bench.memory.takes_s = 2.0
    async with running(bench):
        bench.put(30)
        await asyncio.sleep(10)
        assert [at for at, _ in bench.memory.requests] == [0.0, 2.0, 4.0]
        assert bench.writer.write_s == 2.0


async def test_nothing_to_write_is_no_request(bench: Bench):
    async with running(bench):
        bench.writer.put([""])
        await asyncio.sleep(100)
    assert bench.memory.requests == []


# --- away and back


AWAY = [
    GONE,
    InfluxTimeout("no whole answer"),
    InfluxUnavailable("HTTP 503: later"),
    InfluxGarbled("HTTP 200: a page"),
]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
async def test_a_database_that_is_away_is_tried_again_and_costs_nothing(bench: Bench, error: InfluxError):
    async with running(bench):
        bench.memory.error = error
        bench.put(10)
        await asyncio.sleep(60)
        bench.put(20)
        assert (bench.writer.written, bench.writer.buffered) == (0, 30)
        bench.memory.error = None
        await asyncio.sleep(RETRY_S[1])
        assert (bench.writer.written, bench.writer.buffered, len(bench.memory.stored)) == (30, 0, 30)
        assert bench.writer.dropped == bench.writer.rejected == 0


async def test_waits_between_tries_grow_to_a_bound(bench: Bench):
    bench.memory.error = GONE
    async with running(bench):
        bench.put(10)
        await asyncio.sleep(600)
    times = [at for at, _ in bench.memory.requests]
    waits = [after - before for before, after in pairwise(times)]
    assert all(
        0.5 * min(2**n, RETRY_S[1]) <= wait <= min(2**n, RETRY_S[1]) for n, wait in enumerate(waits[:-1])
    )
    assert len(waits) > 20


@pytest.mark.parametrize(
    ("failures", "asked_s", "wait_s"),
    [(1, None, 1.0), (2, None, 2.0), (6, None, 30.0), (10_000, None, 30.0), (1, 20.0, 20.0),
     (6, 2.0, 30.0), (1, 86_400.0, LONGEST_ASKED_S), (1, 0.0, 1.0)],
)  # fmt: skip
def test_a_wait_is_the_databases_wish_or_longer(failures: int, asked_s: float | None, wait_s: float):
    assert retry_wait_s(failures, asked_s=asked_s, spread=1.0) == wait_s


async def test_when_the_database_wants_to_be_asked_again_is_heeded(bench: Bench):
    bench.memory.error = InfluxUnavailable("HTTP 429: too much", retry_after_s=45.0)
    async with running(bench):
        bench.put(10)
        await asyncio.sleep(50)
        assert [at for at, _ in bench.memory.requests] == [0.0, 45.0]


async def test_away_and_back_are_told_once_each(bench: Bench, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    async with running(bench):
        bench.memory.error = GONE
        bench.put(10)
        await asyncio.sleep(62)
        bench.put(5)
        assert bench.writer.away_s == 62
        bench.memory.error = None
        await asyncio.sleep(60)
        assert bench.writer.away_s == 0
    (away, bad), (back, good) = bench.news
    assert (bad, good) == (False, True)
    assert away == "the database is away: refused: nobody listens there; points wait"
    assert back.startswith("the database is back after ")
    assert back.endswith(" s: 15 points waited, none was lost")
    levels = [record.levelname for record in caplog.records if record.name == "conche.metrics.writer"]
    assert levels == ["WARNING", "INFO"]


async def test_a_loss_is_told_to_the_point_when_the_database_is_back(bench: Bench):
    async with running(bench):
        bench.memory.error = GONE
        bench.put(10)
        await asyncio.sleep(5)
        for _ in range(150):
            bench.put()
        bench.memory.error = None
        await asyncio.sleep(60)
    assert bench.news[-1][0].endswith(
        "110 points waited, 50 points of 1970-01-01 00:00:10 to 00:00:59 UTC were lost"
    )
    assert (bench.writer.dropped, len(bench.memory.stored)) == (50, 110)


async def test_what_may_be_stored_is_never_counted_as_lost(bench: Bench):
    """The answer to the first batch is lost, and then the buffer overflows."""
    async with running(bench):
        bench.memory.error, bench.memory.stores_first = InfluxTimeout("no answer"), True
        bench.put(10)
        await asyncio.sleep(0.1)
        bench.memory.error, bench.memory.stores_first = GONE, False
        bench.put(300)
        await asyncio.sleep(100)
        bench.memory.error = None
        await asyncio.sleep(100)
    assert len(bench.memory.stored) + bench.writer.dropped == bench.count
    assert bench.writer.dropped == 200


async def test_a_database_that_is_too_slow_for_what_comes_is_told_now_and_then(bench: Bench):
    bench.memory.takes_s = 1.0
    async with running(bench):
        for _ in range(150):
            bench.put(20)
            await asyncio.sleep(1)
        told = [words for words, _ in bench.news]
        assert 2 <= len(told) <= 3
        assert all(words.startswith("more points come than the database takes: ") for words in told)
        assert bench.adds_up


# --- the end


async def test_what_is_there_at_the_end_is_written(bench: Bench):
    async with running(bench):
        await asyncio.sleep(0)
        bench.put(7)
    assert (bench.writer.written, len(bench.memory.stored)) == (7, 7)


async def test_a_request_that_the_end_interrupts_is_made_again(bench: Bench):
    bench.memory.takes_s = 2.0
    async with running(bench):
        bench.put(10)
        await asyncio.sleep(1)
    assert bench.writer.written == 10
    assert len(bench.memory.requests) == 2


@pytest.mark.parametrize(
    ("error", "takes_s", "why"),
    [(GONE, 0.0, "refused: nobody listens there"), (None, 60.0, f"it took longer than {LAST_FLUSH_S:g} s")],
)
async def test_the_end_is_not_put_off_and_tells_what_was_not_written(
    bench: Bench, error: InfluxError | None, takes_s: float, why: str
):
    bench.memory.error, bench.memory.takes_s = error, takes_s
    async with running(bench):
        bench.put(130)
        await asyncio.sleep(0.1)
        ends = now()
    assert now() - ends <= LAST_FLUSH_S
    assert (bench.writer.written, bench.writer.buffered, bench.writer.dropped) == (0, 100, 30)
    (full, full_good), (stopped, stopped_good) = bench.news[-2:]
    assert full.startswith("the buffer was full: 30 points of 1970")
    assert stopped == f"stopped: 100 points were not written: {why}"
    assert full_good is stopped_good is False


# --- all of it, at random


def _faults(rng: random.Random) -> Iterator[tuple[InfluxError | None, bool]]:
    kinds: list[Any] = [None, None, *AWAY]
    while True:
        yield rng.choice(kinds), rng.random() < 0.5


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_each_point_is_stored_or_counted(seed: int):
    """Answers are lost after and before points were stored, lines are bad, the buffer overflows."""
    random.seed(seed)  # the waits of the writer are at random too
    rng = random.Random(seed)
    bench = Bench(Metrics(batch_points=rng.choice([5, 10]), flush_s=1.0, buffer_points=rng.choice([10, 40])))
    faults = _faults(rng)
    async with running(bench):
        for _ in range(300):
            bench.memory.error, bench.memory.stores_first = next(faults)
            bench.memory.takes_s = rng.choice([0.0, 0.5])
            bench.put(count := rng.randrange(12))
            if count and rng.random() < 0.2:  # a line is bad from the beginning
                bench.memory.bad.add(f"m f=1.0 {bench.count - 1}000000000".encode())
            assert bench.adds_up
            assert bench.writer.buffered <= 40 + 10
            await asyncio.sleep(rng.uniform(0, 2))
        bench.memory.error, bench.memory.takes_s = None, 0.0
        await asyncio.sleep(100)
        assert bench.writer.buffered == 0
        assert len(bench.memory.stored) == bench.writer.written
