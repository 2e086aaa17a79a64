"""How long nodes took to answer, told once a minute."""

import asyncio

import pytest

from conche.kotekan.snapshot import Snapshot
from conche.poller.service import LATENCIES_S

from .fakes import IDLE, REFUSED, FakeNode, answer, polling

pytestmark = pytest.mark.looptime


async def test_latencies_are_told_once_a_minute_of_each_node_that_answered(
    nodes: dict[str, FakeNode],
) -> None:
    def takes(name: str) -> tuple[float, Snapshot]:
        if name == "cx/down":
            return 0.0, REFUSED
        return (0.5 if len(nodes[name].asked) % 10 == 0 else 0.1), IDLE

    answer(takes)
    async with polling("cx/a", "cx/down", "cy/b", period_s=2.0) as (_, bus):
        await asyncio.sleep(LATENCIES_S - 0.1)
        assert bus.latencies == []
        await asyncio.sleep(2 * LATENCIES_S)
    first, second = bus.latencies
    assert first.boot == "poller-1"
    for told in (first, second):
        assert {(group, node) for group, found in told.groups.items() for node in found} == {
            ("cx", "a"),
            ("cy", "b"),
        }
        one = told.groups["cx"]["a"]
        assert (one.median_s, one.worst_s) == (0.1, 0.5)
        assert 29 <= one.answers <= 30


async def test_a_node_that_answers_no_more_has_no_latency_any_more(nodes: dict[str, FakeNode]) -> None:
    async with polling("cx/a", period_s=2.0) as (_, bus):
        await asyncio.sleep(LATENCIES_S + 0.1)
        answer(lambda _: (0.0, REFUSED))
        await asyncio.sleep(2 * LATENCIES_S)
    assert [bool(told.groups) for told in bus.latencies] == [True, False, False]


async def test_latencies_of_a_minute_in_which_they_could_not_be_told_are_not_told_later() -> None:
    async with polling("cx/a", period_s=2.0) as (_, bus):
        bus.away = True
        await asyncio.sleep(LATENCIES_S + 0.1)
        bus.away = False
        await asyncio.sleep(LATENCIES_S)
    (told,) = bus.latencies
    assert told.groups["cx"]["a"].answers == 30
