"""/api/v1 against a whole conche: state, every command with its reply, and questions."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from conche.contract import NODE_ACTIONS, SERVICE_ACTIONS, least_role_for
from conche.contract.roles import Role
from conche.gateway.endpoints import ENDPOINTS

from .bus_support import until
from .harness import Mosquitto
from .stack import CONFIG
from .telescope_support import Site, site

NODES = ("cx/cx1", "cx/cx2", "recv/recv1")
GAINS = {"start_time": 2.5, "count": 4}


@pytest.fixture
async def telescope(mosquitto: Mosquitto, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(mosquitto, tmp_path, *NODES) as running:
        yield running


async def get(telescope: Site, path: str, **more: Any) -> Any:
    answer = await telescope.get(f"/api/v1/{path}", **more)
    assert answer.status == 200, answer
    return answer.json


# --- state


async def test_services_groups_and_nodes_are_told_with_the_contracts_own_models(telescope: Site):
    services = (await get(telescope, "services"))["services"]
    assert services["renderer"]["state"] == "online"
    assert services["sync/cx"]["state"] == "online"
    groups = (await get(telescope, "groups"))["groups"]
    assert groups["cx"]["nodes"] == ["cx1", "cx2"]
    assert groups["cx"]["trouble"] is None
    nodes = (await get(telescope, "nodes"))["nodes"]
    assert set(nodes) == set(NODES)
    assert nodes["cx/cx1"]["status"]["state"] == "stopped"
    assert (await get(telescope, "groups/recv"))["nodes"] == ["recv1"]
    assert set((await get(telescope, "registry"))["groups"]) == {"cx", "recv"}


async def test_a_node_is_told_with_what_it_should_run_and_what_it_runs(telescope: Site):
    await telescope.run_all()
    one = await get(telescope, "nodes/cx/cx1")
    assert one["status"]["state"] == "started"
    assert one["desired"]["config"] is None
    desired = await get(telescope, "nodes/cx/cx1/desired")
    assert desired["config"]["gains"]["count"] == 3
    live = await get(telescope, "nodes/cx/cx1/live")
    assert live["inspection"]["config"]["gains"]["count"] == 3
    assert live["inspection"]["revision"] == desired["revision"]


async def test_a_diff_names_the_paths_that_differ(telescope: Site):
    await telescope.run_all()
    await telescope.command("nodes/cx/cx1/set_maintenance", {"maintenance": True})
    assert (await get(telescope, "nodes/cx/cx1/diff"))["inspection"]["paths"] == []
    telescope.stack.write("cx/cx1.yaml", CONFIG.replace("info", "debug"))
    async with asyncio.timeout(20):
        while not (paths := (await get(telescope, "nodes/cx/cx1/diff"))["inspection"]["paths"]):
            await asyncio.sleep(0.05)
    assert paths == ['log_level: desired "debug", runs "info"']


@pytest.mark.parametrize(
    "path",
    [
        "groups/cy", "groups/all", "nodes/cx/cx9", "nodes/cy/cx1", "nodes/all/all", "nodes/c*/cx1",
        "nodes/cx/+", "nodes/cx/%23/desired", "nodes/cx/cx9/live", "nodes/cx/cx9/diff", "commands/nobodys",
    ],
)  # fmt: skip
async def test_what_there_is_not_is_not_found(telescope: Site, path: str):
    answer = await telescope.get(f"/api/v1/{path}")
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json["status"] == 404


async def test_an_unknown_name_is_told_with_what_is_near(telescope: Site):
    answer = await telescope.get("/api/v1/nodes/cx/cx11")
    assert "did you mean cx/cx1" in answer.json["detail"]


async def test_state_that_has_not_changed_is_not_sent_again_and_comes_compressed(telescope: Site):
    first = await telescope.get("/api/v1/registry", headers={"Accept-Encoding": "gzip"})
    assert first.headers["Content-Encoding"] == "gzip"
    known = {"If-None-Match": first.headers["ETag"]}
    assert (await telescope.get("/api/v1/registry", headers=known)).status == 304
    telescope.stack.write("nodes.yaml", "groups: {cx: {cx1: {host: 127.0.0.1}}}")
    async with asyncio.timeout(20):
        while (await telescope.get("/api/v1/registry", headers=known)).status == 304:
            await asyncio.sleep(0.05)


async def test_the_strip_and_the_instrument_say_that_their_services_are_not_there(telescope: Site):
    strip = await get(telescope, "strip")
    assert strip["services"]["colour"] == "green"
    assert strip["fpga"]["colour"] == strip["eop"]["colour"] == "grey"
    assert (await telescope.get("/api/v1/fpga")).status == 503
    await telescope.begin("fpga")
    telescope_ = telescope.gateway.built.desk.telescope
    await until(lambda: telescope_.picture.fpga is not None)
    assert (await get(telescope, "fpga"))["state"] == "unconfigured"
    assert (await get(telescope, "strip"))["fpga"]["text"] == "FPGA: not configured"


async def test_a_lost_worker_makes_the_strip_red(telescope: Site):
    await telescope.end("sync", "sync/cx")
    services = (await get(telescope, "strip"))["services"]
    assert services["colour"] == "red"
    assert "sync/cx was stopped" in services["tooltip"]


# --- commands


async def test_a_command_is_answered_with_the_reply_of_each_group(telescope: Site):
    done = await telescope.command("nodes/all/all/set_maintenance", {"maintenance": False, "reason": "test"})
    assert done["ok"] is True
    assert done["state"] == "answered"
    assert done["user"] == "script-admin"
    assert sorted(reply["group"] for reply in done["replies"]) == ["cx", "recv"]
    results = {key: one["outcome"] for reply in done["replies"] for key, one in reply["results"].items()}
    assert results == dict.fromkeys(NODES, "ok")
    await telescope.stack.until_node("cx/cx1", lambda status: not status.maintenance.on)


async def test_a_command_acts_for_the_person_who_sent_it(telescope: Site):
    await telescope.command(
        "nodes/cx/cx1/set_maintenance", {"maintenance": True, "reason": "mirror"}, role=Role.OPERATOR
    )
    await telescope.stack.until_node(
        "cx/cx1", lambda s: s.maintenance.by == "script-operator" and s.maintenance.reason == "mirror"
    )


async def test_nobody_sends_a_command_in_the_name_of_another(telescope: Site):
    answer = await telescope.post("/api/v1/nodes/cx/cx1/ping", {"user": "vera"})
    assert answer.status == 422
    assert "you are script-admin" in answer.json["detail"]


async def test_a_command_that_nobody_waits_for_is_asked_for_later(telescope: Site):
    answer = await telescope.post("/api/v1/nodes/cx/all/ping", {}, headers={"Prefer": "respond-async"})
    assert answer.status == 202
    assert answer.json["state"] == "waiting"
    assert answer.json["ok"] is None
    where = answer.headers["Location"]
    async with asyncio.timeout(20):
        while (later := (await telescope.get(where, role=Role.ADMIN)).json)["state"] == "waiting":
            await asyncio.sleep(0.02)
    assert later["replies"][0]["results"]["cx/cx1"]["ok"] is True
    assert (await telescope.get(where, role=Role.VIEWER)).status == 404, "it is somebody else's"
    answer = await telescope.post("/api/v1/nodes/cx/all/ping?wait=0", {})
    assert answer.status == 202


async def test_a_command_that_is_sent_twice_with_its_key_is_carried_out_once(telescope: Site):
    await telescope.run_all()
    key = {"Idempotency-Key": "restart-1"}
    first = await telescope.command("nodes/cx/cx1/resync", {}, headers=key)
    pushed = (await get(telescope, "nodes/cx/cx1"))["status"]["last_push"]
    again = await telescope.command("nodes/cx/cx1/resync", {}, headers=key)
    assert again == first
    assert first["id"] == "restart-1"
    assert (await get(telescope, "nodes/cx/cx1"))["status"]["last_push"] == pushed


async def test_the_key_of_another_command_is_refused(telescope: Site):
    key = {"Idempotency-Key": "one"}
    await telescope.command("nodes/cx/cx1/ping", {}, headers=key)
    for path, role in (
        ("cx/cx2/ping", Role.ADMIN),
        ("cx/cx1/inspect", Role.ADMIN),
        ("cx/cx1/ping", Role.VIEWER),
    ):
        answer = await telescope.post(f"/api/v1/nodes/{path}", {}, headers=key, role=role)
        assert answer.status == 409, path


@pytest.mark.parametrize("key", ["", "a b", "x" * 49, "ä", "a/b"])
async def test_a_key_that_can_be_no_id_is_refused(telescope: Site, key: str):
    answer = await telescope.post("/api/v1/nodes/cx/cx1/ping", {}, headers={"Idempotency-Key": key})
    assert answer.status == 422
    assert "Idempotency-Key" in answer.json["detail"]


async def test_what_a_service_refuses_is_told_in_its_words(telescope: Site):
    wish = {"endpoint": "gains", "values": {"start_time": 1.5}}
    answer = await telescope.post("/api/v1/nodes/cx/cx1/updatable_config", wish)
    assert answer.status == 422
    assert answer.json["type"] == "urn:conche:problem:refused"
    assert "count" in answer.json["detail"]
    assert answer.headers["Location"].startswith("/api/v1/commands/")


async def test_some_values_are_completed_by_those_that_are_desired(telescope: Site):
    await telescope.run_all()
    wish = {"endpoint": "gains", "values": {"count": 8}}
    answer = await telescope.gateway.ask(
        "PATCH", "/api/v1/nodes/cx/all/updatable_config", role=Role.OPERATOR, json=wish
    )
    assert answer.status == 200
    assert answer.json["ok"] is True
    gains = (await get(telescope, "nodes/cx/cx2/live"))["inspection"]["config"]["gains"]
    assert (gains["count"], gains["start_time"]) == (8, 1.5)


@pytest.mark.parametrize(
    ("path", "values"), [("cx/cx2", {"count": 8}), ("cx/cx1", {"count": 9}), ("cx/cx1", {"start_time": 2.5})]
)
async def test_some_values_under_the_key_of_another_command_are_refused(
    telescope: Site, path: str, values: dict[str, Any]
):
    async def patch(path: str, values: dict[str, Any]) -> Any:
        return await telescope.gateway.ask(
            "PATCH", f"/api/v1/nodes/{path}/updatable_config", role=Role.OPERATOR,
            json={"endpoint": "gains", "values": values}, headers={"Idempotency-Key": "one"},
        )  # fmt: skip

    first = await patch("cx/cx1", {"count": 8})
    assert (await patch("cx/cx1", {"count": 8})).json["id"] == first.json["id"]
    assert (await patch(path, values)).status == 409


async def test_a_key_that_is_not_given_and_in_which_nodes_differ_is_told(telescope: Site):
    wish = {"endpoint": "gains", "values": GAINS}
    await telescope.command("nodes/cx/cx1/updatable_config", wish)
    await until(
        lambda: (
            telescope.gateway.built.desk.telescope.picture.desired["cx", "cx1"].updatable
            != telescope.gateway.built.desk.telescope.picture.desired["cx", "cx2"].updatable
        )
    )
    answer = await telescope.gateway.ask(
        "PATCH", "/api/v1/nodes/cx/all/updatable_config", role=Role.OPERATOR,
        json={"endpoint": "gains", "values": {"count": 8}},
    )  # fmt: skip
    assert answer.status == 422
    assert "differ in it" in answer.json["detail"]


async def test_a_change_is_planned_and_then_carried_out_as_it_was_planned(telescope: Site):
    wish = {"action": "base_config", "arguments": {"config_content": CONFIG.replace("info", "debug")}}
    plan = (await telescope.command("nodes/cx/cx1/plan", wish, role=Role.OPERATOR))["replies"][0]["plan"]
    assert plan["nodes"]["cx/cx1"]["paths"]
    done = await telescope.command(
        "nodes/cx/cx1/base_config", {**wish["arguments"], "plan": plan["name"], "reason": "less talk"}
    )
    assert done["replies"][0]["commit"]
    stale = await telescope.post(
        "/api/v1/nodes/cx/cx1/base_config", {"config_content": CONFIG, "plan": plan["name"]}
    )
    assert stale.status == 422
    assert "the world has moved" in stale.json["detail"]


async def test_history_is_shown_and_taken_back(telescope: Site):
    before = await get(telescope, "files?names=cx/cx1.yaml")
    await telescope.command(
        "services/renderer/set_files",
        {"files": {"cx/cx1.yaml": CONFIG.replace("info", "debug")}, "started_from": before["commit"]},
        role=Role.ENGINEER,
    )
    newest, *_ = (await get(telescope, "log?limit=5"))["commits"]
    assert newest["author"] == "script-engineer"
    assert "+log_level: debug" in (await get(telescope, f"log/{newest['id']}"))["patch"]
    await telescope.command("services/renderer/rollback", {"commit": before["commit"]}, role=Role.ENGINEER)
    assert (await get(telescope, "files?names=cx/cx1.yaml"))["files"] == before["files"]
    assert (await telescope.get("/api/v1/log/nothing-like-it")).status == 422


async def test_nodes_are_changed_by_admins(telescope: Site):
    path, wish = "nodes/all/all/set_nodes", {"groups": {"cx": {"cx1": {}}}}
    assert (await telescope.post(f"/api/v1/{path}", wish, role=Role.ENGINEER)).status == 403
    await telescope.command(path, wish)
    await until(lambda: list(telescope.gateway.built.desk.telescope.picture.groups) == ["cx"])


async def test_events_are_read_from_the_journal(telescope: Site):
    assert (await telescope.get("/api/v1/events")).status == 503
    await telescope.begin("journal")
    await telescope.command("nodes/cx/cx1/set_maintenance", {"maintenance": True, "reason": "so"})
    async with asyncio.timeout(20):
        while not (found := (await get(telescope, "events?targets=cx/cx1&kinds=switch&limit=5"))["events"]):
            await asyncio.sleep(0.05)
    assert found[0]["event"]["user"] == "script-admin"
    assert (await telescope.get("/api/v1/events?kinds=nonsense")).status == 422


# --- who is not there


async def test_a_command_for_a_service_that_is_not_there_is_refused_at_once(telescope: Site):
    await telescope.end("sync", "sync/recv")
    await until(lambda: telescope.gateway.built.desk.telescope.picture.unserved("cx"))
    for path in ("nodes/cx/cx1/ping", "nodes/all/all/ping", "services/eop/run", "services/journal/events"):
        answer = await telescope.post(f"/api/v1/{path}", {})
        assert answer.status == 503, path
        assert "Retry-After" in answer.headers
    assert (await telescope.get("/api/v1/nodes/cx/cx1")).json["trouble"].startswith("no worker serves it")
    await telescope.end("renderer", "renderer")
    assert (await telescope.get("/api/v1/log")).status == 503
    wish = {"endpoint": "gains", "values": GAINS}
    assert (await telescope.post("/api/v1/nodes/cx/cx1/updatable_config", wish)).status == 503


async def test_a_service_that_says_nothing_is_not_waited_for_longer_than_is_wished(
    telescope: Site, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("conche.commands.answers.Answers._send", lambda _self, _envelope, reply: reply)
    answer = await telescope.post("/api/v1/nodes/cx/cx1/ping?wait=0.3", {})
    assert answer.status == 202
    assert answer.json["unanswered"] == {"cx/cx1": "has not answered yet"}


async def test_without_a_broker_everything_says_so(telescope: Site):
    telescope.stack.broker.stop()
    bus = telescope.gateway.built.desk.bus
    await until(lambda: not bus.connected)
    for method, path in (
        ("GET", "nodes"), ("GET", "strip"), ("GET", "log"), ("GET", "events/stream"), ("GET", "nodes/cx/cx1/live"),
        ("POST", "nodes/cx/cx1/ping"), ("POST", "nodes/all/all/set_nodes"), ("POST", "services/eop/run"),
    ):  # fmt: skip
        answer = await telescope.gateway.ask(
            method, f"/api/v1/{path}", role=Role.ADMIN, json={"groups": {}} if method == "POST" else None
        )
        assert answer.status == 503, path
        assert "broker" in answer.json["detail"]


# --- every action


def test_there_is_a_row_for_each_action_with_the_role_that_the_broker_would_ask_for():
    rows = {(row.path, row.least) for row in ENDPOINTS if row.method == "POST"}
    expected = {(f"/api/v1/nodes/{{group}}/{{node}}/{a}", least_role_for(a)) for a in NODE_ACTIONS}
    expected |= {
        (f"/api/v1/services/{service}/{a}", least_role_for(a))
        for service, actions in SERVICE_ACTIONS.items()
        for a in actions
    }
    assert expected <= rows
