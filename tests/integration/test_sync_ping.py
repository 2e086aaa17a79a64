"""What a ping says of nodes that answer, and of those that don't; it is answered in maintenance too."""

import asyncio
from pathlib import Path

from conche.contract import Inspection, Outcome, Ping, Reach, Result, Resync, SetMaintenance, SetStarted

from .dataplane import DataPlane, running_data_plane

QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}


async def pinged(stack: DataPlane, target: str) -> dict[str, Result]:
    return (await stack.command("ping", Ping(), target))["cx"].results


def inspection_of(result: Result) -> Inspection:
    assert result.inspection is not None
    return result.inspection


async def test_each_node_is_told_as_it_answers_and_none_delays_the_others(tmp_path: Path):
    async with running_data_plane(tmp_path, {"cx": 4}, speed=3, **QUICK) as stack:
        await stack.command("set_maintenance", SetMaintenance(maintenance=False), "cx/cx1")
        await stack.command("set_started", SetStarted(started=True), "cx/cx1")
        await stack.command("set_maintenance", SetMaintenance(maintenance=True), "cx/all")
        del stack.nodes["cx/cx3"], stack.nodes["cx/cx4"]  # they are not expected to be well
        await stack.sim.fault("cx/cx3", "refuse")
        await stack.sim.fault("cx/cx4", "hang")
        before = await stack.last_entry()
        began = asyncio.get_running_loop().time()
        results = await pinged(stack, "cx/all")
        assert asyncio.get_running_loop().time() - began < 8
        assert {name: result.outcome for name, result in results.items()} == {
            "cx/cx1": Outcome.OK,
            "cx/cx2": Outcome.OK,
            "cx/cx3": Outcome.UNREACHABLE,
            "cx/cx4": Outcome.FAILED,
        }
        runs, idle, refused, hung = (inspection_of(results[f"cx/cx{i}"]) for i in (1, 2, 3, 4))
        assert (runs.reach, runs.running, runs.revision) == (
            Reach.OK,
            True,
            stack.revision(depth=4, coeff=1.0),
        )
        assert (idle.reach, idle.running, idle.revision) == (Reach.OK, False, None)
        assert (refused.reach, refused.running) == (Reach.REFUSED, None)
        assert (hung.reach, hung.running) == (Reach.BUSY, None)
        assert 0 < (runs.latency_s or 0) < 1
        assert 1.9 < (hung.latency_s or 0) < 4
        assert results["cx/cx3"].error is not None
        assert await stack.writes(since=before) == []


async def test_a_node_that_nobody_can_reach_is_unreachable(tmp_path: Path):
    async with running_data_plane(tmp_path, {"cx": 1}, speed=3, **QUICK) as stack:
        stack.write_nodes(["cx/cx1", "cx/far"])  # a rehearsal leads its address nowhere
        stack.nodes["cx/far"] = None
        await stack.until(lambda s: s["cx/far"].state == "down")
        result = (await pinged(stack, "cx/far"))["cx/far"]
        assert (result.outcome, inspection_of(result).reach) == (Outcome.UNREACHABLE, Reach.UNREACHABLE)


async def test_a_node_that_is_being_pushed_is_busy_with_that(tmp_path: Path):
    async with running_data_plane(tmp_path, {"cx": 1}, speed=3, **QUICK) as stack:
        await stack.start_all()
        await stack.sim.fault("cx/cx1", "slow_stop", seconds=30.0)
        before = await stack.last_entry()
        pushing = asyncio.create_task(stack.command("resync", Resync(), "cx/cx1"))
        await stack.arrived("cx/cx1", "kill", since=before)
        result = (await pinged(stack, "cx/cx1"))["cx/cx1"]
        assert result.outcome is Outcome.FAILED
        assert str(result.error).startswith("busy with ")
        assert (await pushing)["cx"].ok
