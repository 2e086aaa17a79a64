"""The writer in virtual time: points that the database refuses, and a database that is missing."""

import asyncio
from collections.abc import Sequence

import pytest

from conche.influx import InfluxRefused
from conche.metrics.writer import MAX_PARTS, REFUSED_AGAIN_S
from conche.settings import Metrics

from .memory import GONE, Bench, running

pytestmark = pytest.mark.looptime


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- refusals


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refused_batch_is_not_tried_again(bench: Bench, status: int):
    bench.memory.error = InfluxRefused("not you", status=status)
    async with running(bench):
        bench.put(10)
        await asyncio.sleep(600)
        assert len(bench.memory.requests) == 1
        assert (bench.writer.rejected, bench.writer.buffered) == (10, 0)
        assert bench.news == [("the database refuses points (10 so far): not you", False)]


async def test_points_that_go_on_being_refused_are_told_again_now_and_then_with_their_number(bench: Bench):
    bench.memory.error = InfluxRefused("not you", status=401)
    async with running(bench):
        for _ in range(round(2.5 * REFUSED_AGAIN_S / 60)):
            bench.put(10)
            await asyncio.sleep(60)
    assert [words for words, _ in bench.news] == [
        f"the database refuses points ({count:,} so far): not you" for count in (10, 610, 1210)
    ]


async def test_of_a_partial_write_only_what_the_database_dropped_is_rejected(bench: Bench):
    bench.memory.error = InfluxRefused("partial write", status=400, partial=True, dropped=3)
    async with running(bench):
        bench.put(10)
        await asyncio.sleep(1)
        assert (bench.writer.written, bench.writer.rejected) == (7, 3)


async def test_a_reason_is_logged_once(bench: Bench, caplog: pytest.LogCaptureFixture):
    async with running(bench):
        for n in range(5):
            bench.memory.error = InfluxRefused(f"conflict dropped={n}", status=400, partial=True, dropped=n)
            bench.put(10)
            await asyncio.sleep(1)
    assert len([record for record in caplog.records if "conflict" in record.getMessage()]) == 1
    assert bench.writer.rejected == 10


async def test_one_bad_line_costs_itself():
    bench = Bench(Metrics(batch_points=5000, buffer_points=10_000))
    async with running(bench):
        bench.memory.bad = {b"m f=1.0 1234000000000"}
        bench.put(5000)
        await asyncio.sleep(1)
        assert (bench.writer.written, bench.writer.rejected) == (4999, 1)
        assert len(bench.memory.stored) == 4999
        assert len(bench.memory.requests) <= 2 * 13 + 1


@pytest.mark.parametrize("bad", [range(3), range(4997, 5000), (0, 2500, 4999), range(0, 5000, 1000)])
async def test_a_few_bad_lines_cost_themselves(bad: Sequence[int]):
    bench = Bench(Metrics(batch_points=5000, buffer_points=10_000))
    async with running(bench):
        bench.memory.bad = {f"m f=1.0 {n}000000000".encode() for n in bad}
        bench.put(5000)
        await asyncio.sleep(1)
        assert bench.writer.rejected == len(bad)
        assert len(bench.memory.stored) == 5000 - len(bad)


@pytest.mark.parametrize("count", [20, 100])
@pytest.mark.parametrize("first", [0, 2000, 3900])
async def test_bad_lines_in_a_row_cost_themselves(first: int, count: int):
    bench = Bench(Metrics(batch_points=5000, buffer_points=10_000))
    async with running(bench):
        bench.memory.bad = {f"m f=1.0 {n}000000000".encode() for n in range(first, first + count)}
        bench.put(4100)
        await asyncio.sleep(2)
        assert bench.writer.rejected == count
        assert len(bench.memory.stored) == 4100 - count


@pytest.mark.parametrize("step", [1, 10])
async def test_a_batch_with_very_many_bad_lines_costs_a_bounded_number_of_requests(step: int):
    bench = Bench(Metrics(batch_points=5000, buffer_points=10_000))
    async with running(bench):
        bench.put(5000)
        bench.memory.bad = {f"m f=1.0 {n}000000000".encode() for n in range(0, 5000, step)}
        await asyncio.sleep(1)
        assert len(bench.memory.requests) <= 2 * MAX_PARTS
        assert len(bench.memory.stored) == bench.writer.written
        assert bench.adds_up


async def test_a_database_that_goes_away_while_a_batch_is_divided_costs_nothing(bench: Bench):
    async with running(bench):
        bench.memory.bad = {b"m f=1.0 7000000000"}
        bench.memory.takes_s = 1.0
        bench.put(10)
        await asyncio.sleep(1.5)
        bench.memory.bad, bench.memory.error = set(), GONE
        await asyncio.sleep(20)
        bench.memory.bad, bench.memory.error = {b"m f=1.0 7000000000"}, None
        await asyncio.sleep(60)
        assert (bench.writer.written, bench.writer.rejected, len(bench.memory.stored)) == (9, 1, 9)


# --- a database that is missing


async def test_a_missing_database_is_made_and_it_is_said(bench: Bench, caplog: pytest.LogCaptureFixture):
    bench.memory.missing = True
    async with running(bench):
        bench.put(10)
        await asyncio.sleep(1)
        assert (bench.memory.made, bench.writer.written, bench.writer.rejected) == (1, 10, 0)
        assert "was missing and has been made" in caplog.text


async def test_a_database_that_is_missing_although_it_was_made_is_not_made_for_ever(bench: Bench):
    bench.memory.error = InfluxRefused("database not found", status=404, database_missing=True)
    async with running(bench):
        for _ in range(3):
            bench.put(10)
            await asyncio.sleep(1)
        assert (bench.memory.made, bench.writer.rejected) == (1, 30)


async def test_a_database_that_is_dropped_again_is_made_again(bench: Bench):
    async with running(bench):
        for _ in range(2):
            bench.memory.missing = True
            bench.put(10)
            await asyncio.sleep(1)
        assert (bench.memory.made, bench.writer.written) == (2, 20)


async def test_who_may_not_make_it_is_told_so(bench: Bench):
    bench.memory.missing = True
    bench.memory.not_made = InfluxRefused("requires admin privilege", status=403)
    async with running(bench):
        bench.put(10)
        await asyncio.sleep(1)
        assert bench.writer.rejected == 10
        assert "is missing and can't be made: requires admin privilege" in bench.news[0][0]


async def test_a_bucket_is_never_made(bench: Bench):
    bench.memory.missing, bench.memory.can_be_made = True, False
    async with running(bench):
        bench.put(10)
        await asyncio.sleep(1)
        assert (bench.memory.made, bench.writer.rejected) == (0, 10)


async def test_a_database_that_goes_away_before_it_is_made_costs_nothing(bench: Bench):
    bench.memory.missing, bench.memory.not_made = True, GONE
    async with running(bench):
        bench.put(10)
        await asyncio.sleep(5)
        bench.memory.not_made = None
        await asyncio.sleep(60)
        assert (bench.writer.written, bench.writer.rejected) == (10, 0)
