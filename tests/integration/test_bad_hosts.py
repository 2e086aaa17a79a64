"""What happens to the machines: full disks, hostile and broken messages, directories that come and go."""

import json
import os
import resource
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conche.contract import SetMaintenance, SetStarted

from .dataplane import DataPlane, converged, running_data_plane

QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[DataPlane]:
    async with running_data_plane(tmp_path, {"cx": 2}, speed=3, **QUICK) as running:
        await running.start_all()
        yield running


# --- full disks


def limit_files(pid: int, size: int) -> None:
    """Have every write of a process beyond a size fail, as on a disk that is full."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def test_while_the_workers_disk_is_full_nothing_is_begun_that_it_must_remember(stack: DataPlane):
    before = await stack.last_entry()
    limit_files(stack.processes["sync"].pid, 0)
    replies = await stack.command("set_started", SetStarted(started=False), "cx/cx1")
    assert "nothing was done" in str(replies["cx"].error)
    assert "can't be written" in str(replies["cx"].error)
    await stack.sim.fault("cx/cx2", "drift", path="depth", value=5)
    found = await stack.until(lambda s: "can't be written" in str(s["cx/cx2"].error))
    assert found["cx/cx1"].started is True
    assert await stack.writes(since=before) == []
    replies = await stack.command("set_maintenance", SetMaintenance(maintenance=True), "cx/cx1")
    assert "is forgotten if its worker ends" in str(replies["cx"].results["cx/cx1"].error)
    await stack.until(lambda s: s["cx/cx1"].maintenance.on)  # the safe side
    limit_files(stack.processes["sync"].pid, resource.RLIM_INFINITY)
    await stack.until(lambda s: converged(s["cx/cx2"]), 40)
    assert await stack.writes("cx/cx2", since=before) == ["kill", "start"]


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False)
    if done.returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
async def test_a_broker_whose_disk_is_full_goes_on_and_costs_nothing(tmp_path: Path):
    async with running_data_plane(tmp_path, {"cx": 2}, speed=3, **QUICK) as stack:
        await stack.start_all()
        data = stack.mosquitto.folder / "data"
        stack.mosquitto.stop()
        shutil.copytree(data, tmp_path / "kept")
        with small_disk(data, "100k"):
            shutil.chown(data, user=(tmp_path / "kept").owner())
            await stack.mosquitto.start()
            (data / "filler").write_bytes(bytes(90_000))
            before = await stack.last_entry()
            await stack.until(lambda s: all(converged(x) for x in s.values()))
            assert await stack.writes(since=before) == []
            stack.mosquitto.send(10)  # SIGUSR1: save now, which fails
            stack.write_vars(depth=9, coeff=1.0)
            await stack.until_all_run(depth=9, coeff=1.0)
            stack.mosquitto.stop(9)  # and what could not be saved is published again
            await stack.mosquitto.start()
            await stack.until_all_run(depth=9, coeff=1.0)
            assert sorted(await stack.writes(since=before)) == ["kill", "kill", "start", "start"]
            stack.mosquitto.stop(9)


# --- messages


HOSTILE = [
    b"", b"null", b"[]", b"5", b'"x"', b"\xff\xfe", b"{", b"[" * 50_000, b'{"boot":' + b"[" * 50_000,
    b'{"boot":"x","groups":{"cx":{}}}', b'{"boot":"x","groups":{"cx":{"cx1":{"host":"h","port":0,"epoch":"e"}}}}',
    b'{"boot":"x","revision":"' + b"0" * 32 + b'","base":"' + b"0" * 32 + b'","config":{"a":1}}',
    b'{"boot":"x","sweep":1,"reach":"ok","running":true,"revision":"' + b"0" * 32 + b'"}',
    json.dumps({"state": "started", "epoch": "x", "maintenance": {"on": False}, "started": False}).encode(),
    b'{"boot":"x"' + b',"a":"' + b"b" * 1_000_000 + b'"}',
]  # fmt: skip


async def test_what_a_hostile_writer_leaves_on_the_broker_moves_no_node(stack: DataPlane):
    """He has the passwords of the services, and no renderer and poller of his own."""
    before = await stack.last_entry()
    known = await stack.statuses()
    for process in ("renderer", "poller", "sync"):
        stack.processes[process].stop()
    for account, topic in (
        ("renderer", "conche/registry"),
        ("renderer", "conche/desired/cx/cx1"),
        ("renderer", "conche/desired/cx/nobody"),
        ("renderer", "conche/service/renderer"),
        ("poller", "conche/observed/cx/cx1"),
        ("poller", "conche/sweep/main"),
        ("sync", "conche/status/cx/cx1"),
        ("sync", "conche/status/cx/nobody"),
        ("sync", "conche/summary/cx"),
    ):
        for number, payload in enumerate(HOSTILE):
            file = stack.folder / f"hostile-{number}"
            file.write_bytes(payload)
            arguments = [*stack.mosquitto.client_arguments(account), "-t", topic, "-r", "-q", "1"]
            subprocess.run(["mosquitto_pub", *arguments, "-f", str(file)], check=True)
    for process in ("sync", "poller", "renderer"):
        stack.processes[process].start()
    found = await stack.until(lambda s: all(converged(x) for x in s.values()) and "cx/nobody" not in s)
    assert {n: (s.started, s.maintenance, s.epoch) for n, s in found.items()} == {
        n: (s.started, s.maintenance, s.epoch) for n, s in known.items()
    }
    assert await stack.writes(since=before) == []


# --- the config directory


async def test_a_config_directory_that_is_replaced_as_a_whole_changes_what_it_changes(stack: DataPlane):
    before = await stack.last_entry()
    old, new = stack.configs.with_name("old"), stack.configs.with_name("new")
    shutil.copytree(stack.configs, new)
    (new / "vars.yaml").write_text("depth: 15\ncoeff: 1.0\n")
    stack.configs.rename(old)
    new.rename(stack.configs)
    await stack.until_all_run(depth=15, coeff=1.0)
    stack.write_vars(depth=16, coeff=1.0)  # and the new one is watched
    await stack.until_all_run(depth=16, coeff=1.0)
    assert (await stack.statuses())["cx/cx1"].maintenance.on is False
    assert len(await stack.books(since=before, what="kill")) == 4


async def test_a_config_directory_that_is_away_for_a_while_moves_no_node(stack: DataPlane):
    before = await stack.last_entry()
    away = stack.configs.with_name("away")
    stack.configs.rename(away)
    stack.processes["renderer"].send(9)
    await stack.sim.order("cx/cx1", "sigkill")  # what was known is still made true
    await stack.until(lambda s: converged(s["cx/cx1"]) and s["cx/cx1"].attempts == 2)
    assert await stack.writes(since=before) == ["start"]
    away.rename(stack.configs)
    stack.write_vars(depth=17, coeff=1.0)
    await stack.until_all_run(depth=17, coeff=1.0)
