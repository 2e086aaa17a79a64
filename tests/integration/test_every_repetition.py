"""Every action of the contract sent again under its id, with other arguments, to a response topic, and to nodes that
are held or dead; from plain clients.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from conche.contract import EditAction, SetMaintenance, SetStarted

from .dataplane import DataPlane
from .scripting import ACTIONS, GOOD, TARGETS, VALUES, VERSIONS, Plain, everything_running, of

pytestmark = pytest.mark.asyncio(loop_scope="module")

Wish = dict[str, Any]
COMMITS = "-/renderer/log"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DataPlane]:
    async with everything_running(tmp_path_factory.mktemp("repetitions")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", params=VERSIONS)
async def script(stack: DataPlane, request: pytest.FixtureRequest) -> AsyncIterator[Plain]:
    async with Plain(stack, request.param).running() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def five(stack: DataPlane) -> AsyncIterator[Plain]:
    async with Plain(stack, "5").running() as running:
        yield running


class Desk:
    """What is to be changed, as it is now; each change is another than all before."""

    count = 0

    def __init__(self, stack: DataPlane, script: Plain) -> None:
        self._stack = stack
        self.script = script

    def text(self, name: str) -> str:
        Desk.count += 1
        return f"{(self._stack.configs / name).read_text()}# {Desk.count}\n"

    def coeff(self) -> float:
        Desk.count += 1
        return 2.0 + Desk.count / 100

    async def commit(self) -> str:
        """The newest."""
        return str((await self.script.ask(COMMITS, {"limit": 1}))["commits"][0]["id"])

    async def wish(self, action: str) -> Wish:
        """A change that was never made before."""
        match action:
            case "set_started" | "set_maintenance":
                return {"started": False} if action == "set_started" else {"maintenance": True}
            case "base_config":
                return {"config_content": self.text("cx/base.j2"), "shared": True}
            case "updatable_config":
                return {"endpoint": "gains", "values": {**VALUES, "coeff": self.coeff()}}
            case "set_nodes":
                was = "started: true" in (self._stack.configs / "nodes.yaml").read_text()
                return {"groups": {"cx": {"cx1": {}, "cx2": {}}, "recv": {"recv1": {"started": not was}}}}
            case "set_files":
                return {"files": {"vars.yaml": self.text("vars.yaml")}}
            case "set_directory":
                return {"files": {"nodes.yaml": self.text("nodes.yaml")}}
            case "rollback" | "rollback_directory":
                before, change = await self.commit(), action.replace("rollback", "set")
                change = change if change == "set_directory" else "set_files"
                made = await self.script.ask(f"-/renderer/{change}", await self.wish(change))
                assert made["ok"], made
                name = "nodes.yaml" if change == "set_directory" else "vars.yaml"
                return {"commit": before, "paths": [name]}
        return dict(GOOD.get(action, {}))


OTHERS: dict[str, Callable[[Wish], Wish]] = {
    "set_started": lambda wish: {"started": not wish["started"]},
    "set_maintenance": lambda wish: {"maintenance": not wish["maintenance"]},
    "base_config": lambda wish: {**wish, "config_content": wish["config_content"] + "# other\n"},
    "updatable_config": lambda wish: {**wish, "values": {**wish["values"], "coeff": 1.5}},
    "set_nodes": lambda _: {"groups": {"cx": {"cx1": {}, "cx2": {}}, "recv": {"recv1": {"port": 9}}}},
    "set_files": lambda wish: {"files": {**wish["files"], "cx/other.j2": "other\n"}},
    "rollback": lambda wish: {**wish, "commit": "HEAD"},
    "set_directory": lambda wish: {"files": {**wish["files"], "cx/other.j2": "other\n"}},
    "rollback_directory": lambda wish: {**wish, "commit": "HEAD"},
    "run": lambda _: {"dry_run": True},
}
CHANGING = ["resync", *OTHERS]
WRITES = {"set_started": ["kill"], "resync": ["kill", "start"], "updatable_config": ["update"]}


async def mend(stack: DataPlane) -> None:
    """Have every node run what is desired."""
    await stack.sim.clear("cx/cx2")
    await stack.command("set_maintenance", SetMaintenance(maintenance=False))
    await stack.command("set_started", SetStarted(started=True))
    await stack.start_all()


@pytest.mark.parametrize("action", CHANGING)
async def test_one_that_is_repeated_is_answered_again_and_done_once_and_no_other_may_bear_its_id(
    script: Plain, stack: DataPlane, action: str
):
    desk, target = Desk(stack, script), f"{TARGETS[action]}/{action}"
    wish = {**await desk.wish(action), "id": f"{action}-{script.version}"}
    before = await stack.last_entry()
    first = await script.ask(target, wish)
    assert (first["ok"], first["error"]) == (True, None), first
    head = await desk.commit()
    assert await script.ask(target, {**wish, "reason": "heard nothing"}) == first
    other = OTHERS[action](wish) if action in OTHERS else {"user": "operator"}
    refused = await script.ask(target, {**other, "id": wish["id"]})
    assert not refused["ok"]
    assert f"is that of {action} of {TARGETS[action]} with other arguments" in refused["error"]
    assert await stack.writes("cx/cx1", since=before) == WRITES.get(action, [])
    commits = (await script.ask(COMMITS, {"limit": 20}))["commits"]
    mine = [one for one in commits if one["trailers"].get("Command-Id") == f"operator/{wish['id']}"]
    assert [one["id"] for one in mine] == ([first["commit"]] if action in set(EditAction) else [])
    assert commits[0]["id"] == head
    await mend(stack)


async def test_an_id_of_one_node_s_command_is_refused_for_another_node(script: Plain, stack: DataPlane):
    identity = {"id": f"other-node-{script.version}"}
    first = await script.ask("cx/cx1/set_started", {"started": True, **identity})
    assert first["ok"], first
    before = await stack.last_entry()
    reply = await script.ask("cx/cx2/set_started", {"started": False, **identity})
    assert "is that of set_started of cx/cx1: give each command an id of its own" in reply["error"]
    assert await stack.writes(since=before) == []


# --- where the answer goes: MQTT 5 only


@pytest.mark.parametrize("action", ACTIONS)
async def test_the_answer_goes_to_the_response_topic_with_its_correlation(
    five: Plain, stack: DataPlane, action: str
):
    wish, target = await Desk(stack, five).wish(action), f"{TARGETS[action]}/{action}"
    topic, correlation = "conche/reply/operator/mine", action.encode() + b"\x00"
    reply = await five.ask(target, wish, response_topic=topic, correlation=correlation)
    assert (reply["ok"], reply["id"], reply["action"]) == (True, None, action), reply
    assert (five.topic, five.correlation) == (topic, correlation)
    over = (datetime.now(UTC) - timedelta(seconds=10)).isoformat()
    late = {**wish, "expires_at": over}
    reply = await five.ask(target, late, response_topic=topic, correlation=correlation)
    assert "expired" in reply["error"]
    assert (five.topic, five.correlation) == (topic, correlation)
    await mend(stack)


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_response_topic_of_somebody_else_is_refused(five: Plain, action: str):
    target = f"{TARGETS[action]}/{action}"
    reply = await five.ask(target, GOOD.get(action, {}), response_topic="conche/reply/bob/x")
    assert "the response topic must lie under conche/reply/operator/" in reply["error"]


# --- nodes that are held, or dead

DEPTHS = iter(range(100, 1000))


async def deeper(action: str, desk: Desk) -> Wish:
    """A change by which every node of cx is to run another config."""
    depth = next(DEPTHS)
    content = f"coeff: 1.0\ndepth: {depth}\n"
    match action:
        case "set_files" | "set_directory":
            return {"files": {"vars.yaml": content}}
        case "rollback" | "rollback_directory":
            before = await desk.commit()
            made = await desk.script.ask("-/renderer/set_files", {"files": {"vars.yaml": content}})
            assert made["ok"], made
            return {"commit": before, "paths": ["vars.yaml"]}
        case "base_config":
            wish = await desk.wish(action)
            return {**wish, "config_content": wish["config_content"] + f"more: {depth}\n"}
        case "set_nodes":
            changed = {"vars": {"depth": depth}}
            return {"groups": {"cx": {"cx1": changed, "cx2": changed}, "recv": {"recv1": {}}}}
    return await desk.wish(action)


HALF = {"cx/cx1": "held", "cx/cx2": "unreachable"}
ALL_OF_IT = {**HALF, "recv/recv1": "ok"}
OUTCOMES = {
    "resync": HALF,
    "updatable_config": HALF,
    "base_config": HALF,
    "set_nodes": HALF,
    "set_files": ALL_OF_IT,
    "rollback": ALL_OF_IT,
    "set_directory": ALL_OF_IT,
    "rollback_directory": ALL_OF_IT,
    "ping": {"cx/cx1": "ok", "cx/cx2": "unreachable"},
    "inspect": {"cx/cx1": "ok", "cx/cx2": "unreachable"},
    "set_started": HALF,
    "set_maintenance": {"cx/cx1": "ok", "cx/cx2": "ok"},
}


@pytest.mark.parametrize("action", OUTCOMES)
async def test_a_node_in_maintenance_is_held_and_a_dead_one_unreachable(
    five: Plain, stack: DataPlane, action: str
):
    wish = await deeper(action, Desk(stack, five))
    await stack.command("set_maintenance", SetMaintenance(maintenance=True, reason="fan"), "cx/cx1")
    await stack.sim.fault("cx/cx2", "refuse")
    try:
        await stack.until(lambda found: found["cx/cx2"].state == "down")
        target = TARGETS[action].replace("cx/cx1", "cx/all")
        before = await stack.last_entry()
        reply = await five.ask(f"{target}/{action}", wish)
        assert of(reply) == OUTCOMES[action]
        assert reply["ok"] is (action == "set_maintenance")
        assert await stack.writes("cx/cx1", since=before) == []
    finally:
        if action == "set_nodes":  # else vars.yaml is nothing to them
            usual: Wish = {"cx1": {"vars": None}, "cx2": {"vars": None}}
            await five.ask("all/all/set_nodes", {"groups": {"cx": usual, "recv": {"recv1": {}}}})
        await mend(stack)
