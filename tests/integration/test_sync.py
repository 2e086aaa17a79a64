"""The worker against a real broker, the real other services, and a simulated cluster."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conche import contract
from conche.contract import NodeState, Outcome, Resync, SetMaintenance, SetStarted

from .dataplane import DataPlane, converged, running_data_plane

QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[DataPlane]:
    async with running_data_plane(tmp_path, {"cx": 3}, speed=3, **QUICK) as running:
        yield running


async def test_nodes_come_up_in_maintenance_and_not_one_write_reaches_them(stack: DataPlane):
    found = await stack.statuses()
    assert all(s.maintenance.on and s.started is False for s in found.values())
    await stack.sim.order("cx/cx1", "restart")
    replies = await stack.command("resync", Resync(), "cx/cx1")
    assert replies["cx"].results["cx/cx1"].outcome is Outcome.HELD
    assert await stack.writes(since=0) == []


async def test_taken_out_of_maintenance_and_started_they_run_what_is_desired(stack: DataPlane):
    replies = await stack.command("set_started", SetStarted(started=True))
    assert {r.outcome for r in replies["cx"].results.values()} == {Outcome.HELD}
    assert not replies["cx"].ok
    await stack.command("set_maintenance", SetMaintenance(maintenance=False))
    replies = await stack.command("set_started", SetStarted(started=True))
    assert replies["cx"].ok
    found = await stack.until(lambda s: all(converged(x) for x in s.values()))
    for name in found:
        assert await stack.writes(name, since=0) == ["start"]


async def test_base_drift_is_mended_by_one_restart(stack: DataPlane):
    await stack.start_all()
    before = await stack.last_entry()
    await stack.sim.fault("cx/cx1", "drift", path="depth", value=5)
    await stack.until(lambda s: s["cx/cx1"].last_push.kind == "restart" and converged(s["cx/cx1"]))
    assert await stack.writes("cx/cx1", since=before) == ["kill", "start"]
    assert await stack.writes("cx/cx2", since=before) == []


async def test_drift_of_values_is_posted_and_not_restarted(stack: DataPlane):
    await stack.start_all()
    before = await stack.last_entry()
    await stack.sim.fault("cx/cx1", "drift", path="gains/coeff", value=2.5)
    await stack.until(lambda s: s["cx/cx1"].last_push.kind == "update" and converged(s["cx/cx1"]))
    assert await stack.writes("cx/cx1", since=before) == ["update"]


async def test_a_node_that_dies_is_brought_back(stack: DataPlane):
    await stack.start_all()
    before = await stack.last_entry()
    await stack.sim.order("cx/cx1", "sigkill")
    await asyncio.sleep(1)
    await stack.until(lambda s: converged(s["cx/cx1"]) and s["cx/cx1"].attempts == 2)
    assert await stack.writes("cx/cx1", since=before) == ["start"]


async def test_drift_in_maintenance_is_shown_and_left_alone(stack: DataPlane):
    await stack.start_all()
    await stack.command(
        "set_maintenance", SetMaintenance(maintenance=True, reason="a person is at it"), "cx/cx1"
    )
    before = await stack.last_entry()
    await stack.sim.fault("cx/cx1", "drift", path="depth", value=5)
    found = await stack.until(lambda s: s["cx/cx1"].drift.base)
    assert found["cx/cx1"].drift.paths == ["depth: desired 4, runs 5"]
    assert found["cx/cx1"].state is NodeState.STARTED
    assert found["cx/cx1"].maintenance.by == "operator"
    await asyncio.sleep(3)
    assert await stack.writes("cx/cx1", since=before) == []
    await stack.command("set_maintenance", SetMaintenance(maintenance=False), "cx/cx1")
    await stack.until(lambda s: converged(s["cx/cx1"]))


async def test_a_bad_config_costs_two_nodes_one_restart_each_and_no_other_anything(stack: DataPlane):
    await stack.start_all()
    before = await stack.last_entry()
    bad = stack.revision(depth=7, coeff=1.0)
    await stack.sim.fault("cx/*", "reject_start", words="The buffer named X doesn't exist!", revision=bad)
    stack.write_vars(depth=7, coeff=1.0)
    found = await stack.until(
        lambda s: all(
            x.state is NodeState.STARTED and "The buffer named X doesn't exist!" in str(x.error)
            for x in s.values()
        ),
        30,
    )
    assert found["cx/cx1"].live == found["cx/cx1"].proven == stack.revision(depth=4, coeff=1.0)  # healed
    await asyncio.sleep(5)
    assert await stack.writes("cx/cx1", since=before) == ["kill", "start", "start"]
    assert await stack.writes("cx/cx2", since=before) == ["kill", "start", "start"]
    assert await stack.writes("cx/cx3", since=before) == []
    stack.write_vars(depth=8, coeff=1.0)
    await stack.until_all_run(depth=8, coeff=1.0)


async def test_one_sick_node_after_a_power_cut_stops_nobody(stack: DataPlane):
    await stack.start_all()
    await stack.sim.fault("cx/cx1", "reject_start", words="no GPU")
    for node in stack.nodes:
        await stack.sim.order(node, "sigkill")
    await asyncio.sleep(3)
    found = await stack.until(lambda s: converged(s["cx/cx2"]) and converged(s["cx/cx3"]))
    assert "no GPU" in found["cx/cx1"].error
    await stack.sim.clear("cx/cx1")
    await stack.until(lambda s: converged(s["cx/cx1"]), 40)


async def test_a_rejection_is_lifted_by_resync(stack: DataPlane):
    await stack.start_all()
    bad = stack.revision(depth=9, coeff=1.0)
    await stack.sim.fault("cx/*", "reject_start", words="no", revision=bad)
    stack.write_vars(depth=9, coeff=1.0)
    await stack.until(lambda s: all(x.held and x.held.startswith(("held", "its")) for x in s.values()), 30)
    await stack.sim.clear()
    replies = await stack.command("resync", Resync(), "cx/all")
    assert replies["cx"].ok
    found = await stack.until(lambda s: all(converged(x) for x in s.values()))
    assert found["cx/cx1"].rejected == []


async def test_a_refused_value_costs_one_node_one_restart_and_no_other_anything(stack: DataPlane):
    await stack.start_all()
    await stack.sim.fault("cx/*", "reject_value", endpoint="gains", key="coeff", greater=100.0)
    before = await stack.last_entry()
    stack.write_vars(depth=4, coeff=200.0)
    found = await stack.until(
        lambda s: all(x.state is NodeState.STARTED and x.error and "gains" in x.error for x in s.values()), 30
    )
    await asyncio.sleep(2)
    assert await stack.writes("cx/cx1", since=before) == ["update", "start"]  # it died of it, and was healed
    assert found["cx/cx1"].live == stack.revision(depth=4, coeff=1.0)
    for other in ("cx/cx2", "cx/cx3"):
        assert await stack.writes(other, since=before) == []


async def test_values_alone_go_to_all_as_soon_as_the_first_has_taken_them(stack: DataPlane):
    await stack.start_all()
    before = await stack.last_entry()
    stack.write_vars(depth=4, coeff=2.0)
    await stack.until(lambda s: all(converged(x) and x.last_push.kind == "update" for x in s.values()))
    posts = await stack.books(since=before, what="update")
    assert posts[0].node == "cx/cx1"
    assert len(posts) == 3
    assert posts[-1].at - posts[0].at < 1.0  # no settle time between


async def test_drift_that_comes_back_after_a_restart_is_left_alone(stack: DataPlane):
    await stack.start_all()
    await stack.sim.fault("cx/cx1", "self_rewrite", path="depth", value=99, after_s=4.0)
    await stack.sim.fault("cx/cx1", "drift", path="depth", value=99)
    before = await stack.last_entry()
    found = await stack.until(lambda s: bool(s["cx/cx1"].error and "did not cure" in s["cx/cx1"].error), 30)
    assert found["cx/cx1"].cure.paths == ["depth"]
    assert found["cx/cx1"].drift.paths == ["depth: desired 4, runs 99"]
    await asyncio.sleep(3)
    assert (await stack.writes("cx/cx1", since=before)).count("kill") == 1
    await stack.sim.clear("cx/cx1")
    stack.write_vars(depth=5, coeff=1.0)  # a change of what is desired at that path is no drift
    await stack.until_all_run(depth=5, coeff=1.0)


async def test_ignored_drift_and_restart_slots_are_the_groups_policy(tmp_path: Path):
    policy = {"cx": {"ignore": ["depth"], "max_parallel": 1}}
    async with running_data_plane(tmp_path, {"cx": 3}, speed=3, groups=policy, **QUICK) as stack:
        await stack.start_all()
        before = await stack.last_entry()
        await stack.sim.fault("cx/cx1", "drift", path="depth", value=99)
        found = await stack.until(lambda s: s["cx/cx1"].drift.base)
        assert (found["cx/cx1"].state, found["cx/cx1"].error) == (NodeState.STARTED, None)
        replies = await stack.command("resync", Resync(), "cx/all")
        assert replies["cx"].ok
        kills = await stack.books(since=before, what="kill")
        starts = await stack.books(since=before, what="start")
        assert [e.node for e in sorted(kills + starts, key=lambda e: e.serial)] == [
            n for n in ("cx/cx1", "cx/cx2", "cx/cx3") for _ in range(2)
        ]


async def test_a_kotekan_that_dies_again_and_again_is_never_started_into_systemds_limit(stack: DataPlane):
    await stack.start_all()
    await stack.sim.fault("cx/cx1", "die", after_start_s=0.5)
    await stack.sim.order("cx/cx1", "sigkill")
    for _ in range(3):
        await asyncio.sleep(6)
        await stack.command("resync", Resync(), "cx/cx1")
    assert (await stack.sim.node("cx/cx1")).state != "failed"
    await stack.sim.clear("cx/cx1")
    await stack.command("resync", Resync(), "cx/cx1")
    await stack.until(lambda s: converged(s["cx/cx1"]), 40)


async def test_a_stopped_node_is_killed_once_and_stays_idle(stack: DataPlane):
    await stack.start_all()
    before = await stack.last_entry()
    replies = await stack.command("set_started", SetStarted(started=False), "cx/cx1")
    assert replies["cx"].ok
    found = await stack.until(lambda s: s["cx/cx1"].state is NodeState.STOPPED)
    assert found["cx/cx1"].started is False
    await asyncio.sleep(3)
    assert await stack.writes("cx/cx1", since=before) == ["kill"]


async def test_a_broken_config_file_stops_no_node_and_starts_none(stack: DataPlane):
    await stack.start_all()
    before = await stack.last_entry()
    (stack.configs / "cx" / "base.j2").write_text("log_level: [")
    found = await stack.until(lambda s: all(x.error for x in s.values()))
    assert all("cx/base.j2" in s.error and s.state is NodeState.STARTED for s in found.values())
    replies = await stack.command("set_started", SetStarted(started=False), "cx/cx1")
    assert replies["cx"].ok
    assert await stack.writes("cx/cx2", since=before) == []


async def test_inspect_reads_the_node_and_tells_every_difference(stack: DataPlane):
    await stack.start_all()
    await stack.command("set_maintenance", SetMaintenance(maintenance=True))
    await stack.sim.fault("cx/cx1", "drift", path="gains/coeff", value=2)
    replies = await stack.command("inspect", contract.Inspect(config=True), "cx/cx1")
    inspection = replies["cx"].results["cx/cx1"].inspection
    assert inspection.paths == ["gains/coeff: desired 1.0 (float), runs 2 (integer)"]
    assert contract.as_object(inspection.config)["gains"]["coeff"] == 2


async def test_a_node_that_is_gone_from_the_registry_is_cleared_and_one_that_is_new_is_in_maintenance(
    stack: DataPlane,
):
    await stack.start_all()
    stack.write_nodes(["cx/cx1", "cx/cx2"])
    stack.nodes.pop("cx/cx3")
    found = await stack.until(
        lambda s: "cx/cx3" not in s and all(x.maintenance.on and x.started is not None for x in s.values())
    )
    assert all(s.started for s in found.values())  # adopted as they run
    stack.write_nodes(["cx/cx1", "cx/cx2", "cx/cx3"])
    found = await stack.until(lambda s: "cx/cx3" in s and s["cx/cx3"].started is not None)
    assert found["cx/cx3"].maintenance.on
    assert found["cx/cx3"].started is True


async def test_without_a_poller_every_node_is_unknown_and_nothing_is_done(stack: DataPlane):
    await stack.start_all()
    stack.processes["poller"].stop()
    before = await stack.last_entry()
    await stack.sim.fault("cx/cx1", "drift", path="depth", value=5)
    found = await stack.until(lambda s: all(x.state is NodeState.UNKNOWN for x in s.values()))
    assert "poller" in found["cx/cx1"].error
    assert await stack.writes("cx/cx1", since=before) == []
    stack.processes["poller"].start()
    await stack.until(lambda s: all(converged(x) for x in s.values()))


async def test_switches_survive_the_death_of_every_service_within_an_epoch(stack: DataPlane):
    await stack.start_all()
    await stack.command("set_maintenance", SetMaintenance(maintenance=True, reason="keep"), "cx/cx2")
    await stack.command("set_started", SetStarted(started=False), "cx/cx3")
    for process in stack.processes.values():
        process.send(9)
    await asyncio.sleep(2)
    found = await stack.until(
        lambda s: converged(s["cx/cx1"]) and converged(s["cx/cx2"]) and s["cx/cx3"].state is NodeState.STOPPED
    )
    assert (found["cx/cx2"].maintenance.on, found["cx/cx2"].maintenance.reason) == (True, "keep")
    assert found["cx/cx3"].started is False
    assert not found["cx/cx1"].maintenance.on


async def test_when_the_stack_starts_anew_every_node_is_in_maintenance_and_runs_on(stack: DataPlane):
    await stack.start_all()
    before = await stack.last_entry()
    for process in stack.processes.values():
        process.stop()
    shutil.rmtree(stack.folder / "run")
    for process in stack.processes.values():
        process.start()
    found = await stack.until(lambda s: all(x.maintenance.on and x.started for x in s.values()))
    assert all(s.state is NodeState.STARTED for s in found.values())
    assert await stack.writes(since=before) == []


async def test_a_broker_that_comes_back_with_nothing_is_given_everything_again(stack: DataPlane):
    await stack.start_all()
    before = await stack.last_entry()
    known = await stack.statuses()
    stack.mosquitto.stop(9)
    for file in (stack.mosquitto.folder / "data").iterdir():
        file.unlink()
    await asyncio.sleep(1)
    await stack.mosquitto.start()
    found = await stack.until(lambda s: all(converged(x) for x in s.values()))
    assert {n: (s.started, s.maintenance, s.epoch) for n, s in found.items()} == {
        n: (s.started, s.maintenance, s.epoch) for n, s in known.items()
    }
    assert await stack.writes(since=before) == []


async def test_a_broker_that_comes_back_with_old_messages_brings_no_old_config_back(stack: DataPlane):
    await stack.start_all()
    data = stack.mosquitto.folder / "data" / "mosquitto.db"
    stack.mosquitto.send(signal.SIGUSR1)  # save now
    await asyncio.sleep(0.5)
    old = data.read_bytes()
    stack.write_vars(depth=12, coeff=1.0)
    await stack.until_all_run(depth=12, coeff=1.0)
    await asyncio.sleep(1)
    before = await stack.last_entry()
    stack.mosquitto.stop(9)
    data.write_bytes(old)
    await stack.mosquitto.start()
    await asyncio.sleep(6)
    await stack.until_all_run(depth=12, coeff=1.0)
    assert await stack.writes(since=before) == []
