"""Something happens at the worst moment: in each step of a push, to workers, to nodes that are being pushed."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conche.contract import NodeState, SetMaintenance

from .dataplane import DataPlane, Process, converged, running_data_plane

QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[DataPlane]:
    async with running_data_plane(tmp_path, {"cx": 2}, speed=3, **QUICK) as running:
        await running.start_all()
        yield running


async def nothing_started_twice(stack: DataPlane, since: int) -> None:
    started = [
        (e.node, e.process, e.told["revision"])
        for e in await stack.books(since=since, what="start")
        if e.told["status"] == 200
    ]
    assert len(started) == len(set(started))


# --- workers


@pytest.mark.parametrize("step", ["kill", "died", "listening", "start", "running"])
async def test_a_worker_that_is_killed_in_a_step_of_a_push_finishes_it_and_starts_nothing_twice(
    stack: DataPlane, step: str
):
    before = await stack.last_entry()
    await stack.sim.fault("cx/*", "slow_stop", seconds=1.5)
    await stack.sim.fault("cx/*", "slow_start", seconds=1.5)
    stack.write_vars(depth=11, coeff=1.0)
    await stack.arrived("cx/cx1", step, since=before)
    stack.processes["sync"].send(9)
    await stack.until_all_run(depth=11, coeff=1.0)
    await nothing_started_twice(stack, before)
    for node in stack.nodes:
        assert (await stack.writes(node, since=before)).count("kill") == 1


async def test_of_two_workers_for_one_group_one_works_and_the_other_ends(stack: DataPlane):
    before = await stack.last_entry()
    second = Process("sync", stack.folder / "conche.yaml", stack.folder / "second.log")
    supervised = asyncio.create_task(second.supervise())
    second.start()
    for depth in (21, 22):
        stack.write_vars(depth=depth, coeff=1.0)
        await asyncio.sleep(6)
    second.stop()
    supervised.cancel()
    await asyncio.wait([supervised])
    await stack.until_all_run(depth=22, coeff=1.0)
    await nothing_started_twice(stack, before)
    log = (stack.folder / "second.log").read_text() + (stack.folder / "sync.log").read_text()
    assert "has taken over; this one ends" in log


async def test_a_worker_that_was_frozen_and_replaced_writes_nothing_when_it_wakes(stack: DataPlane):
    frozen = stack.processes["sync"].pid
    stack.processes["sync"].send(signal.SIGSTOP)
    second = Process("sync", stack.folder / "conche.yaml", stack.folder / "second.log")
    supervised = asyncio.create_task(second.supervise())
    second.start()
    await asyncio.sleep(3)
    before = await stack.last_entry()
    await stack.command("set_maintenance", SetMaintenance(maintenance=True), "cx/cx1")
    await stack.sim.fault("cx/cx1", "drift", path="depth", value=5)
    await stack.until(lambda s: s["cx/cx1"].drift.base)
    stack.processes["sync"].stop(signal.SIGCONT)  # for the old one the node is not in maintenance
    await asyncio.sleep(5)
    assert await stack.writes("cx/cx1", since=before) == []
    assert stack.processes["sync"].exits == [1]
    assert frozen != second.pid
    supervised.cancel()
    await asyncio.wait([supervised])


# --- nodes that are being pushed


async def test_a_node_that_is_removed_while_it_is_pushed_is_let_go(stack: DataPlane):
    await stack.sim.fault("cx/cx1", "slow_stop", seconds=4.0)
    before = await stack.last_entry()
    await stack.sim.fault("cx/cx1", "drift", path="depth", value=5)
    await stack.arrived("cx/cx1", "kill", since=before)
    stack.write_nodes(["cx/cx2"])
    async with asyncio.timeout(10):
        while "cx/cx1" in await stack.statuses():
            await asyncio.sleep(0.1)
    await asyncio.sleep(5)
    assert await stack.writes("cx/cx1", since=before) == ["kill"]
    stack.write_nodes(["cx/cx1", "cx/cx2"])  # it comes back, in maintenance, and is to run
    found = await stack.until(lambda s: s["cx/cx1"].started is True and s["cx/cx2"].maintenance.on)
    assert found["cx/cx1"].maintenance.on
    assert await stack.writes(since=before) == ["kill"]
    await stack.command("set_maintenance", SetMaintenance(maintenance=False))
    await stack.until(lambda s: all(converged(x) for x in s.values()))


async def test_a_node_that_moves_to_another_group_while_it_is_pushed_is_that_groups_from_then_on(
    stack: DataPlane,
):
    await stack.sim.fault("cx/cx1", "slow_stop", seconds=4.0)
    before = await stack.last_entry()
    await stack.sim.fault("cx/cx1", "drift", path="depth", value=5)
    await stack.arrived("cx/cx1", "kill", since=before)
    stack.write_nodes(["cx/cx2", "recv/cx1"], cx1={"config": "cx/base.j2"})
    del stack.nodes["cx/cx1"]
    stack.nodes["recv/cx1"] = None
    found = await stack.until(lambda s: "cx/cx1" not in s and s["recv/cx1"].state is NodeState.STOPPED, 30)
    assert found["recv/cx1"].maintenance.on
    assert await stack.writes("cx/cx1", since=before) == ["kill"]  # the simulator keeps its old name
    await stack.command("set_maintenance", SetMaintenance(maintenance=False))
    assert found["recv/cx1"].started in (False, True)


async def test_a_node_that_is_given_anothers_address_while_it_is_pushed_does_not_write_there(
    stack: DataPlane,
):
    await stack.sim.fault("cx/cx1", "slow_stop", seconds=4.0)
    before = await stack.last_entry()
    await stack.sim.fault("cx/cx1", "drift", path="depth", value=5)
    await stack.arrived("cx/cx1", "kill", since=before)
    swapped = {"cx1": {"host": "cx2.example.org"}, "cx2": {"host": "cx1.example.org"}}
    stack.write_nodes(["cx/cx1", "cx/cx2"], **swapped)
    await stack.until(lambda s: all(x.maintenance.on and x.started for x in s.values()), 30)
    assert await stack.writes("cx/cx1", since=before) == ["kill"]
    assert await stack.writes("cx/cx2", since=before) == []
    await stack.command("set_maintenance", SetMaintenance(maintenance=False))
    found = await stack.until(lambda s: all(converged(x) for x in s.values()))
    assert all(s.started for s in found.values())
    assert await stack.writes("cx/cx2", since=before) == []


async def test_an_epoch_in_the_middle_of_three_hundred_pushes_stops_what_has_not_begun(tmp_path: Path):
    async with running_data_plane(tmp_path, {"cx": 301}, speed=3, **QUICK) as stack:
        await stack.start_all()
        await stack.sim.fault("cx/*", "slow_stop", seconds=4.5)
        before = await stack.last_entry()
        stack.write_vars(depth=31, coeff=1.0)
        async with asyncio.timeout(30):
            while len(await stack.books(since=before, what="kill")) < 100:
                await asyncio.sleep(0.05)
        stack.write_nodes([n for n in stack.nodes if n != "cx/cx301"])
        del stack.nodes["cx/cx301"]
        found = await stack.until(
            lambda s: (
                "cx/cx301" not in s
                and all(x.maintenance.on and x.state is NodeState.STARTED for x in s.values())
            ),
            60,
        )
        assert all(s.started for s in found.values())
        await nothing_started_twice(stack, before)
        quiet = await stack.last_entry()
        await asyncio.sleep(3)
        assert await stack.writes(since=quiet) == []
        await stack.command("set_maintenance", SetMaintenance(maintenance=False))
        await stack.until_all_run(depth=31, coeff=1.0)
        await nothing_started_twice(stack, before)


async def test_a_config_that_breaks_between_kill_and_start_leaves_no_node_idle(stack: DataPlane):
    await stack.sim.fault("cx/cx1", "slow_stop", seconds=4.0)
    before = await stack.last_entry()
    stack.write_vars(depth=41, coeff=1.0)
    await stack.arrived("cx/cx1", "kill", since=before)
    (stack.configs / "vars.yaml").write_text("depth: [")
    found = await stack.until(
        lambda s: s["cx/cx1"].live is not None and "vars.yaml" in str(s["cx/cx1"].error), 30
    )
    assert found["cx/cx1"].live == stack.revision(depth=4, coeff=1.0)  # what last ran well
    stack.write_vars(depth=42, coeff=1.0)
    await stack.until_all_run(depth=42, coeff=1.0)
