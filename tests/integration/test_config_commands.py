"""What people do to the config directory by commands, through to the simulated nodes."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from conche.contract import (
    Arguments,
    BaseConfig,
    Change,
    EditAction,
    Log,
    NodeEntry,
    Outcome,
    Plan,
    Planned,
    PlannedNode,
    ReadFiles,
    Reply,
    Rollback,
    SetFiles,
    SetMaintenance,
    SetNodes,
    SetStarted,
    Show,
    UpdatableConfig,
)

from .dataplane import converged, running_data_plane
from .wisher import START_TIME, Wisher

QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}
OWN = "type: config\nlog_level: info\ncpu_affinity: [0]\ndepth: {depth}\n"


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Wisher]:
    async with running_data_plane(tmp_path, {"cx": 3}, speed=3, **QUICK) as running:
        running.__class__ = Wisher
        assert isinstance(running, Wisher)
        await running.start_all()
        yield running


# --- values of updatable blocks


async def test_values_are_posted_to_every_node_of_the_group_and_stored_in_one_commit(stack: Wisher):
    before = await stack.last_entry()
    reply = await stack.gains(3, reason="sky is bright", id="g1")
    assert reply.ok, reply
    assert {result.outcome for result in reply.results.values()} == {Outcome.OK}
    assert set(await stack.writes(since=before)) == {"update"}
    stored = json.loads(stack.text(".updatable/cx/cx1.json"))
    assert repr(stored) == repr({"gains": {"coeff": 3.0, "start_time": START_TIME}})
    log = await stack.wish("log", Log(limit=1), "-/renderer")
    (commit,) = log.commits
    assert (commit.id, commit.author, commit.reason) == (reply.commit, "operator", "sky is bright")
    assert commit.trailers["Command-Id"] == "operator/g1"
    assert commit.trailers["Command"] == "cx/all/updatable_config"
    assert len(commit.paths) == 3
    shown = await stack.wish("show", Show(commit=commit.id[:8]), "-/renderer")
    assert '+    "coeff": 3.0' in (shown.patch or "")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"coeff": 2.0}, "start_time is missing"),
        ({"coeff": "x", "start_time": 1}, "gains/coeff: is a string"),
        ({"coeff": 2.0, "start_time": 1.5}, "gains/start_time: is a float"),
        ({"coeff": 2.0, "start_time": 1, "more": 1}, "gains/more: its block has no such key"),
    ],
)
async def test_values_that_do_not_fit_are_refused_and_nothing_is_stored(
    stack: Wisher, values: dict[str, Any], words: str
):
    reply = await stack.wish("updatable_config", UpdatableConfig(endpoint="gains", values=values), "cx/all")
    assert not reply.ok
    assert words in (reply.error or "")
    assert not (stack.configs / ".updatable").exists()


async def test_a_block_that_no_target_has_is_refused_with_those_that_there_are(stack: Wisher):
    wish = UpdatableConfig(endpoint="gain", values={})
    reply = await stack.wish("updatable_config", wish, "cx/cx1")
    assert "has no updatable block 'gain'; there are gains" in (reply.error or "")


async def test_a_node_in_maintenance_or_stopped_is_said_to_be_so_and_gets_the_values_later(stack: Wisher):
    held = SetMaintenance(maintenance=True, reason="new fan")
    await stack.command("set_maintenance", held, "cx/cx1")
    await stack.command("set_started", SetStarted(started=False), "cx/cx2")
    reply = await stack.gains(2.0)
    outcomes = {key: result.outcome for key, result in reply.results.items()}
    assert outcomes == {"cx/cx1": Outcome.HELD, "cx/cx2": Outcome.SKIPPED, "cx/cx3": Outcome.OK}
    assert "in maintenance by operator: new fan" in (reply.results["cx/cx1"].error or "")
    assert not reply.ok
    await stack.command("set_maintenance", SetMaintenance(maintenance=False), "cx/cx1")
    wanted = stack.revision(depth=4, coeff=2.0)
    await stack.until(lambda found: found["cx/cx1"].live == wanted)


async def test_an_id_is_carried_out_once_also_across_a_restart_of_the_renderer(stack: Wisher):
    first = await stack.gains(2.0, id="once")
    await stack.gains(4.0)
    stack.processes["renderer"].stop()
    stack.processes["renderer"].start()
    await asyncio.sleep(2)
    again = await stack.gains(2.0, id="once")
    assert (again.ok, again.commit) == (False, first.commit)
    assert "was carried out before; .updatable/cx/cx1.json" in (again.error or "")
    assert "4.0" in stack.text(".updatable/cx/cx1.json")
    other = await stack.wish("base_config", BaseConfig(id="once", config_content="a: 1"), "cx/all")
    assert "the id 'once' is that of updatable_config of cx/all" in (other.error or "")


async def test_a_repeated_id_whose_effect_stands_is_answered_by_what_the_nodes_run(stack: Wisher):
    first = await stack.gains(2.0, id="once")
    stack.processes["renderer"].stop()
    stack.processes["renderer"].start()
    await asyncio.sleep(2)
    again = await stack.gains(2.0, id="once")
    assert (again.ok, again.commit, again.results) == (True, first.commit, first.results)


async def test_two_who_edit_the_same_block_are_not_merged_in_silence(stack: Wisher):
    start = (await stack.wish("read_files", ReadFiles(files=["vars.yaml"]), "-/renderer")).commit
    assert (await stack.gains(2.0, started_from=start)).ok
    reply = await stack.gains(3.0, started_from=start)
    assert "was changed since" in (reply.error or "")
    assert "by operator" in (reply.error or "")
    assert "2.0" in stack.text(".updatable/cx/cx1.json")


async def test_values_that_were_refused_are_tried_again_with_force(stack: Wisher):
    assert (await stack.gains(2.0)).ok
    await stack.sim.fault("cx/*", "reject_value", endpoint="gains", key="coeff", equals=9.0)
    assert not (await stack.gains(9.0)).ok
    await stack.sim.clear("cx/*")
    await stack.until(lambda found: all(converged(s) and not s.error for s in found.values()))
    again = await stack.gains(9.0)
    assert "force: true has them tried again" in (again.error or "")
    forced = await stack.gains(9.0, force=True)
    assert forced.ok, forced
    assert "9.0" in stack.text(".updatable/cx/cx3.json")


# --- base configs


async def test_a_base_config_for_one_node_does_not_touch_a_file_that_others_share(stack: Wisher):
    reply = await stack.wish("base_config", BaseConfig(config_content=OWN.format(depth=7)), "cx/cx1")
    assert not reply.ok
    assert "cx/base.j2 would change cx/cx2, cx/cx3 too" in (reply.error or "")
    shared = BaseConfig(config_content=OWN.format(depth=7), shared=True)
    reply = await stack.wish("base_config", shared, "cx/cx1")
    assert reply.ok, reply
    assert set(reply.results) == {"cx/cx1", "cx/cx2", "cx/cx3"}
    assert stack.text("cx/base.j2") == OWN.format(depth=7)


async def test_a_base_config_that_does_not_render_is_refused_and_nothing_is_written(stack: Wisher):
    before = stack.text("cx/base.j2")
    wish = BaseConfig(config_content="depth: {{ unknown }}\n")
    reply = await stack.wish("base_config", wish, "cx/all")
    assert "no config for cx/cx1, cx/cx2, cx/cx3: cx/base.j2:1" in (reply.error or "")
    assert stack.text("cx/base.j2") == before


async def test_a_rollback_brings_back_what_ran(stack: Wisher):
    before = stack.text("cx/base.j2")
    start = (await stack.wish("log", Log(), "-/renderer")).commits[0]
    await stack.wish("base_config", BaseConfig(config_content=OWN.format(depth=7)), "cx/all")
    reply = await stack.wish("rollback", Rollback(commit=start.id), "-/renderer")
    assert reply.ok, reply
    assert stack.text("cx/base.j2") == before
    assert reply.results["cx/cx1"].outcome is Outcome.OK


# --- plans


async def test_a_plan_says_what_then_happens(stack: Wisher):
    async def planned(action: EditAction, arguments: Arguments, target: str) -> Reply:
        return await stack.wish("plan", Plan(action=action, arguments=_raw(arguments)), target)

    gain = UpdatableConfig(endpoint="gains", values={"coeff": 5.0, "start_time": START_TIME})
    plan = (await planned(EditAction.UPDATABLE_CONFIG, gain, "cx/cx1")).plan
    assert plan is not None
    assert plan.nodes.keys() == {"cx/cx1"}
    assert (plan.nodes["cx/cx1"].change, plan.nodes["cx/cx1"].endpoints) == (Change.UPDATE, ["gains"])
    assert plan.nodes["cx/cx1"].paths == ["gains/coeff: desired 5.0, runs 1.0"]
    assert plan.untouched == 2
    before = await stack.last_entry()
    assert (await stack.wish("updatable_config", structs.replace(gain, plan=plan.name), "cx/cx1")).ok
    assert await stack.writes(since=before) == ["update"]

    everywhere = SetFiles(files={"vars.yaml": "depth: 5\ncoeff: 1.0\n"})
    plan = (await planned(EditAction.SET_FILES, everywhere, "-/renderer")).plan
    assert plan is not None
    assert {node.change for node in plan.nodes.values()} == {Change.RESTART}
    before = await stack.last_entry()
    assert (await stack.wish("set_files", everywhere, "-/renderer")).ok
    assert sorted(await stack.writes(since=before)) == ["kill"] * 3 + ["start"] * 3


@pytest.fixture
async def growing(tmp_path: Path) -> AsyncIterator[Wisher]:
    """Three nodes that run, and a fourth that was taken out of the registry; only new nodes get a new epoch."""
    settings = {**QUICK, "renderer": {"on_registry_change": "changed"}}
    async with running_data_plane(tmp_path, {"cx": 4}, speed=3, **settings) as running:
        running.__class__ = Wisher
        assert isinstance(running, Wisher)
        await running.start_all()
        three = {"cx": {name: NodeEntry() for name in ("cx1", "cx2", "cx3")}}
        assert (await running.wish("set_nodes", SetNodes(groups=three))).ok
        async with asyncio.timeout(20):
            while "cx/cx4" in await running.statuses():
                await asyncio.sleep(0.1)
        yield running


async def test_a_plan_of_a_new_node_and_of_variables_says_exactly_what_then_happens(growing: Wisher):
    stack = growing
    new = NodeEntry(host="cx4.example.org", config="cx/base.j2", vars={"coeff": 2.0})
    entries = {"cx1": NodeEntry(vars={"depth": 6}), "cx2": NodeEntry(), "cx3": NodeEntry(), "cx4": new}
    wish = SetNodes(groups={"cx": entries})
    reply = await stack.wish("plan", Plan(action=EditAction.SET_NODES, arguments=_raw(wish)))
    assert reply.ok, reply
    assert reply.plan is not None
    deeper, louder = stack.revision(depth=6, coeff=1.0), stack.revision(depth=4, coeff=2.0)
    assert reply.plan == Planned(
        name=reply.plan.name,
        action=EditAction.SET_NODES,
        files=["nodes.yaml"],
        nodes={
            "cx/cx1": PlannedNode(change=Change.RESTART, revision=deeper, paths=["depth: desired 6, runs 4"]),
            "cx/cx4": PlannedNode(
                change=Change.JOIN, revision=louder, waits="in maintenance at first, as every new node"
            ),
        },
        untouched=2,
        new_epoch=["cx/cx4"],
    )
    before, epochs = await stack.last_entry(), {k: s.epoch for k, s in (await stack.statuses()).items()}
    reply = await stack.wish("set_nodes", structs.replace(wish, plan=reply.plan.name))
    outcomes = {key: result.outcome for key, result in reply.results.items()}
    assert outcomes == {"cx/cx1": Outcome.OK, "cx/cx4": Outcome.HELD}, reply
    found = await stack.statuses()
    assert found["cx/cx1"].live == deeper
    assert (found["cx/cx4"].desired, found["cx/cx4"].maintenance.on) == (louder, True)
    assert {key for key, one in found.items() if one.epoch != epochs.get(key)} == {"cx/cx4"}
    writes = {key: await stack.writes(key, since=before) for key in found}
    assert writes == {"cx/cx1": ["kill", "start"], "cx/cx2": [], "cx/cx3": [], "cx/cx4": []}


async def test_a_plan_of_the_past_is_refused(stack: Wisher):
    gain = UpdatableConfig(endpoint="gains", values={"coeff": 5.0, "start_time": START_TIME})
    plan = Plan(action=EditAction.UPDATABLE_CONFIG, arguments=_raw(gain))
    planned = (await stack.wish("plan", plan, "cx/cx1")).plan
    assert planned is not None
    await stack.gains(6.0)
    reply = await stack.wish("updatable_config", structs.replace(gain, plan=planned.name), "cx/cx1")
    assert "the world has moved" in (reply.error or "")
    assert "6.0" in stack.text(".updatable/cx/cx1.json")


# --- nodes


async def test_nodes_are_set_and_comments_stay(stack: Wisher):
    path = stack.configs / "nodes.yaml"
    path.write_text("# ours\n" + path.read_text())
    await asyncio.sleep(1)
    groups = {"cx": {name: NodeEntry() for name in ("cx1", "cx2")}}
    plan = Plan(action=EditAction.SET_NODES, arguments=_raw(SetNodes(groups=groups)))
    planned = (await stack.wish("plan", plan)).plan
    assert planned is not None
    assert planned.nodes["cx/cx3"].change is Change.LEAVE
    assert planned.new_epoch == ["cx/cx1", "cx/cx2"]
    reply = await stack.wish("set_nodes", SetNodes(groups=groups))
    assert reply.ok, reply
    text = path.read_text()
    assert text.startswith("# ours\n")
    assert yaml.safe_load(text)["groups"]["cx"].keys() == {"cx1", "cx2"}
    async with asyncio.timeout(10):
        while (found := await stack.statuses()).keys() != {"cx/cx1", "cx/cx2"}:
            await asyncio.sleep(0.1)
        while not all(status.maintenance.on for status in found.values()):
            found = await stack.statuses()


@pytest.mark.parametrize(
    ("action", "arguments", "target", "words"),
    [
        ("set_nodes", SetNodes(groups={}), "cx/all", "send it to all/all"),
        ("set_nodes", SetNodes(groups={"cx": {"a/b": NodeEntry()}}), "all/all", "letters, digits"),
        ("base_config", BaseConfig(config_content="a: 1"), "cx/cx9", "there is no node 'cx9' in cx"),
        ("base_config", BaseConfig(config_content="a: 1"), "rx/all", "there is no group 'rx'"),
        ("set_files", SetFiles(files={"../x.yaml": ""}), "-/renderer", "is no file of a config directory"),
        ("rollback", Rollback(commit="f00"), "-/renderer", "there is no commit 'f00'"),
        ("read_files", ReadFiles(files=["x.txt"]), "-/renderer", "is no file of a config directory"),
        ("dance", Log(), "-/renderer", "there is no action 'dance'"),
        ("log", Log(), "-/sink", "no service 'sink' takes commands"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused_in_words(
    stack: Wisher, action: str, arguments: Arguments, target: str, words: str
):
    reply = await stack.wish(action, arguments, target)
    assert not reply.ok
    assert words in (reply.error or ""), reply.error


def _raw(arguments: Arguments) -> Any:
    from msgspec import Raw
    from msgspec.json import encode

    return Raw(encode(arguments))
