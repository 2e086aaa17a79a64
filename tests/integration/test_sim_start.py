"""/start, /kill and /stop of a simulated kotekan: every row of the tables in docs of the protocol."""

import asyncio
import json
from typing import Any

import pytest

from .sim_support import GAINS, MINIMAL, running_node

BLOCK = {"kotekan_update_endpoint": "json", "x": 1.0}


async def test_valid_config_is_answered_200_empty_and_runs() -> None:
    async with running_node() as node, node.connect() as client:
        answer = await client.post("/start", MINIMAL)
        assert (answer.status, answer.reason, answer.body) == (200, "OK", b"")
        assert answer.header("Content-Type") == "text/html; charset=ISO-8859-1"
        assert answer.header("Content-Length") == "0"
        assert (await client.get("/status")).body == b'{\n"running": true\n}'


async def test_start_of_a_running_kotekan_is_402_and_changes_nothing() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", MINIMAL)
        answer = await client.post("/start", GAINS)
        assert (answer.status, answer.reason) == (402, "REQUEST_FAILED")
        assert answer.body == b'{"code":402,"message":"Already running"}'
        assert (await client.get("/config")).json == MINIMAL


async def test_empty_body_is_400_html_without_a_reason_and_closes() -> None:
    async with running_node() as node, node.connect() as client:
        answer = await client.post("/start", b"")
        assert (answer.status, answer.reason) == (400, "")
        assert answer.body.startswith(b"<HTML>")
        assert answer.header("Connection") == "close"
        assert await client.end_of_file() == b""
        assert node.view["process"] == 1


@pytest.mark.parametrize(
    "body", [b"{", b"nonsense", b'{"a": NaN}', b'{"a": 1e400}', b'{"a": "\xff"}', b"{'a': 1}"]
)
async def test_syntax_error_stands_in_the_reason_phrase_and_the_process_lives(body: bytes) -> None:
    async with running_node() as node:
        async with node.connect() as client:
            answer = await client.post("/start", body)
            assert answer.status == 400
            assert "json.exception" in answer.reason
            assert answer.body.startswith(b"<HTML>")
            await client.end_of_file()
        async with node.connect() as client:
            assert (await client.get("/status")).json == {"running": False}
            assert node.view["state"] == "idle"


async def test_byte_order_mark_is_accepted() -> None:
    async with running_node() as node, node.connect() as client:
        assert (await client.post("/start", b"\xef\xbb\xbf" + json.dumps(MINIMAL).encode())).status == 200


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "The config option: log_level is required"),
        ([], "The config option: log_level is required"),
        (5, "The config option: log_level is required"),
        (b"null", "The config option: log_level is required"),
        ({"log_level": "info"}, "The config option: cpu_affinity is required"),
        ({**MINIMAL, "log_level": "loud"}, "The value given for log_level: 'loud' is not valid!"),
        ({**MINIMAL, "log_level": 3}, "type must be string"),
        ({**MINIMAL, "cpu_affinity": 0}, "type must be array"),
        ({**MINIMAL, "a": {"kotekan_update_endpoint": "yes"}}, "unknown endpoint type value: yes"),
        ({**MINIMAL, "a": {"kotekan_update_endpoint": 1}}, "type must be string"),
        (
            {**MINIMAL, "s": {"kotekan_stage": "x", "updatable_config": "gains"}, "gains": BLOCK},
            "Failure when calling subscriber to set initial value at endpoint 'gains'",
        ),
        (
            {**MINIMAL, "s": {"kotekan_stage": "x", "updatable_config": "/nowhere"}},
            "Failure when calling subscriber to set initial value at endpoint '/nowhere'",
        ),
    ],
)
async def test_refused_config_is_400_json_and_the_process_exits_1(config: Any, words: str) -> None:
    async with running_node() as node, node.connect() as client:
        answer = await client.post("/start", config)
        assert (answer.status, answer.reason) == (400, "BAD_REQUEST")
        assert words in answer.message
        await client.end_of_file()
        assert (await node.until("died"))["rc"] == 1


async def test_start_while_a_refused_config_takes_its_process_down_is_200_and_lost() -> None:
    async with running_node(speed=2) as node, node.connect() as client:
        await client.post("/start", {})
        assert (await client.get("/status")).json == {"running": False}
        assert (await client.post("/start", MINIMAL)).status == 200
        assert (await client.get("/status")).json == {"running": True}
        await client.end_of_file()
        await node.until("listening", 2)
        async with node.connect() as other:
            assert (await other.get("/status")).json == {"running": False}


@pytest.mark.parametrize("config", [None, MINIMAL])
async def test_kill_is_answered_before_the_exit_and_the_old_process_answers_on(config: Any) -> None:
    async with running_node(speed=2) as node, node.connect() as client:
        if config:
            await client.post("/start", config)
        before = await client.get("/status")
        killed = await client.get("/kill")
        assert (killed.status, killed.body) == (200, b"")
        assert (await client.get("/status")).body == before.body
        assert (await client.get("/kill")).status == 200
        await client.end_of_file()
        assert (await node.until("died"))["rc"] == 0


async def test_idle_kill_start_is_200_running_and_then_dies() -> None:
    async with running_node(speed=2) as node, node.connect() as client:
        await client.get("/kill")
        assert (await client.post("/start", MINIMAL)).status == 200
        assert (await client.get("/status")).json == {"running": True}
        await client.end_of_file()
        assert (await node.until("died"))["rc"] == 0


async def test_dead_process_refuses_connections_until_the_next_listens() -> None:
    async with running_node(speed=1) as node, node.connect() as client:
        node.order("sigkill")
        await client.end_of_file()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(node.address.host, node.address.port)
        assert (await node.until("listening", 2))["process"] == 2
        async with node.connect() as other:
            assert (await other.get("/status")).json == {"running": False}


async def test_joining_process_hangs_status_and_with_it_everything() -> None:
    async with running_node() as node, node.connect() as client, node.connect() as other:
        await client.post("/start", MINIMAL)
        node.fault("slow_stop", seconds=0.5)
        await client.get("/kill")
        while node.view["state"] != "joining":
            assert (await other.get("/version")).status == 200
            await asyncio.sleep(0.005)
        assert (await other.get("/config")).status == 200
        client.request("GET", "/status")
        await asyncio.sleep(0.02)
        other.request("GET", "/version")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await other.read()
        assert (await client.read()).json == {"running": True}


async def test_start_queued_during_a_slow_kill_is_402_and_then_the_process_dies() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", MINIMAL)
        node.fault("slow_stop", seconds=0.2)
        await client.get("/kill")
        while node.view["state"] != "joining":
            await asyncio.sleep(0.005)
        assert (await client.post("/start", GAINS)).message == "Already running"
        await client.end_of_file()
        assert (await node.until("died"))["rc"] == 0


async def test_stage_that_never_joins_aborts_the_process() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", {**MINIMAL, "join_timeout": 0.1})
        node.fault("slow_stop", seconds=30)
        client.request("GET", "/stop")
        assert await client.end_of_file() == b""
        assert (await node.until("died"))["rc"] == 134


async def test_stop_keeps_the_process_and_drops_the_config() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", MINIMAL)
        stopped = await client.get("/stop")
        assert (stopped.status, stopped.body) == (200, b"")
        assert (await client.get("/config")).status == 404
        assert (await client.get("/status")).json == {"running": False}
        assert (await client.get("/trackers")).status == 200
        assert (await client.post("/start", GAINS)).status == 200
        assert node.view["process"] == 1


async def test_stop_of_an_idle_kotekan_is_402() -> None:
    async with running_node() as node, node.connect() as client:
        answer = await client.get("/stop")
        assert answer.body == b'{"code":402,"message":"kotekan is already stopped"}'
        assert answer.status == 402


@pytest.mark.parametrize("refused", [True, False])
async def test_config_hash_dangles_after_stop_and_after_a_refused_start(refused: bool) -> None:
    outcomes = set()
    for seed in range(8):
        async with running_node(seed=seed, speed=1) as node, node.connect() as client:
            if refused:
                await client.post("/start", {})
            else:
                await client.post("/start", MINIMAL)
                node.fault("slow_stop", seconds=0)
                await client.get("/stop")
            client.request("GET", "/config_md5sum")
            told = await asyncio.wait_for(client._reader.read(1000), 1)
            outcomes.add(b"d41d8cd9" in told or (await node.until("died"))["rc"])
    assert outcomes == {True, 139}


async def test_sigterm_during_a_slow_start_lets_it_answer_200_and_exits_0() -> None:
    async with running_node() as node, node.connect() as client:
        node.fault("slow_start", seconds=0.2)
        client.request("POST", "/start", MINIMAL)
        await asyncio.sleep(0.02)
        node.order("restart")
        assert (await client.read()).status == 200
        await client.end_of_file()
        assert (await node.until("died"))["rc"] == 0


async def test_abandoned_start_completes_and_an_abandoned_kill_behind_it_kills() -> None:
    async with running_node() as node:
        node.fault("slow_start", seconds=0.2)
        async with node.connect() as client:
            client.request("POST", "/start", MINIMAL)
            await asyncio.sleep(0.02)
        async with node.connect() as client:
            client.request("GET", "/kill")
            await asyncio.sleep(0.02)
        running = await node.until("running")
        kill = await node.until("kill")
        assert kill["running"] == running["revision"]
        assert (kill["abandoned"], kill["status"]) == (True, 200)
        assert (await node.until("died"))["rc"] == 0
        assert [entry["request"] for entry in node.books("waiting")] == ["start", "kill"]


async def test_early_requests_of_some_processes_are_404_for_a_moment() -> None:
    for seed in range(20):
        async with running_node(early_404=1.0, seed=seed) as node, node.connect() as client:
            early = (await client.get("/status")).status
            await asyncio.sleep(0.01)
            assert (await client.get("/status")).status == 200
            if early == 404:
                return
    pytest.fail("no request was early enough")
