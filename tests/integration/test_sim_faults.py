"""Every fault does what it says, over real connections."""

import asyncio
from typing import Any

import pytest

from conche.sim.host import OrderRefusedError

from .sim_support import GAINS, MINIMAL, UPDATE, Client, Node, running_node


async def unanswered(client: Client, seconds: float = 0.1) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await client.read()


async def started(client: Client, config: Any = GAINS) -> None:
    assert (await client.post("/start", config)).status == 200


async def test_drift_changes_a_value_of_the_base_or_of_a_block_or_the_marker() -> None:
    async with running_node() as node, node.connect() as client:
        await started(client, {**GAINS, "list": [{"a": 1}]})
        node.fault("drift", path="log_level", value="debug")
        node.fault("drift", path="/gains/count", value=9)
        node.fault("drift", path="list/0/a", value=None)
        node.fault("drift", path="gains", marker="other")
        config = (await client.get("/config")).json
        assert (config["log_level"], config["gains"]["count"], config["list"]) == ("debug", 9, [{"a": None}])
        assert config["gains"]["kotekan_update_endpoint"] == "other"
        assert node.view["faults"] == []


async def test_drift_of_what_does_not_run_is_refused() -> None:
    async with running_node() as node, node.connect() as client:
        with pytest.raises(OrderRefusedError, match="nothing"):
            node.fault("drift", path="log_level", value="debug")
        await started(client)
        with pytest.raises(OrderRefusedError, match="no nowhere"):
            node.fault("drift", path="nowhere/at/all", value="debug")


async def test_die_now_and_after_each_start() -> None:
    async with running_node() as node:
        async with node.connect() as client:
            node.fault("die", rc=9)
            await client.end_of_file()
            assert (await node.until("died"))["rc"] == 9
        node.fault("die", rc=2, after_start_s=0.05)
        for count in (2, 3):
            await node.until("listening", count)
            async with node.connect() as client:
                await started(client)
                await client.end_of_file()
                assert (await node.until("died", count))["rc"] == 2


async def test_hang_takes_connections_and_answers_nobody_until_cleared() -> None:
    async with running_node() as node, node.connect() as client:
        node.fault("hang")
        client.request("GET", "/config")
        async with node.connect() as other:
            other.request("GET", "/version")
            await unanswered(other)
            node.clear()
            assert (await client.read()).status == 404
            assert (await other.read()).status == 200


async def test_hang_for_a_time_ends_by_itself() -> None:
    async with running_node() as node, node.connect() as client:
        node.fault("hang", seconds=0.15)
        client.request("GET", "/version")
        await unanswered(client, 0.05)
        assert (await client.read()).status == 200
        assert node.view["faults"] == []


async def test_hang_in_one_path_blocks_those_behind_it() -> None:
    async with running_node() as node, node.connect() as client, node.connect() as other:
        node.fault("hang_in", path="/kill", seconds=0.2)
        assert (await client.get("/status")).status == 200
        client.request("GET", "/kill")
        await asyncio.sleep(0.02)
        other.request("GET", "/status")
        await unanswered(other)
        assert (await client.read()).status == 200
        assert (await other.read()).status == 200


async def test_rejected_start_may_depend_on_revision_or_stage() -> None:
    async with running_node(speed=2) as node, node.connect() as client:
        node.fault("reject_start", words="no such stage", stage="badStage")
        node.fault("reject_start", revision="0" * 32)
        await started(client)
        await client.get("/stop")
        answer = await client.post("/start", {**MINIMAL, "s": {"kotekan_stage": "badStage"}})
        assert (answer.status, answer.message) == (400, "no such stage")
        await client.end_of_file()
        assert (await node.until("died"))["rc"] == 1


@pytest.mark.parametrize(
    ("parameters", "refused"),
    [
        ({}, True),
        ({"values": UPDATE}, True),
        ({"values": {**UPDATE, "count": 5}}, False),
        ({"key": "count", "equals": 4}, True),
        ({"key": "count", "equals": 5}, False),
        ({"key": "count", "less": 5}, True),
        ({"key": "count", "greater": 5}, False),
    ],
)
async def test_refused_values_are_those_asked_for(parameters: dict[str, Any], refused: bool) -> None:
    async with running_node() as node, node.connect() as client:
        await started(client)
        node.fault("reject_value", endpoint="/gains", **parameters)
        assert (await client.post("/gains", UPDATE)).status == (500 if refused else 200)


async def test_flapping_node_dies_and_comes_back_until_cleared() -> None:
    async with running_node() as node:
        node.fault("flap", period_s=0.05)
        await node.until("died", 2)
        node.clear()
        listening = await node.until("listening", 3)
        await asyncio.sleep(0.1)
        assert node.view["process"] == listening["process"]


async def test_refusing_node_is_down_until_cleared() -> None:
    async with running_node() as node:
        node.fault("refuse")
        await node.until("died")
        node.order("start")
        await asyncio.sleep(0.05)
        assert node.view["state"] == "refused"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(node.address.host, node.address.port)
        node.clear()
        await node.until("listening", 2)


async def test_wrong_http_answers() -> None:
    async with running_node() as node:
        async with node.connect() as client:
            node.fault("http", path="/config", status=503, words="busy")
            assert ((await client.get("/config")).status, (await client.get("/status")).status) == (503, 200)
            node.clear()
            node.fault("http", mode="html", status=502)
            answer = await client.get("/config")
            assert (answer.status, answer.body[:6]) == (502, b"<HTML>")
        node.clear()
        node.fault("http", mode="garbage")
        assert not (await first_bytes(node)).startswith(b"HTTP")
        node.clear()
        node.fault("http", mode="half")
        assert b"Content-Length: 4096" in await first_bytes(node)
        node.clear()
        node.fault("http", mode="huge", megabytes=1)
        async with node.connect() as client:
            assert len((await client.get("/config")).body) > 1_000_000


async def first_bytes(node: Node) -> bytes:
    async with node.connect() as client:
        client.request("GET", "/config")
        return bytes(await client.end_of_file())


async def test_stage_that_rewrites_its_own_config() -> None:
    async with running_node() as node, node.connect() as client:
        node.fault("self_rewrite", path="log_level", value="warn", after_s=0.05)
        await started(client)
        assert (await client.get("/config")).json == GAINS
        await asyncio.sleep(0.1)
        assert (await client.get("/config")).json["log_level"] == "warn"


async def test_pipeline_that_finishes_exits_0() -> None:
    async with running_node() as node, node.connect() as client:
        node.fault("finish", after_s=0.05)
        await started(client)
        await client.end_of_file()
        assert (await node.until("died"))["rc"] == 0


async def test_blocked_callback_is_beyond_kill_and_only_a_restart_helps() -> None:
    async with running_node() as node, node.connect() as client, node.connect() as other:
        node.fault("callback_blocks", endpoint="/gains")
        await started(client)
        client.request("POST", "/gains", UPDATE)
        await node.until("waiting")
        other.request("GET", "/kill")
        await unanswered(other)
        node.clear()
        await unanswered(other, 0.05)
        node.order("restart")
        assert await other.end_of_file() == b""
        assert [entry["request"] for entry in node.books("lost")] == ["update", "kill"]
        await node.until("listening", 2)


async def test_five_starts_in_ten_seconds_are_the_last() -> None:
    async with running_node(speed=50) as node:
        for count in range(1, 6):
            await node.until("listening", count)
            node.order("sigkill")
        await node.until("failed")
        assert (node.view["state"], node.view["starts"]) == ("failed", 5)
        node.order("reset-failed")
        assert node.view["state"] == "stopped"
        node.order("start")
        await node.until("listening", 6)


async def test_stopped_unit_stays_down_until_started() -> None:
    async with running_node() as node:
        node.order("stop")
        await node.until("died")
        await asyncio.sleep(0.05)
        assert node.view["state"] == "stopped"
        node.order("start")
        await node.until("listening", 2)


async def test_process_whose_port_is_taken_aborts() -> None:
    async with running_node() as node:
        node.order("stop")
        await node.until("died")
        thief = await asyncio.start_server(lambda r, w: w.close(), node.address.host, node.address.port)
        node.order("start")
        died = await node.until("died", 2)
        assert died["rc"] == 134
        thief.close()
        await thief.wait_closed()
        await node.until("listening", 2)
