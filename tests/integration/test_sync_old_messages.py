"""What stands on the broker may be old: nothing is begun on it that its owner has not confirmed."""

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conche import contract
from conche.contract import NodeState
from conche.kotekan.revision import fingerprint

from .dataplane import DataPlane, converged, running_data_plane

QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[DataPlane]:
    async with running_data_plane(tmp_path, {"cx": 3}, speed=3, **QUICK) as running:
        await running.start_all()
        yield running


async def saved(stack: DataPlane) -> bytes:
    """What the broker has on disk, after it was told to save."""
    stack.mosquitto.send(signal.SIGUSR1)
    await asyncio.sleep(0.5)
    return (stack.mosquitto.folder / "data" / "mosquitto.db").read_bytes()


async def come_back_with(stack: DataPlane, old: bytes) -> None:
    stack.mosquitto.stop(9)
    (stack.mosquitto.folder / "data" / "mosquitto.db").write_bytes(old)
    await stack.mosquitto.start()


async def change_depth(stack: DataPlane, depth: int) -> None:
    stack.write_vars(depth=depth, coeff=1.0)
    await stack.until_all_run(depth=depth, coeff=1.0)
    await asyncio.sleep(1)


async def test_old_configs_are_not_pushed_while_the_renderer_is_away(stack: DataPlane):
    old = await saved(stack)
    await change_depth(stack, 12)
    stack.processes["renderer"].stop()
    before = await stack.last_entry()
    await come_back_with(stack, old)
    await asyncio.sleep(8)
    assert await stack.writes(since=before) == []
    await stack.sim.order("cx/cx1", "sigkill")  # and what was known is still made true
    await stack.until(lambda s: converged(s["cx/cx1"]) and s["cx/cx1"].attempts == 2)
    assert (await stack.statuses())["cx/cx1"].live == stack.revision(depth=12, coeff=1.0)
    stack.processes["renderer"].start()
    await asyncio.sleep(2)
    await stack.until_all_run(depth=12, coeff=1.0)
    assert await stack.writes(since=before) == ["start"]


async def test_a_fresh_worker_begins_nothing_on_what_it_finds_while_the_renderer_is_away(stack: DataPlane):
    old = await saved(stack)
    await change_depth(stack, 13)
    stack.processes["renderer"].stop()
    stack.processes["sync"].stop()
    before = await stack.last_entry()
    await come_back_with(stack, old)
    stack.processes["sync"].start()
    found = await stack.until(lambda s: "the renderer is heard" in str(s["cx/cx1"].error))
    assert found["cx/cx1"].state is NodeState.STARTED
    await asyncio.sleep(5)
    assert await stack.writes(since=before) == []
    stack.processes["renderer"].start()
    await asyncio.sleep(2)
    await stack.until_all_run(depth=13, coeff=1.0)
    assert await stack.writes(since=before) == []


def publish_as(stack: DataPlane, account: str, topic: str, payload: object) -> None:
    arguments = stack.mosquitto.client_arguments(account)
    text = json.dumps(payload)
    subprocess.run(["mosquitto_pub", *arguments, "-t", topic, "-r", "-q", "1", "-m", text], check=True)


async def test_messages_of_another_version_are_understood(stack: DataPlane):
    """A renderer that knows fewer fields than this one, and some that this one does not know."""
    known = await stack.statuses()
    async with stack.connect() as client:
        (_, registry), *_ = await client.read(contract.REGISTRY)
        found = await client.read(contract.NODE_DESIRED)
    stack.processes["renderer"].stop()
    birth = {"state": "online", "boot": "older", "since": "2099-01-01T00:00:00Z", "mood": "good"}
    publish_as(stack, "renderer", "conche/service/renderer", birth)
    groups = {
        group: {
            name: {"host": n.host, "port": n.port, "epoch": n.epoch, "rack": 7} for name, n in nodes.items()
        }
        for group, nodes in registry.groups.items()
    }
    publish_as(stack, "renderer", "conche/registry", {"boot": "older", "groups": groups, "more": [1]})
    depth = stack.revision(depth=14, coeff=1.0)
    for params, desired in found:
        config = {**contract.as_object(desired.config), "depth": 14}
        older = {
            "boot": "older",
            "revision": depth,
            "config": config,
            "updatable": desired.updatable,
            "why": {},
        }
        base = fingerprint(config).base
        publish_as(stack, "renderer", f"conche/desired/cx/{params['node']}", {**older, "base": base})
    await stack.until(lambda s: all(x.live == depth and converged(x) for x in s.values()), 30)
    assert {n: (s.epoch, s.started) for n, s in known.items()} == {
        n: (s.epoch, s.started) for n, s in (await stack.statuses()).items()
    }


async def test_the_switches_of_a_status_of_another_version_are_restored_where_the_file_is_lost(
    stack: DataPlane,
):
    epoch = (await stack.statuses())["cx/cx1"].epoch
    stack.processes["sync"].stop()
    for file in (stack.folder / "run").glob("sync-*.json"):
        file.unlink()
    before = await stack.last_entry()
    older = {
        "state": "started",
        "started": True,
        "epoch": epoch,
        "maintenance": {"on": True, "by": "ann"},
        "x": 1,
    }
    publish_as(stack, "sync", "conche/status/cx/cx1", older)
    stack.processes["sync"].start()
    found = await stack.until(lambda s: s["cx/cx1"].live is not None and s["cx/cx1"].drift is not None)
    assert (found["cx/cx1"].maintenance.on, found["cx/cx1"].maintenance.by) == (True, "ann")
    assert found["cx/cx1"].started is True
    assert not found["cx/cx2"].maintenance.on
    assert await stack.writes(since=before) == []
