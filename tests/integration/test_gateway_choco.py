"""choco's documented API, written from its README: paths, bodies, codes and answers."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from conche.contract.roles import Role

from .bus_support import until
from .harness import Mosquitto
from .stack import CONFIG
from .telescope_support import Site, site, text

NODES = ("cx/cx1", "cx/cx2", "recv/recv1")
WORDS = {"unknown", "down", "idle", "started", "syncing"}
KEYS = {
    "key", "group", "name", "host", "port", "started", "maintenance", "status", "last_seen", "last_seen_ago",
    "version", "version_info", "error", "queue_depth",
}  # fmt: skip
JSON = {"Content-Type": "application/json"}
GAINS = {"start_time": 2.5, "count": 4}


@pytest.fixture
async def choco(mosquitto: Mosquitto, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(mosquitto, tmp_path, *NODES) as running:
        yield running


async def node(choco: Site, key: str) -> dict[str, Any]:
    status = (await choco.get("/api/status")).json
    return next(one for one in status["nodes"] if one["key"] == key)


async def live(choco: Site, key: str) -> dict[str, Any]:
    result = (await choco.get(f"/api/v1/nodes/{key}/live")).json
    config: dict[str, Any] = result["inspection"]["config"]
    return config


async def update(choco: Site, path: str, body: Any, *, role: Role = Role.ENGINEER) -> tuple[int, Any]:
    """As curl does with -H 'Content-Type: application/json' -d."""
    data = body if isinstance(body, str) else text(body)
    answer = await choco.gateway.ask("POST", f"/update/{path}", role=role, data=data, headers=JSON)
    assert answer.headers["Content-Type"].startswith("application/json"), answer
    return answer.status, answer.json


# --- status


async def test_status_counts_the_nodes_and_lists_each_with_chocos_keys(choco: Site):
    status = (await choco.get("/api/status")).json
    assert set(status) == {"summary", "nodes"}
    assert set(status["summary"]) == WORDS | {"total", "started_desired"}
    assert status["summary"]["total"] == len(NODES)
    assert sum(status["summary"][word] for word in WORDS) == len(NODES)
    assert [one["key"] for one in status["nodes"]] == list(NODES)
    for one in status["nodes"]:
        assert set(one) == KEYS
        assert one["key"] == f"{one['group']}/{one['name']}"
        assert one["status"] in WORDS


async def test_a_stopped_node_is_idle_and_comes_up_in_maintenance(choco: Site):
    one = await node(choco, "cx/cx1")
    assert (one["status"], one["started"], one["maintenance"]) == ("idle", False, True)
    assert one["version"]
    assert one["version_info"]["kotekan_version"] == one["version"]
    assert one["error"] is None


async def test_when_a_node_was_seen_is_told_in_seconds_and_in_words(choco: Site):
    async with asyncio.timeout(20):
        while (one := await node(choco, "cx/cx1"))["last_seen"] is None:
            await asyncio.sleep(0.05)
    assert time.time() - 30 < one["last_seen"] <= time.time()
    assert one["last_seen_ago"].endswith("s ago")


async def test_nodes_are_listed_by_group(choco: Site):
    registry = (await choco.get("/api/nodes")).json
    assert list(registry) == ["groups"]
    assert [one["name"] for one in registry["groups"]["cx"]] == ["cx1", "cx2"]
    for one in registry["groups"]["recv"]:
        assert set(one) == {"name", "host", "port", "started"}


async def test_status_that_has_not_changed_is_not_sent_again(choco: Site):
    first = await choco.get("/api/nodes")
    again = await choco.get("/api/nodes", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


# --- the curl lines


async def test_a_node_is_started_and_stopped_as_the_curl_lines_do(choco: Site):
    await update(choco, "cx", {"action": "set_maintenance", "maintenance": False})
    started = await update(choco, "cx/cx1", {"action": "set_started", "started": True}, role=Role.OPERATOR)
    assert started == (200, {"status": "ok", "node": "cx/cx1", "started": True})
    await choco.stack.until_node("cx/cx1", lambda status: status.state == "started")
    stopped = await update(choco, "cx/cx1", {"action": "set_started", "started": False})
    assert stopped == (200, {"status": "ok", "node": "cx/cx1", "started": False})
    await choco.stack.until_node("cx/cx1", lambda status: status.state == "stopped")


async def test_a_whole_group_is_started_and_stopped_as_the_curl_lines_do(choco: Site):
    out = await update(choco, "cx", {"action": "set_maintenance", "maintenance": False})
    assert out == (200, {"status": "ok", "group": "cx", "maintenance": False})
    assert await update(choco, "cx", {"action": "set_started", "started": True}) == (
        200, {"status": "ok", "group": "cx", "started": True},
    )  # fmt: skip
    for key in ("cx/cx1", "cx/cx2"):
        await choco.stack.until_node(key, lambda status: status.state == "started")
    assert (await node(choco, "recv/recv1"))["status"] == "idle"


async def test_maintenance_is_set_for_one_node(choco: Site):
    out = await update(choco, "cx/cx1", {"action": "set_maintenance", "maintenance": False})
    assert out == (200, {"status": "ok", "node": "cx/cx1", "maintenance": False})
    assert (await update(choco, "cx/cx1", {"action": "set_maintenance", "maintenance": True}))[0] == 200
    await choco.stack.until_node(
        "cx/cx1", lambda s: s.maintenance.on and s.maintenance.by == "script-engineer"
    )


# --- configs


async def test_a_base_config_is_queued_and_written(choco: Site):
    content = CONFIG.replace("info", "debug")
    out = await update(choco, "cx/cx1", {"action": "base_config", "config_content": content})
    assert out == (200, {"status": "queued", "node": "cx/cx1", "action": "base_config"})
    assert (choco.stack.settings.renderer.configs / "cx/cx1.yaml").read_text() == content


async def test_a_base_config_goes_to_a_whole_group(choco: Site):
    content = CONFIG.replace("info", "debug")
    out = await update(choco, "cx", {"action": "base_config", "config_content": content})
    assert out == (200, {"status": "queued", "group": "cx", "action": "base_config"})
    for name in ("cx1", "cx2"):
        assert (choco.stack.settings.renderer.configs / f"cx/{name}.yaml").read_text() == content


@pytest.mark.parametrize("content", ["", "- a list", "x: {{ nobody_knows_this }}", "a: [", "{% if %}"])
async def test_a_base_config_that_does_not_render_is_refused(choco: Site, content: str):
    code, body = await update(choco, "cx/cx1", {"action": "base_config", "config_content": content})
    assert code == 400
    assert body["error"].startswith("Invalid config: ")
    assert (choco.stack.settings.renderer.configs / "cx/cx1.yaml").read_text() == CONFIG


async def test_updatable_values_are_queued_and_reach_a_node_that_runs(choco: Site):
    await choco.run_all()
    wish = {"action": "updatable_config", "endpoint": "gains", "values": GAINS}
    assert await update(choco, "cx", wish, role=Role.OPERATOR) == (
        200, {"status": "queued", "group": "cx", "action": "updatable_config"},
    )  # fmt: skip
    async with asyncio.timeout(20):  # queued, so it comes later
        while (await live(choco, "cx/cx1"))["gains"]["start_time"] != 2.5:
            await asyncio.sleep(0.05)


async def test_some_values_of_a_block_are_enough_as_in_choco(choco: Site):
    wish = {"action": "updatable_config", "endpoint": "gains", "values": {"count": 9}}
    assert (await update(choco, "cx/cx1", wish))[0] == 200
    gains = (await choco.get("/api/v1/nodes/cx/cx1/desired")).json["config"]["gains"]
    assert (gains["start_time"], gains["count"]) == (1.5, 9)


@pytest.mark.parametrize(
    ("values", "word"), [({"count": "four"}, "count"), ({"cuont": 4}, "did you mean count")]
)
async def test_values_that_do_not_fit_are_refused(choco: Site, values: dict[str, Any], word: str):
    code, body = await update(
        choco, "cx/cx1", {"action": "updatable_config", "endpoint": "gains", "values": values}
    )
    assert code == 400
    assert word in body["error"]


# --- wrong requests


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"action": "updatable_config"}, "endpoint and values are required"),
        ({"action": "updatable_config", "endpoint": "gains"}, "endpoint and values are required"),
        ({"action": "updatable_config", "values": {}}, "endpoint and values are required"),
        ({"action": "set_started"}, "started must be a boolean"),
        ({"action": "set_started", "started": 1}, "started must be a boolean"),
        ({"action": "set_started", "started": "true"}, "started must be a boolean"),
        ({"action": "set_maintenance", "maintenance": None}, "maintenance must be a boolean"),
        ({"action": "explode"}, "Unknown action 'explode'"),
        ({}, "Unknown action ''"),
        ("not JSON", "Unknown action ''"),
        ("[1, 2]", "Unknown action ''"),
        ("", "Unknown action ''"),
    ],
)
@pytest.mark.parametrize("path", ["cx", "cx/cx1"])
async def test_a_wrong_body_is_refused_in_chocos_words(choco: Site, path: str, body: Any, error: str):
    assert await update(choco, path, body) == (400, {"error": error})


async def test_a_body_that_does_not_say_that_it_is_json_is_none(choco: Site):
    answer = await choco.gateway.ask(
        "POST", "/update/cx", role=Role.OPERATOR, data=text({"action": "set_started", "started": True}),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )  # fmt: skip
    assert (answer.status, answer.json) == (400, {"error": "Unknown action ''"})


async def test_groups_and_nodes_that_there_are_not_are_told_before_anything_else(choco: Site):
    assert await update(choco, "cy", "no JSON") == (404, {"error": "Group 'cy' not found"})
    assert await update(choco, "all", {"action": "set_started", "started": True}) == (
        404, {"error": "Group 'all' not found"},
    )  # fmt: skip
    assert await update(choco, "cx/cx9", {}) == (404, {"error": "Node 'cx/cx9' not found"})


# --- who may


async def test_nobody_is_let_in_for_his_address(choco: Site):
    for method, path in (("GET", "/api/status"), ("GET", "/api/nodes"), ("POST", "/update/cx")):
        answer = await choco.gateway.ask(method, path)
        assert answer.status == 401
        assert set(answer.json) == {"error"}
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_the_role_follows_from_the_action(choco: Site):
    base = {"action": "base_config", "config_content": CONFIG}
    code, body = await update(choco, "cx/cx1", base, role=Role.OPERATOR)
    assert code == 403
    assert "engineer" in body["error"]
    code, body = await update(choco, "cx/cx1", {"action": "set_started", "started": True}, role=Role.VIEWER)
    assert code == 403
    assert "operator" in body["error"]


# --- what choco has no word for


async def test_a_group_without_a_worker_is_unknown_and_takes_no_switch(choco: Site):
    await choco.stack.end("sync")
    births = choco.gateway.built.desk.telescope.picture.births
    await until(lambda: births["sync/cx"].state == "offline")
    one = await node(choco, "cx/cx1")
    assert one["status"] == "unknown"
    assert "no worker serves it" in one["error"]
    code, body = await update(choco, "cx", {"action": "set_started", "started": True})
    assert code == 503
    assert "no worker serves it" in body["error"]


async def test_without_a_broker_nothing_is_told_as_if_it_were_of_now(choco: Site):
    bus = choco.gateway.built.desk.bus
    choco.stack.broker.stop()
    await until(lambda: not bus.connected)
    answer = await choco.get("/api/status")
    assert answer.status == 503
    assert "broker is away" in answer.json["error"]
    assert (await update(choco, "cx", {"action": "set_started", "started": True}))[0] == 503
