"""A kotekan that misbehaves costs itself what it must, and its neighbours nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conche.contract import NodeState, Resync

from .dataplane import DataPlane, converged, running_data_plane

QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[DataPlane]:
    async with running_data_plane(tmp_path, {"cx": 3}, speed=3, **QUICK) as running:
        await running.start_all()
        yield running


async def neighbours_untouched(stack: DataPlane, since: int) -> None:
    found = await stack.statuses()
    for node in ("cx/cx2", "cx/cx3"):
        assert converged(found[node]), found[node]
        assert await stack.writes(node, since=since) == []


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"mode": "status", "status": 500, "words": "oh dear"}, "oh dear"),
        ({"mode": "html"}, "GET /config"),
        ({"mode": "garbage"}, "not HTTP"),
        ({"mode": "half"}, "ended before the answer was complete"),
        ({"mode": "huge", "megabytes": 50}, "longer than"),
    ],
)
async def test_an_answer_that_no_kotekan_gives_is_unknown_with_words_and_changes_nothing(
    stack: DataPlane, parameters: dict[str, object], words: str
):
    before = await stack.last_entry()
    await stack.sim.fault("cx/cx1", "http", **parameters)
    found = await stack.until(lambda s: s["cx/cx1"].state is NodeState.UNKNOWN)
    assert words in found["cx/cx1"].error
    assert await stack.writes("cx/cx1", since=before) == []
    await stack.sim.clear("cx/cx1")
    await stack.until(lambda s: converged(s["cx/cx1"]))
    await neighbours_untouched(stack, before)


async def test_one_that_never_answers_keeps_its_state_and_delays_nobody(stack: DataPlane):
    before = await stack.last_entry()
    await stack.sim.fault("cx/cx1", "hang")
    found = await stack.until(lambda s: "no answer within" in str(s["cx/cx1"].error))
    assert found["cx/cx1"].state is NodeState.STARTED
    await stack.sim.order("cx/cx2", "sigkill")
    await stack.until(lambda s: converged(s["cx/cx2"]) and s["cx/cx2"].last_push.ok)
    await stack.sim.clear("cx/cx1")
    await stack.until(lambda s: converged(s["cx/cx1"]))
    assert await stack.writes("cx/cx1", since=before) == []


async def test_one_that_hangs_in_kill_is_waited_for_and_not_killed_twice(stack: DataPlane):
    before = await stack.last_entry()
    await stack.sim.fault("cx/cx1", "hang_in", path="/kill", seconds=24.0)
    await stack.sim.fault("cx/cx1", "drift", path="depth", value=5)
    found = await stack.until(lambda s: s["cx/cx1"].state is NodeState.SYNCING)
    await asyncio.sleep(4)
    assert (await stack.statuses())["cx/cx1"].state is NodeState.SYNCING
    await stack.until(lambda s: converged(s["cx/cx1"]), 30)
    assert found["cx/cx1"].last_push.kind == "restart"
    assert await stack.writes("cx/cx1", since=before) == ["kill", "start"]
    await neighbours_untouched(stack, before)


async def test_one_that_dies_after_every_start_is_started_ever_more_rarely(stack: DataPlane):
    """Later than the settle time, so that its config counts as one that ran well."""
    before = await stack.last_entry()
    await stack.sim.fault("cx/cx1", "die", after_start_s=4.5)
    await stack.sim.order("cx/cx1", "sigkill")
    await asyncio.sleep(15)
    starts = await stack.books("cx/cx1", since=before, what="start")
    assert 2 <= len(starts) <= 5
    status = (await stack.statuses())["cx/cx1"]
    assert status.attempts >= 3
    await stack.sim.clear("cx/cx1")
    await stack.command("resync", Resync(), "cx/cx1")
    await stack.until(lambda s: converged(s["cx/cx1"]))
    await neighbours_untouched(stack, before)


async def test_one_that_rewrites_its_config_long_after_its_start_is_restarted_once(stack: DataPlane):
    before = await stack.last_entry()
    await stack.sim.fault("cx/cx1", "self_rewrite", path="depth", value=5, after_s=9.0)
    await stack.command("resync", Resync(), "cx/cx1")
    found = await stack.until(lambda s: "a restart did not cure depth" in str(s["cx/cx1"].error), 30)
    assert found["cx/cx1"].state is NodeState.STARTED
    assert found["cx/cx1"].cure.paths == ["depth"]
    await asyncio.sleep(4)
    assert await stack.writes("cx/cx1", since=before) == ["kill", "start"] * 2
    await neighbours_untouched(stack, before)


async def test_one_whose_update_blocks_is_named_and_the_others_get_their_values(stack: DataPlane):
    before = await stack.last_entry()
    await stack.sim.fault("cx/cx2", "callback_blocks", endpoint="gains")
    stack.write_vars(depth=4, coeff=9.0)
    wanted = stack.revision(depth=4, coeff=9.0)
    found = await stack.until(
        lambda s: s["cx/cx1"].live == s["cx/cx3"].live == wanted and "no answer" in str(s["cx/cx2"].error), 30
    )
    assert found["cx/cx1"].proven == wanted
    assert "kill" not in await stack.writes(since=before)
    await stack.sim.clear("cx/cx2")
    await stack.sim.order("cx/cx2", "restart")  # only that helps
    await stack.until(lambda s: all(converged(x) for x in s.values()), 30)
