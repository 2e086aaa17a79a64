"""The poller's loops, in virtual time: slots, what is published when, and the registry."""

import asyncio
import itertools

import pytest

from conche.contract import Reach, RegisteredNode, Registry
from conche.kotekan.connection import Address
from conche.kotekan.snapshot import Snapshot
from conche.poller.service import PollerService
from conche.settings import Kotekan, Poller

from .fakes import IDLE, REFUSED, FakeBus, FakeNode, answer, polling, registry, runs

pytestmark = pytest.mark.looptime


# --- slots


async def test_each_node_is_asked_once_a_period_at_its_own_time_of_it(nodes: dict[str, FakeNode]) -> None:
    names = [f"cx/n{i}" for i in range(20)]
    async with polling(*names, period_s=2.0):
        await asyncio.sleep(20.0)
    for node in nodes.values():
        assert len(node.asked) == 10
        assert {round(b - a, 6) for a, b in zip(node.asked, node.asked[1:], strict=False)} == {2.0}
    assert len({round(node.asked[0], 3) for node in nodes.values()}) == 20
    assert all(0 <= node.slot < 1 for node in nodes.values())


async def test_hung_nodes_delay_nobody_and_their_missed_slots_are_not_made_up_for(
    nodes: dict[str, FakeNode],
) -> None:
    answer(lambda name: (5.0, IDLE) if name.endswith("hung") else (0.01, IDLE))
    async with polling("cx/live", "cx/hung", "cy/hung", period_s=2.0):
        await asyncio.sleep(60.0)
    assert len(nodes["cx/live"].asked) == 30
    for name in ("cx/hung", "cy/hung"):
        asked = nodes[name].asked
        assert {round(b - a, 6) for a, b in itertools.pairwise(asked)} == {6.0}


# --- observations


async def test_what_stays_is_published_once_and_what_changes_at_once(nodes: dict[str, FakeNode]) -> None:
    answers = [IDLE, IDLE, runs(1), runs(1), runs(2), REFUSED, REFUSED, IDLE]
    answer(lambda _: (0.0, answers[min(len(nodes["cx/a"].asked), len(answers)) - 1]))
    async with polling("cx/a", period_s=2.0) as (_, bus):
        await asyncio.sleep(16.0)
    told = [(o.reach, o.running, o.revision, o.error) for o in bus.of("cx/a")]
    assert told == [
        (Reach.OK, False, None, None),
        (Reach.OK, True, f"{1:032x}", None),
        (Reach.OK, True, f"{2:032x}", None),
        (Reach.REFUSED, None, None, "connection refused"),
        (Reach.OK, False, None, None),
    ]


async def test_another_version_is_a_change_and_is_not_told_of_a_node_that_does_not_answer(
    nodes: dict[str, FakeNode],
) -> None:
    async with polling("cx/a", period_s=2.0) as (_, bus):
        await asyncio.sleep(4.0)
        nodes["cx/a"].version = "2"
        await asyncio.sleep(4.0)
        answer(lambda _: (0.0, REFUSED))
        await asyncio.sleep(4.0)
    assert [o.version for o in bus.of("cx/a")] == ["1", "2", None]


async def test_unchanged_observations_are_refreshed_spread_over_the_time(nodes: dict[str, FakeNode]) -> None:
    names = [f"cx/n{i}" for i in range(50)]
    async with polling(*names, period_s=2.0, refresh_s=60.0) as (_, bus):
        await asyncio.sleep(3.0)
        assert len([t for t, _ in bus.log if t.startswith("cx/")]) == 50
        bus.log.clear()
        per_period = []
        for _ in range(60):
            await asyncio.sleep(2.0)
            per_period.append(len([t for t, _ in bus.log if t.startswith("cx/")]))
            bus.log.clear()
    assert 50 <= sum(per_period[:31]) <= 55
    assert 95 <= sum(per_period) <= 105
    assert max(per_period) <= 10


# --- the heartbeat


async def test_heartbeat_comes_once_a_period_with_what_was_done_in_it() -> None:
    answer(lambda name: (0.0, REFUSED if name == "cx/b" else IDLE))
    async with polling("cx/a", "cx/b", "cy/c", period_s=2.0) as (_, bus):
        await asyncio.sleep(10.5)
    assert [s.number for s in bus.sweeps] == [1, 2, 3, 4, 5]
    last = bus.sweeps[-1]
    assert (last.boot, last.groups, last.polled, last.unreachable) == ("poller-1", ["cx", "cy"], 3, 1)
    assert (last.period_s, last.overrun) == (2.0, False)


async def test_observation_bears_the_number_of_the_sweep_that_follows_it(nodes: dict[str, FakeNode]) -> None:
    answer(lambda name: (0.0, runs(len(nodes[name].asked))))
    async with polling("cx/a", "cx/b", "cx/c", period_s=2.0) as (_, bus):
        await asyncio.sleep(10.5)
    number = 1
    for topic, payload in bus.log:
        if topic == "sweep/main":
            assert payload.number == number
            number += 1
        else:
            assert payload.sweep == number


async def test_heartbeat_waits_until_the_broker_has_what_was_seen() -> None:
    async with polling("cx/a", period_s=2.0) as (_, bus):
        bus.acknowledges_s = 5.0
        await asyncio.sleep(7.1)
        assert bus.sweeps == []
        await asyncio.sleep(0.2)
        assert len(bus.sweeps) == 1


async def test_heartbeat_goes_on_after_the_broker_was_away() -> None:
    async with polling("cx/a", period_s=2.0) as (_, bus):
        bus.away = True
        await asyncio.sleep(5.0)
        bus.away = False
        await asyncio.sleep(2.0)
    assert [s.number for s in bus.sweeps] == [3]


async def test_heartbeat_of_a_poller_that_has_no_registry_names_no_group() -> None:
    async with polling(period_s=2.0) as (_, bus):
        await asyncio.sleep(2.5)
    assert [(s.groups, s.polled) for s in bus.sweeps] == [([], 0)]


# --- the registry


async def test_node_that_leaves_the_registry_is_asked_no_more_and_its_observation_cleared(
    nodes: dict[str, FakeNode],
) -> None:
    async with polling("cx/a", "cx/b", period_s=2.0) as (service, bus):
        await asyncio.sleep(3.0)
        service.on_registry({}, registry("cx/a"))
        asked = len(nodes["cx/b"].asked)
        await asyncio.sleep(10.0)
    assert bus.of("cx/b")[-1] is None
    assert bus.of("cx/a")[-1] is not None
    assert len(nodes["cx/b"].asked) == asked
    assert nodes["cx/b"].closed


async def test_look_under_way_of_a_node_that_leaves_is_never_published(nodes: dict[str, FakeNode]) -> None:
    answer(lambda _: (1.0, IDLE))
    async with polling("cx/a", period_s=2.0) as (service, bus):
        while not nodes["cx/a"].asked:
            await asyncio.sleep(0.01)
        service.on_registry({}, registry("cx/b"))
        await asyncio.sleep(5.0)
    assert bus.of("cx/a") == [None]


async def test_node_that_is_new_or_moved_is_asked_at_its_address(nodes: dict[str, FakeNode]) -> None:
    async with polling("cx/a", "cx/b", period_s=2.0) as (service, bus):
        await asyncio.sleep(3.0)
        before = nodes["cx/a"], nodes["cx/b"]
        moved = registry("cx/a", "cx/b", "cx/c")
        moved.groups["cx"]["b"] = RegisteredNode(host="elsewhere", port=5, epoch="e")
        service.on_registry({}, moved)
        await asyncio.sleep(3.0)
        assert nodes["cx/a"] is before[0]
        assert before[1].closed
        assert nodes["cx/b"].address == Address("elsewhere", 5)
        assert nodes["cx/c"].asked
        assert None not in bus.of("cx/b")


async def test_registry_that_says_the_same_changes_nothing(nodes: dict[str, FakeNode]) -> None:
    async with polling("cx/a", period_s=2.0) as (service, bus):
        await asyncio.sleep(3.0)
        node = nodes["cx/a"]
        service.on_registry({}, registry("cx/a"))
        await asyncio.sleep(3.0)
        assert nodes["cx/a"] is node
        assert len(bus.of("cx/a")) == 1


@pytest.mark.parametrize(
    "absent",
    [None, registry(error="nodes.yaml is not there"), registry("cx/b", error="nodes.yaml: not YAML")],
    ids=["absent", "empty with an error", "another with an error"],
)
async def test_nothing_is_taken_for_gone_on_an_absent_or_broken_registry(
    nodes: dict[str, FakeNode], absent: Registry | None
) -> None:
    async with polling("cx/a", period_s=2.0) as (service, bus):
        await asyncio.sleep(3.0)
        filters = len(bus.filters)
        service.on_registry({}, absent)
        await asyncio.sleep(5.0)
        assert None not in bus.of("cx/a")
        assert len(bus.filters) == filters
        assert len(nodes["cx/a"].asked) == 4
        service.on_registry({}, registry("cx/b"))
        assert bus.of("cx/a")[-1] is None


async def test_groups_of_others_are_neither_asked_nor_cleared(nodes: dict[str, FakeNode]) -> None:
    async with polling("cx/a", "cy/b", period_s=2.0, groups=["cx"]) as (service, bus):
        await asyncio.sleep(3.0)
        assert list(nodes) == ["cx/a"]
        assert bus.sweeps[-1].groups == ["cx"]
        assert bus.filters == [{"group": "cx"}]
        service.on_registry({}, registry("cy/b"))
        assert bus.of("cx/a")[-1] is None
        assert bus.of("cy/b") == []


async def test_nothing_is_cleared_before_each_node_that_there_is_was_seen() -> None:
    """What stands there of it is still the best that anybody knows."""
    answer(lambda name: (3.0 if name == "cx/hung" else 0.0, IDLE))
    async with polling("cx/a", "cx/hung", period_s=2.0) as (_, bus):
        await asyncio.sleep(2.5)
        assert bus.of("cx/a")
        assert bus.filters == []
        await asyncio.sleep(3.0)
        assert bus.filters == [{"group": "+"}]


async def test_node_that_left_before_it_was_seen_is_not_waited_for() -> None:
    answer(lambda name: (1000.0 if name == "cx/hung" else 0.0, IDLE))
    async with polling("cx/a", "cx/hung", period_s=2.0) as (service, bus):
        await asyncio.sleep(2.5)
        assert bus.filters == []
        service.on_registry({}, registry("cx/a"))
        assert bus.filters == [{"group": "+"}]


async def test_registry_without_nodes_clears_at_once() -> None:
    async with polling(period_s=2.0) as (service, bus):
        service.on_registry({}, registry())
        assert bus.filters == [{"group": "+"}]


async def test_error_that_nobody_foresaw_ends_the_poller() -> None:
    def fail(_: str) -> tuple[float, Snapshot]:
        raise LookupError

    answer(fail)
    service = PollerService(FakeBus(), Poller(), Kotekan())
    task = asyncio.create_task(service.run())
    await asyncio.sleep(0)
    service.on_registry({}, registry("cx/a"))
    with pytest.raises(ExceptionGroup) as caught:
        await task
    assert isinstance(caught.value.exceptions[0], LookupError)
