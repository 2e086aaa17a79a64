"""A group of a hundred: what is bad for all is tried by two, and what is bad for one stops nobody."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conche.contract import NodeState

from .dataplane import WRITES, DataPlane, converged, running_data_plane

QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}
NODES = 100
FIRST = ["cx/cx1", "cx/cx10"]
"""By name."""


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[DataPlane]:
    async with running_data_plane(tmp_path, {"cx": NODES}, speed=3, **QUICK) as running:
        await running.start_all()
        yield running


@pytest.mark.parametrize("fault", ["reject_start", "die"])
async def test_a_bad_base_config_costs_two_nodes_one_restart_each(stack: DataPlane, fault: str):
    before = await stack.last_entry()
    bad = stack.revision(depth=7, coeff=1.0)
    if fault == "reject_start":
        await stack.sim.fault("cx/*", "reject_start", words="no such stage", revision=bad)
    else:  # it is taken, and the process ends soon after, as it does when it is healed
        await stack.sim.fault(FIRST, "die", after_start_s=0.5)
    stack.write_vars(depth=7, coeff=1.0)
    found = await stack.until(lambda s: sum("held" in str(x.held) for x in s.values()) >= NODES - 2, 60)
    restarted = {e.node for e in await stack.books(since=before) if e.what in WRITES}
    assert restarted == set(FIRST)
    starts = await stack.books(since=before, what="start")
    assert sorted(e.node for e in starts if e.told["revision"] == bad) == FIRST
    others = {n: s for n, s in found.items() if n not in restarted}
    assert all(s.state is NodeState.STARTED and s.live == s.proven for s in others.values())
    await stack.sim.clear()
    await asyncio.sleep(3)
    assert await stack.writes("cx/cx50", since=before) == []
    stack.write_vars(depth=8, coeff=1.0)
    await stack.until_all_run(depth=8, coeff=1.0)


async def test_one_node_without_a_gpu_after_a_power_cut_stops_none_of_the_others(stack: DataPlane):
    before = await stack.last_entry()
    await stack.sim.fault("cx/cx1", "reject_start", words="no GPU")
    for node in stack.nodes:
        await stack.sim.order(node, "sigkill")
    await asyncio.sleep(2)
    found = await stack.until(
        lambda s: sum(converged(x) for n, x in s.items() if n != "cx/cx1") == NODES - 1, 60
    )
    assert "no GPU" in str(found["cx/cx1"].error)
    for node in ("cx/cx2", "cx/cx100"):
        assert await stack.writes(node, since=before) == ["start"]
