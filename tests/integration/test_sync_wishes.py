"""Wishes that meet something: a push under way, an epoch, the end of the worker, a node that does not obey."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conche.contract import NodeState, Outcome, Resync, SetMaintenance, SetStarted

from .dataplane import DataPlane, converged, running_data_plane

QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[DataPlane]:
    async with running_data_plane(tmp_path, {"cx": 2}, speed=3, **QUICK) as running:
        await running.start_all()
        yield running


# --- stop


async def test_a_kill_that_is_answered_wrongly_is_tried_again_ever_more_slowly(stack: DataPlane):
    await stack.sim.fault("cx/cx1", "http", mode="status", status=404, path="/kill")
    stopping = asyncio.create_task(stack.command("set_started", SetStarted(started=False), "cx/cx1"))
    await asyncio.sleep(8)
    log = (stack.folder / "sync.log").read_text()
    assert 2 <= log.count("cx/cx1: stop failed") <= 4
    status = (await stack.statuses())["cx/cx1"]
    assert status.state is NodeState.STARTED
    assert "stop failed" in str(status.error)
    await stack.sim.clear("cx/cx1")
    replies = await stopping
    assert replies["cx"].ok
    found = await stack.until(lambda s: s["cx/cx1"].state is NodeState.STOPPED)
    assert found["cx/cx1"].error is None


async def test_a_node_that_something_else_starts_again_is_said_and_not_killed_in_a_loop(stack: DataPlane):
    """As a unit does whose kotekan is given its config by its command line."""
    before = await stack.last_entry()
    stopping = asyncio.create_task(stack.command("set_started", SetStarted(started=False), "cx/cx1"))
    rival = asyncio.create_task(start_whenever_idle(stack, "cx/cx1", for_s=10))
    await rival
    killed = await stack.books("cx/cx1", since=before, what="kill")
    assert 2 <= len(killed) <= 4
    assert (await stopping)["cx"].ok
    await stack.until(lambda s: s["cx/cx1"].state is NodeState.STOPPED)


async def start_whenever_idle(stack: DataPlane, node: str, *, for_s: float) -> None:
    """Start a node again as soon as it is killed."""
    port = stack.first_port + list(stack.nodes).index(node)
    body = b'{"type": "config", "log_level": "info", "cpu_affinity": [0]}'
    head = f"POST /start HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    loop = asyncio.get_running_loop()
    until = loop.time() + for_s
    while loop.time() < until:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head.encode() + body)
            await reader.read(300)
            writer.close()
        except OSError:
            pass
        await asyncio.sleep(0.02)


# --- an epoch that waits for a push


@pytest.mark.parametrize("started", [True, False])
async def test_a_switch_that_is_set_while_an_epoch_waits_for_a_push_holds_in_it(
    stack: DataPlane, started: bool
):
    await stack.sim.fault("cx/cx1", "slow_stop", seconds=15.0)
    before = await stack.last_entry()
    pushing = asyncio.create_task(stack.command("resync", Resync(), "cx/cx1"))
    await stack.arrived("cx/cx1", "kill", since=before)
    epoch = (await stack.statuses())["cx/cx2"].epoch
    stack.write_nodes(["cx/cx1"], cx1={"started": not started})
    del stack.nodes["cx/cx2"]
    async with asyncio.timeout(4):
        while "cx/cx2" in await stack.statuses():
            await asyncio.sleep(0.1)
    setting = asyncio.create_task(stack.command("set_started", SetStarted(started=started), "cx/cx1"))
    await asyncio.gather(pushing, setting)
    found = await stack.until(lambda s: s["cx/cx1"].epoch != epoch)
    assert found["cx/cx1"].started is started
    assert found["cx/cx1"].maintenance.on


# --- a resync that outlives its worker


async def test_a_resync_is_carried_on_by_the_next_worker_and_done_once(tmp_path: Path):
    """The first node is killed when the worker ends, and the second waits for its slot."""
    policy = {"cx": {"max_parallel": 1}}
    async with running_data_plane(tmp_path, {"cx": 2}, speed=3, groups=policy, **QUICK) as stack:
        await stack.start_all()
        before = await stack.last_entry()
        await stack.sim.fault("cx/cx1", "slow_stop", seconds=9.0)
        wish = Resync(id="once")
        first = asyncio.create_task(stack.command("resync", wish, "cx/all"))
        await stack.arrived("cx/cx1", "kill", since=before)
        stack.processes["sync"].send(9)
        first.cancel()
        await asyncio.sleep(2)
        for _ in range(2):
            replies = await stack.command("resync", wish, "cx/all")
            results = replies["cx"].results
            assert results["cx/cx2"].ok
            # Of the first nobody can tell whether the worker ended before its /kill arrived, or after.
            assert results["cx/cx1"].ok or "its worker was ended meanwhile" in str(results["cx/cx1"].error)
            await stack.until(lambda s: all(converged(x) for x in s.values()))
            for node in stack.nodes:
                assert len(await stack.books(node, since=before, what="kill")) == 1


async def test_a_resync_that_found_nobody_is_not_carried_out_later(stack: DataPlane):
    await stack.sim.fault("cx/cx1", "refuse")
    await stack.until(lambda s: s["cx/cx1"].state is NodeState.DOWN)
    replies = await stack.command("resync", Resync(), "cx/cx1")
    assert replies["cx"].results["cx/cx1"].outcome is Outcome.UNREACHABLE
    await stack.sim.clear("cx/cx1")
    before = await stack.last_entry()
    await stack.until(lambda s: converged(s["cx/cx1"]))
    await asyncio.sleep(2)
    assert await stack.books("cx/cx1", since=before, what="kill") == []


async def test_one_id_for_two_commands_is_refused_and_says_so(stack: DataPlane):
    await stack.command("set_maintenance", SetMaintenance(maintenance=False, id="mine"), "cx/cx1")
    replies = await stack.command("resync", Resync(id="mine"), "cx/cx1")
    assert not replies["cx"].ok
    assert "set_maintenance of cx/cx1" in str(replies["cx"].error)


# --- stages that rewrite their config


async def test_an_ignored_path_that_a_stage_rewrites_at_once_holds_nobody_up(tmp_path: Path):
    policy = {"cx": {"ignore": ["depth"]}}
    async with running_data_plane(tmp_path, {"cx": 2}, speed=3, groups=policy, **QUICK) as stack:
        await stack.sim.fault("cx/*", "self_rewrite", path="depth", value=77)
        await stack.command("set_maintenance", SetMaintenance(maintenance=False))
        replies = await stack.command("set_started", SetStarted(started=True))
        assert replies["cx"].ok, replies
        found = await stack.statuses()
        assert all(s.state is NodeState.STARTED and s.error is None for s in found.values())
        assert all(s.proven == s.desired for s in found.values())
        stack.write_vars(depth=4, coeff=3.0)  # values alone: proven by the first, posted to all
        posted = stack.revision(depth=4, coeff=3.0)
        found = await stack.until(lambda s: all(x.proven == posted for x in s.values()))
        assert all(s.error is None and s.drift.base for s in found.values())


async def test_a_path_that_a_stage_rewrites_and_nobody_ignores_is_named(tmp_path: Path):
    async with running_data_plane(tmp_path, {"cx": 1}, speed=3, **QUICK) as stack:
        await stack.sim.fault("cx/cx1", "self_rewrite", path="depth", value=77)
        await stack.command("set_maintenance", SetMaintenance(maintenance=False))
        await stack.command("set_started", SetStarted(started=True))
        found = await stack.until(lambda s: "depth: desired 4, runs 77" in str(s["cx/cx1"].error))
        assert "ignore:" in str(found["cx/cx1"].error)
