"""Every action of the contract, for success and each way to fail, from plain clients: MQTT 3.1.1 and MQTT 5, with paho
alone. What is asked for and answered here is the contract as a script sees it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
import pytest_asyncio
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from conche.contract import NODE_ACTIONS, SERVICE_ACTIONS, Service, SetMaintenance, SetStarted

from .dataplane import DataPlane, running_data_plane

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}
VERSIONS = {"3.1.1": paho.MQTTv311, "5": paho.MQTTv5}
START_TIME = 1772838439000002880
VALUES = {"coeff": 2.0, "start_time": START_TIME}
BASE = "type: config\nlog_level: info\ncpu_affinity: [0]\ndepth: 4\n"


class Plain:
    """A script: it publishes, and hears what is said on its reply topics."""

    def __init__(self, stack: DataPlane, version: str, account: str = "operator") -> None:
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[tuple[str, dict[str, Any], bytes | None]] = asyncio.Queue()
        self._account = account
        self._version = version
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=VERSIONS[version])
        self._client.username_pw_set(account, stack.mosquitto.password(account))
        self._client.on_message = self._on_message
        self._stack = stack

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        if "/cli-" in message.topic:
            return  # to what the test itself asked for, by conche's own client
        properties = getattr(message, "properties", None)
        correlation = getattr(properties, "CorrelationData", None)
        heard = (message.topic, json.loads(message.payload), correlation)
        self._loop.call_soon_threadsafe(self._heard.put_nowait, heard)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Plain"]:
        ready = asyncio.Event()
        self._client.on_subscribe = lambda *_: self._loop.call_soon_threadsafe(ready.set)
        await asyncio.to_thread(self._client.connect, "127.0.0.1", self._stack.mosquitto.port)
        self._client.loop_start()
        while not self._client.is_connected():
            await asyncio.sleep(0.01)
        self._client.subscribe(f"conche/reply/{self._account}/+", 1)
        await ready.wait()
        try:
            yield self
        finally:
            self._client.disconnect()
            await asyncio.to_thread(self._client.loop_stop)

    def send(
        self,
        target: str,
        payload: Any,
        *,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> None:
        """Publish a command: ``group/node/action``."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        properties = None
        if response_topic is not None:
            properties = Properties(PacketTypes.PUBLISH)
            properties.ResponseTopic = response_topic
            if correlation is not None:
                properties.CorrelationData = correlation
        topic = f"conche/command/{self._account}/{target}"
        self._client.publish(topic, data, 1, retain, properties)

    async def reply(self, timeout: float = 20) -> dict[str, Any]:
        async with asyncio.timeout(timeout):
            _, self.said, self.correlation = await self._heard.get()
        return self.said

    async def ask(self, target: str, payload: Any, **more: Any) -> dict[str, Any]:
        self.send(target, payload, **more)
        return await self.reply()

    async def hears_nothing_more(self) -> None:
        await asyncio.sleep(0.5)
        assert self._heard.empty(), self._heard.get_nowait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DataPlane]:
    folder: Path = tmp_path_factory.mktemp("commands")
    async with running_data_plane(folder, {"cx": 2, "recv": 1}, speed=3, **QUICK) as running:
        await running.start_all()
        yield running


@pytest_asyncio.fixture(loop_scope="module", params=VERSIONS)
async def script(stack: DataPlane, request: pytest.FixtureRequest) -> AsyncIterator[Plain]:
    async with Plain(stack, request.param).running() as running:
        yield running


def an_id(script: Plain, stem: str) -> str:
    return f"{stem}-{script._version}"


# --- success, an action each


def of(reply: dict[str, Any]) -> dict[str, str]:
    return {key: result["outcome"] for key, result in reply["results"].items()}


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
    wish = {"files": {"vars.yaml": text + f"# {script._version}\n"}}
    planned = await script.ask("-/renderer/plan", {"action": "set_files", "arguments": wish})
    assert planned["plan"]["files"] == ["vars.yaml"]
    assert planned["plan"]["nodes"] == {}
    reply = await script.ask("-/renderer/set_files", {**wish, "plan": planned["plan"]["name"]})
    assert (reply["ok"], reply["results"]) == (True, {})
    read = await script.ask("-/renderer/read_files", {"files": ["vars.yaml", "cx/none.yaml"]})
    assert read["files"] == {**wish["files"], "cx/none.yaml": None}


async def test_the_registry_is_changed_as_a_file_by_admins_alone(script: Plain, stack: DataPlane):
    text = (stack.configs / "nodes.yaml").read_text() + f"# {script._version}\n"
    reply = await script.ask("-/renderer/set_files", {"files": {"nodes.yaml": text}})
    assert "nodes.yaml takes the role admin: set_nodes, set_directory" in reply["error"]
    reply = await script.ask("-/renderer/set_directory", {"files": {"nodes.yaml": text}})
    assert (reply["ok"], reply["error"]) == (True, None)
    log = await script.ask("-/renderer/log", {"limit": 2})
    before = {"commit": log["commits"][1]["id"], "paths": ["nodes.yaml"]}
    reply = await script.ask("-/renderer/rollback", before)
    assert "nodes.yaml takes the role admin" in reply["error"]
    assert (await script.ask("-/renderer/rollback_directory", before))["ok"]
    assert script._version not in (stack.configs / "nodes.yaml").read_text()


async def test_set_nodes(script: Plain):
    groups = {"cx": {"cx1": {}, "cx2": {}}, "recv": {"recv1": {"started": True}}}
    reply = await script.ask("all/all/set_nodes", {"groups": groups})
    assert (reply["ok"], reply["error"]) == (True, None)


async def test_a_command_to_all_is_answered_by_who_answers_and_then_by_each_group(script: Plain):
    script.send("all/all/ping", {"id": an_id(script, "all")})
    replies = {reply["group"]: reply for reply in [await script.reply() for _ in range(3)]}
    assert replies["all"]["groups"] == ["cx", "recv"]
    assert of(replies["cx"]) | of(replies["recv"]) == {"cx/cx1": "ok", "cx/cx2": "ok", "recv/recv1": "ok"}
    await script.hears_nothing_more()


# --- each way to fail

TARGETS = {
    **dict.fromkeys(NODE_ACTIONS, "cx/cx1"),
    **dict.fromkeys(SERVICE_ACTIONS[Service.RENDERER], "-/renderer"),
    "plan": "cx/cx1",
    "set_nodes": "all/all",
}
ACTIONS = list(TARGETS)
GOOD: dict[str, dict[str, Any]] = {
    "set_started": {"started": True},
    "set_maintenance": {"maintenance": True},
    "base_config": {"config_content": BASE},
    "updatable_config": {"endpoint": "gains", "values": VALUES},
    "set_nodes": {"groups": {}},
    "plan": {"action": "updatable_config", "arguments": {"endpoint": "gains", "values": VALUES}},
    "set_files": {"files": {"vars.yaml": ""}},
    "rollback": {"commit": "HEAD"},
    "set_directory": {"files": {"vars.yaml": ""}},
    "rollback_directory": {"commit": "HEAD"},
    "show": {"commit": "HEAD"},
    "read_files": {"files": ["vars.yaml"]},
}
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
    for target in ("cx/cx1", "-/renderer"):
        reply = await script.ask(f"{target}/dance", {})
        assert "there is no action 'dance'; there are" in reply["error"]


async def test_one_that_is_repeated_is_answered_again_and_not_done_again(script: Plain, stack: DataPlane):
    before = await stack.last_entry()
    command = {"id": an_id(script, "twice")}
    first = await script.ask("cx/cx1/resync", command)
    second = await script.ask("cx/cx1/resync", command)
    assert first == second
    assert await stack.writes("cx/cx1", since=before) == ["kill", "start"]
    reply = await script.ask("cx/cx2/resync", command)
    assert "give each command an id of its own" in reply["error"]


async def test_a_node_in_maintenance_is_held_and_a_dead_one_unreachable(script: Plain, stack: DataPlane):
    await stack.command("set_maintenance", SetMaintenance(maintenance=True, reason="fan"), "cx/cx1")
    await stack.sim.fault("cx/cx2", "refuse")
    try:
        await stack.until(lambda found: found["cx/cx2"].state == "down")
        reply = await script.ask("cx/all/resync", {"id": an_id(script, "held")})
        assert of(reply) == {"cx/cx1": "held", "cx/cx2": "unreachable"}
        wish = {"endpoint": "gains", "values": {**VALUES, "coeff": 7.0 + len(script._version)}}
        reply = await script.ask("cx/all/updatable_config", wish)
        assert of(reply) == {"cx/cx1": "held", "cx/cx2": "unreachable"}
        assert of(await script.ask("cx/all/ping", {})) == {"cx/cx1": "ok", "cx/cx2": "unreachable"}
    finally:
        await stack.sim.clear("cx/cx2")
        await stack.command("set_maintenance", SetMaintenance(maintenance=False), "cx/all")
        await stack.command("set_started", SetStarted(started=True), "cx/all")


async def test_ten_megabytes_are_refused_in_words(script: Plain):
    reply = await script.ask("cx/all/base_config", {"config_content": "#" * 10_000_000, "shared": True})
    assert "config_content: more than 8388608 characters" in reply["error"]
    for action in ("ping", "resync"):
        reply = await script.ask(f"cx/all/{action}", {"reason": "x" * 16_100_000})
        assert "length <= 1000 - at `$.reason`" in reply["error"]
    assert (await script.ask("cx/all/ping", {"reason": "x" * 1000}))["ok"]


# --- where the answer goes: MQTT 5 only


@pytest_asyncio.fixture(loop_scope="module")
async def five(stack: DataPlane) -> AsyncIterator[Plain]:
    async with Plain(stack, "5").running() as running:
        yield running


@pytest.mark.parametrize("target", ["cx/cx1/ping", "-/renderer/log"])
async def test_the_answer_goes_to_the_response_topic_with_its_correlation(five: Plain, target: str):
    more = {"response_topic": "conche/reply/operator/mine", "correlation": b"\x00\x01"}
    reply = await five.ask(target, {"id": "elsewhere"}, **more)
    assert (reply["ok"], five.correlation) == (True, b"\x00\x01")


@pytest.mark.parametrize("target", ["cx/cx1/ping", "-/renderer/log"])
async def test_a_response_topic_of_somebody_else_is_refused(five: Plain, target: str):
    reply = await five.ask(target, {}, response_topic="conche/reply/bob/x")
    assert "the response topic must lie under conche/reply/operator/" in reply["error"]
