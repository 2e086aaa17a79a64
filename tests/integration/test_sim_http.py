"""The HTTP layer of a simulated kotekan, byte for byte where it matters."""

import asyncio

import pytest

from .sim_support import GAINS, MINIMAL, UPDATE, running_node

GET = b"GET /status HTTP/1.1\r\nHost: sim\r\n\r\n"


async def test_connection_is_kept_and_pipelined_requests_are_answered_in_order() -> None:
    async with running_node() as node, node.connect() as client:
        client.send(GET + b"GET /config HTTP/1.1\r\n\r\n" + GET)
        assert [(await client.read()).status for _ in range(3)] == [200, 404, 200]


async def test_connection_close_is_honoured() -> None:
    async with running_node() as node, node.connect() as client:
        client.send(b"GET /status HTTP/1.1\r\nConnection: close\r\n\r\n" + GET)
        answer = await client.read()
        assert (answer.status, answer.header("Connection")) == (200, "close")
        assert await client.end_of_file() == b""


async def test_http_1_0_closes_unless_keep_alive_is_asked_for() -> None:
    async with running_node() as node:
        async with node.connect() as client:
            client.send(b"GET /status HTTP/1.0\r\n\r\n")
            told = await client.end_of_file()
            assert told.startswith(b"HTTP/1.0 200 OK\r\n")
            assert b"Content-Length" not in told
        async with node.connect() as client:
            client.send(b"GET /status HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert (await client.read()).header("Connection") == "keep-alive"
            assert (await client.get("/status")).status == 200


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "HEAD", "CONNECT", "NONSENSE"]
)
async def test_other_methods_are_501_html_and_close(method: str) -> None:
    async with running_node() as node, node.connect() as client:
        target = "sim:1" if method == "CONNECT" else "/status"
        client.send(f"{method} {target} HTTP/1.1\r\nHost: sim\r\n\r\n".encode())
        told = await client.end_of_file()
        assert told.startswith(b"HTTP/1.1 501 Not Implemented\r\n")
        assert b"Content-Type: text/html\r\n" in told
        assert b"Connection: close\r\n" in told
        assert told.endswith(b"\r\n\r\n") if method == "HEAD" else b"<HTML>" in told


@pytest.mark.parametrize(("method", "path"), [("POST", "/status"), ("POST", "/kill"), ("GET", "/start")])
async def test_wrong_method_for_an_endpoint_is_404_and_keeps_the_connection(method: str, path: str) -> None:
    async with running_node() as node, node.connect() as client:
        assert (await client.ask(method, path, {} if method == "POST" else None)).status == 404
        assert (await client.get("/status")).status == 200


async def test_chunked_body_and_any_content_type_are_fine() -> None:
    async with running_node() as node, node.connect() as client:
        head = b"POST /start HTTP/1.1\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
        parts = (b'{"log_level":"info', b'", "cpu_affinity":[0]}', b"")
        first, second, last = (b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        client.send(head + first)
        await asyncio.sleep(0.01)
        client.send(second + last)
        assert (await client.read()).status == 200
        assert (await client.get("/config")).json == MINIMAL


async def test_expect_100_continue_is_answered() -> None:
    async with running_node() as node, node.connect() as client:
        client.send(b"POST /start HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 38\r\n\r\n")
        assert (await client.read()).status == 100
        client.send(b'{"log_level":"info","cpu_affinity":[]} '[:38])
        assert (await client.read()).status == 200


async def test_garbage_is_400_html_and_closes() -> None:
    async with running_node() as node, node.connect() as client:
        client.send(b"GET /a b HTTP/1.1\r\n\r\n")
        told = await client.end_of_file()
        assert told.startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_upgrade_is_ignored() -> None:
    async with running_node() as node, node.connect() as client:
        client.send(b"GET /status HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n" + GET)
        assert [(await client.read()).status for _ in range(2)] == [200, 200]


async def test_requests_after_one_that_closes_are_not_carried_out() -> None:
    async with running_node() as node, node.connect() as client:
        client.request("POST", "/start", b"{")
        client.request("GET", "/kill")
        assert (await client.read()).status == 400
        assert await client.end_of_file() == b""
        assert node.books("kill") == []


async def test_client_that_closes_its_side_still_gets_its_reply() -> None:
    async with running_node() as node, node.connect() as client:
        node.fault("slow_start", seconds=0.1)
        client.request("POST", "/start", MINIMAL)
        client.half_close()
        assert (await client.read()).status == 200
        assert await client.end_of_file() == b""


async def test_slow_request_delays_those_of_all_connections() -> None:
    async with running_node() as node, node.connect() as client, node.connect() as other:
        node.fault("slow_start", seconds=0.2)
        client.request("POST", "/start", MINIMAL)
        await asyncio.sleep(0.02)
        began = asyncio.get_running_loop().time()
        assert (await other.get("/version")).status == 200
        assert asyncio.get_running_loop().time() - began > 0.15
        assert (await client.read()).status == 200


async def test_many_connections_and_half_bodies_disturb_nobody() -> None:
    async with running_node() as node, node.connect() as client, node.connect() as slow:
        slow.send(b"POST /start HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        await asyncio.sleep(0.01)
        assert (await client.get("/status")).status == 200
        slow.send(b" " * 99)
        assert (await slow.read()).status == 400


async def test_large_bodies_are_taken() -> None:
    async with running_node() as node, node.connect() as client:
        config = {**GAINS, "filling": ["x" * 1000] * 5000}
        assert (await client.post("/start", config)).status == 200
        assert (await client.get("/config")).json == config
        assert (await client.post("/gains", UPDATE)).status == 200


async def test_everything_waiting_gets_end_of_file_at_death_without_an_answer() -> None:
    async with running_node() as node, node.connect() as client, node.connect() as other:
        node.fault("hang")
        client.request("GET", "/config")
        other.request("GET", "/kill")
        await node.until("waiting")
        node.order("sigkill")
        assert await client.end_of_file() == b""
        assert await other.end_of_file() == b""
        lost = await node.until("lost")
        assert (lost["request"], lost["connection"]) == ("kill", 2)
        assert (await node.until("died"))["rc"] == 137
