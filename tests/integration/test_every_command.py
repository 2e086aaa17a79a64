"""Every action of the contract, for success and each way to be refused, from plain clients: MQTT 3.1.1 and MQTT 5.

What is asked for and answered here is the contract as a script sees it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from .dataplane import DataPlane
from .scripting import (
    ACTIONS,
    GOOD,
    START_TIME,
    TARGETS,
    VALUES,
    VERSIONS,
    Plain,
    an_id,
    everything_running,
    of,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DataPlane]:
    async with everything_running(tmp_path_factory.mktemp("commands")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", params=VERSIONS)
async def script(stack: DataPlane, request: pytest.FixtureRequest) -> AsyncIterator[Plain]:
    async with Plain(stack, request.param).running() as running:
        yield running


# --- success, an action each


async def test_set_started(script: Plain):
    for started in (False, True):
        reply = await script.ask(
            "cx/cx2/set_started", {"started": started, "id": an_id(script, f"s{started}")}
        )
        assert (reply["ok"], of(reply)) == (True, {"cx/cx2": "ok"})


async def test_set_maintenance(script: Plain):
    for on in (True, False):
        reply = await script.ask("cx/all/set_maintenance", {"maintenance": on, "reason": "tea"})
        assert (reply["ok"], of(reply)) == (True, {"cx/cx1": "ok", "cx/cx2": "ok"})


async def test_resync(script: Plain, stack: DataPlane):
    before = await stack.last_entry()
    reply = await script.ask("recv/recv1/resync", {"id": an_id(script, "r")})
    assert (reply["ok"], of(reply)) == (True, {"recv/recv1": "ok"})
    assert await stack.writes("recv/recv1", since=before) == ["kill", "start"]


async def test_ping(script: Plain):
    reply = await script.ask("cx/all/ping", {})
    assert (reply["ok"], of(reply)) == (True, {"cx/cx1": "ok", "cx/cx2": "ok"})
    assert reply["results"]["cx/cx1"]["inspection"]["latency_s"] < 1


async def test_inspect(script: Plain):
    reply = await script.ask("cx/cx1/inspect", {"config": True})
    found = reply["results"]["cx/cx1"]["inspection"]
    assert found["config"]["log_level"] == "info"
    assert found["paths"] == []


async def test_updatable_config(script: Plain):
    for coeff in (2, 1.0):
        wish = {"endpoint": "gains", "values": {**VALUES, "coeff": coeff}}
        reply = await script.ask("cx/all/updatable_config", wish)
        assert (reply["ok"], of(reply)) == (True, {"cx/cx1": "ok", "cx/cx2": "ok"})
        assert len(reply["commit"]) == 40


async def test_base_config_and_rollback(script: Plain, stack: DataPlane):
    content = (stack.configs / "recv/base.j2").read_text()
    start = (await script.ask("-/renderer/log", {}))["commits"][0]["id"]
    wish = {"config_content": content.replace("depth: ", "depth: 1")}
    reply = await script.ask("recv/all/base_config", wish)
    assert (reply["ok"], of(reply)) == (True, {"recv/recv1": "ok"})
    reply = await script.ask("-/renderer/rollback", {"commit": start, "reason": "too deep"})
    assert (reply["ok"], of(reply)) == (True, {"recv/recv1": "ok"})
    shown = await script.ask("-/renderer/show", {"commit": reply["commit"]})
    assert shown["commits"][0]["reason"] == "too deep"
    assert "+depth: {{ depth }}" in shown["patch"]


async def test_plan_and_set_files(script: Plain, stack: DataPlane):
    text = (stack.configs / "vars.yaml").read_text()
    wish = {"files": {"vars.yaml": text + f"# {script.version}\n"}}
    planned = await script.ask("-/renderer/plan", {"action": "set_files", "arguments": wish})
    assert planned["plan"]["files"] == ["vars.yaml"]
    assert planned["plan"]["nodes"] == {}
    reply = await script.ask("-/renderer/set_files", {**wish, "plan": planned["plan"]["name"]})
    assert (reply["ok"], reply["results"]) == (True, {})
    read = await script.ask("-/renderer/read_files", {"files": ["vars.yaml", "cx/none.yaml"]})
    assert read["files"] == {**wish["files"], "cx/none.yaml": None}


async def test_the_registry_is_changed_as_a_file_by_admins_alone(script: Plain, stack: DataPlane):
    text = (stack.configs / "nodes.yaml").read_text() + f"# {script.version}\n"
    reply = await script.ask("-/renderer/set_files", {"files": {"nodes.yaml": text}})
    assert "nodes.yaml takes the role admin: set_nodes, set_directory" in reply["error"]
    reply = await script.ask("-/renderer/set_directory", {"files": {"nodes.yaml": text}})
    assert (reply["ok"], reply["error"]) == (True, None)
    log = await script.ask("-/renderer/log", {"limit": 2})
    before = {"commit": log["commits"][1]["id"], "paths": ["nodes.yaml"]}
    reply = await script.ask("-/renderer/rollback", before)
    assert "nodes.yaml takes the role admin" in reply["error"]
    assert (await script.ask("-/renderer/rollback_directory", before))["ok"]
    assert script.version not in (stack.configs / "nodes.yaml").read_text()


async def test_set_nodes(script: Plain):
    groups = {"cx": {"cx1": {}, "cx2": {}}, "recv": {"recv1": {"started": True}}}
    reply = await script.ask("all/all/set_nodes", {"groups": groups})
    assert (reply["ok"], reply["error"]) == (True, None)


async def test_run_of_the_eop_service(script: Plain):
    reply = await script.ask("-/eop/run", {"id": an_id(script, "run")})
    assert (reply["ok"], reply["error"]) == (True, None)
    assert (len(reply["eop"]["entries"]), reply["eop"]["frame0_ns"]) == (6, START_TIME)


async def test_refresh_of_the_fpga_service(script: Plain):
    reply = await script.ask("-/fpga/refresh", {})
    assert (reply["ok"], reply["fpga"]["state"], reply["fpga"]["frame0_ns"]) == (True, "good", START_TIME)


async def test_events_of_the_journal(script: Plain):
    command = an_id(script, "told")
    await script.ask("cx/cx1/set_started", {"started": True, "id": command})
    wish = {"targets": ["cx/cx1"], "kinds": ["command", "reply"], "limit": 2}
    told: list[tuple[str, str]] = []
    async with asyncio.timeout(10):  # it is told a moment after it is answered
        while told != [("reply", command), ("command", command)]:
            reply = await script.ask("-/journal/events", wish)
            assert reply["ok"], reply
            told = [(entry["event"]["kind"], entry["event"].get("command")) for entry in reply["events"]]


async def test_a_command_to_all_is_answered_by_who_answers_and_then_by_each_group(script: Plain):
    script.send("all/all/ping", {"id": an_id(script, "all")})
    replies = {reply["group"]: reply for reply in [await script.reply() for _ in range(3)]}
    assert replies["all"]["groups"] == ["cx", "recv"]
    assert of(replies["cx"]) | of(replies["recv"]) == {"cx/cx1": "ok", "cx/cx2": "ok", "recv/recv1": "ok"}
    await script.hears_nothing_more()


# --- each way to fail

WRONG_TYPES: dict[str, Any] = {
    "set_started": {"started": "yes"},
    "set_maintenance": {"maintenance": 1},
    "inspect": {"config": "no"},
    "base_config": {"config_content": {}},
    "updatable_config": {"endpoint": "gains", "values": [1]},
    "set_nodes": {"groups": []},
    "plan": {"action": "dance"},
    "set_files": {"files": {}},
    "rollback": {"commit": 1},
    "set_directory": {"files": {}},
    "rollback_directory": {"commit": 1},
    "log": {"limit": 0},
    "show": {},
    "read_files": {"files": "x"},
    "run": {"dry_run": "no"},
    "events": {"limit": 0},
}


def past() -> str:
    return (datetime.now(UTC) - timedelta(seconds=10)).isoformat()


FAILURES: dict[str, tuple[Callable[[str], Any], str]] = {
    "not JSON": (lambda _: b"{", "it takes {"),
    "not an object": (lambda _: [1], "it takes {"),
    "not UTF-8": (lambda _: b'{"id": "\xff"}', "it takes {"),
    "wrong types": (lambda action: WRONG_TYPES.get(action, {"reason": 1}), "it takes {"),
    "expired": (lambda action: {**GOOD.get(action, {}), "expires_at": past()}, "expired: expires_at is"),
    "of another person": (lambda action: {**GOOD.get(action, {}), "user": "bob"}, "leave `user` out"),
}


@pytest.mark.parametrize("way", FAILURES)
@pytest.mark.parametrize("action", ACTIONS)
async def test_what_cannot_be_carried_out_is_refused_in_words(
    script: Plain, stack: DataPlane, action: str, way: str
):
    before = await stack.last_entry()
    payload, words = FAILURES[way]
    reply = await script.ask(f"{TARGETS[action]}/{action}", payload(action))
    assert (reply["ok"], reply["action"], reply["results"]) == (False, action, {})
    assert words in reply["error"]
    assert await stack.writes(since=before) == []


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_retained_command_is_refused(script: Plain, action: str):
    target = f"{TARGETS[action]}/{action}"
    script.send(target, GOOD.get(action, {}), retain=True)
    try:
        assert "commands are not retained" in (await script.reply())["error"]
    finally:
        script.send(target, b"", retain=True)
        await asyncio.sleep(0.1)
    while not script._heard.empty():  # the clearing is a retained command itself
        script._heard.get_nowait()


@pytest.mark.parametrize("action", [a for a in ACTIONS if TARGETS[a] == "cx/cx1"])
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("cx/cx9", "there is no node 'cx9' in cx"),
        ("rx/all", "there is no group 'rx'; there are cx, recv"),
        ("all/cx9", "node 'cx9'"),
    ],
)
async def test_a_target_that_there_is_not_is_told(script: Plain, action: str, target: str, words: str):
    reply = await script.ask(f"{target}/{action}", GOOD.get(action, {}))
    assert not reply["ok"]
    assert words in reply["error"]


async def test_an_action_that_there_is_not_is_told_with_those_that_there_are(script: Plain):
    for target in sorted(set(TARGETS.values()) - {"all/all"}):
        reply = await script.ask(f"{target}/dance", {})
        assert "there is no action 'dance'; there are" in reply["error"]


async def test_ten_megabytes_are_refused_in_words(script: Plain):
    reply = await script.ask("cx/all/base_config", {"config_content": "#" * 10_000_000, "shared": True})
    assert "config_content: more than 8388608 characters" in reply["error"]
    for action in ("ping", "resync"):
        reply = await script.ask(f"cx/all/{action}", {"reason": "x" * 16_100_000})
        assert "length <= 1000 - at `$.reason`" in reply["error"]
    assert (await script.ask("cx/all/ping", {"reason": "x" * 1000}))["ok"]
