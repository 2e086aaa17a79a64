"""What is too large, too slow or too often, and paths that no honest client sends."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from conche.contract.roles import Role
from conche.gateway.bounds import Bounds

from .bus_support import until
from .gateway_support import PASSWORDS, Running, running_gateway
from .harness import Mosquitto


@asynccontextmanager
async def raw(gateway: Running) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which anything can be sent."""
    context = ssl.create_default_context(cafile=gateway.settings.gateway.state_dir / "self-signed.crt")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.built.port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def answered(reader: asyncio.StreamReader) -> bytes:
    """Everything until the connection ends."""
    with contextlib.suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), 20)
    return b""


HEAD = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


async def test_a_body_that_is_too_long_is_refused_before_it_is_read(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path, max_body=2000) as gateway:
        answer = await gateway.ask("POST", "/auth/login", json={"username": "a" * 2000, "password": "b"})
        assert (answer.status, answer.json["title"]) == (413, "The request is too long")
        async with raw(gateway) as (reader, writer):
            writer.write(HEAD + b"Content-Length: 1000000000000\r\n\r\n")
            assert (await answered(reader)).startswith(b"HTTP/1.1 413 ")


async def test_before_a_login_only_short_bodies_are_read(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        answer = await gateway.ask("POST", "/auth/login", json={"username": "a" * 20_000, "password": "b"})
        assert answer.status == 413


async def test_a_body_in_chunks_that_never_ends_is_refused_when_it_is_too_long(
    mosquitto: Mosquitto, tmp_path: Path
):
    async with (
        running_gateway(mosquitto, tmp_path, max_body=2000) as gateway,
        raw(gateway) as (reader, writer),
    ):
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(30):
            writer.write(b"64\r\n" + b"x" * 100 + b"\r\n")
        assert (await answered(reader)).startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_does_not_come_is_given_up(mosquitto: Mosquitto, tmp_path: Path):
    slow = running_gateway(mosquitto, tmp_path, bounds=Bounds(body_s=0.2))
    async with slow as gateway, raw(gateway) as (reader, writer):
        writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
        assert (await answered(reader)).startswith(b"HTTP/1.1 408 ")
        assert gateway.log[-1]["status"] == 408


async def test_a_body_that_ends_in_the_middle_is_no_error_of_ours(
    mosquitto: Mosquitto, tmp_path: Path, caplog
):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        async with raw(gateway) as (_, writer):
            writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
            await writer.drain()
            await asyncio.sleep(0.1)
        await until(lambda: gateway.log)
        assert gateway.log[-1]["status"] == 400
        assert (await gateway.ask("GET", "/healthz")).status == 200
    assert "Traceback" not in caplog.text


async def test_whoever_may_not_ask_has_his_body_not_read(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway, raw(gateway) as (reader, writer):
        writer.write(b"POST /auth/logout HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n")
        assert (await answered(reader)).startswith(b"HTTP/1.1 401 ")


async def test_a_head_that_does_not_come_has_its_connection_closed(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path, bounds=Bounds(idle_s=0.5)) as gateway:
        async with raw(gateway) as (reader, writer):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost:")
            assert await answered(reader) == b""
        async with raw(gateway) as (reader, writer):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /he")
            assert (await answered(reader)).count(b"HTTP/1.1") == 1


async def test_connections_are_bounded_and_those_that_are_there_go_on(mosquitto: Mosquitto, tmp_path: Path):
    few = running_gateway(mosquitto, tmp_path, bounds=Bounds(connections=3))
    async with few as gateway, contextlib.AsyncExitStack() as stack:
        held = [await stack.enter_async_context(raw(gateway)) for _ in range(3)]
        async with raw(gateway) as (reader, writer):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await answered(reader) == b""
        reader, writer = held[0]
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await answered(reader)).startswith(b"HTTP/1.1 200 ")
        await until(lambda: gateway.log)


async def test_who_asks_too_often_is_told_when_to_ask_again(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path, requests_per_s=2) as gateway:
        answers = [await gateway.ask("GET", "/auth/me", role=Role.VIEWER) for _ in range(30)]
        refused = [answer for answer in answers if answer.status == 429]
        assert 0 < len(refused) < 30
        assert int(refused[0].headers["Retry-After"]) >= 1
        assert (await gateway.ask("GET", "/auth/me", role=Role.OPERATOR)).status == 200
        assert (await gateway.ask("GET", "/healthz")).status == 200


async def test_tokens_are_not_guessed_at_any_speed(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path, requests_per_s=2) as gateway:
        tries = [await gateway.ask("GET", "/auth/me", token=f"conche_{'A' * 42}{n % 10}") for n in range(30)]
        assert {answer.status for answer in tries} == {401, 429}


async def test_paths_that_programs_understand_differently_are_refused(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        for path in (
            "/auth/%2e%2e/x", "/auth/sessions/a%2Fb", "/auth/sessions/a%5cb", "/auth/sessions/%00", "/auth/me%0d%0aX:y",
            "/auth/sessions/%ff", "/auth/%zz", "/auth/" + "a" * 3000,
        ):  # fmt: skip
            for method in ("GET", "DELETE", "POST"):
                answer = await gateway.ask(method, path, role=Role.ADMIN)
                assert answer.status == 400, path
                assert answer.headers["Content-Type"] == "application/problem+json"
        for path in (
            "/auth",
            "/auth/",
            "/auth/me/",
            "/auth//me",
            "/AUTH/me",
            "/auth/sessions/",
            "/nowhere",
            "/%20",
        ):
            assert (await gateway.ask("GET", path, role=Role.ADMIN)).status == 404, path


ODD = [
    b"GET /auth/../healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET //evil/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://evil/healthz/.. HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT evil:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 10_000 + b"\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"PUT /healthz HTTP/9.9\r\n\r\n",
    b"nonsense\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nCookie: __Host-conche=\xff\xfe; ;;==\r\nAuthorization: \xff\r\n\r\n",
    b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n\xff\xff",
    b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: \xff\r\nContent-Length: 2\r\n\r\n{}",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: everything\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"POST /auth/login HTTP/1.1\r\nHost: x\r\nOrigin: \xff\r\nContent-Length: 2\r\n\r\n{}",
    b"GET /auth/me%0d%0aX: y HTTP/1.1\r\nHost: x\r\n\r\n",
]


async def test_no_request_is_an_error_of_ours(mosquitto: Mosquitto, tmp_path: Path, caplog):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        for sent in ODD:
            async with raw(gateway) as (reader, writer):
                writer.write(sent)
                status = await asyncio.wait_for(reader.readline(), 20)
                assert status.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4", b"HTTP/1.0 4")), (sent, status)
        assert (await gateway.ask("GET", "/healthz")).status == 200
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR or one.exc_info]


async def test_a_method_that_there_is_not_is_told_those_that_there_are(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        answer = await gateway.ask("DELETE", "/auth/login")
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
        assert "GET, HEAD, POST" in answer.json["detail"]
        head = await gateway.ask("HEAD", "/auth/me", role=Role.VIEWER)
        assert (head.status, head.body) == (200, b"")
        assert (await gateway.ask("HEAD", "/auth/me")).status == 401


async def test_compressed_bodies_are_not_unpacked(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        for encoding in ("gzip", "deflate", "br", "x"):
            headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
            answer = await gateway.ask("POST", "/auth/login", data=b"\x1f\x8b", headers=headers)
            assert answer.status == 415


async def test_a_gateway_without_its_broker_lets_people_in_and_says_that_it_is_not_connected(
    mosquitto: Mosquitto, tmp_path: Path
):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        mosquitto.stop()
        await until(lambda: not gateway.built.desk.bus.connected)
        told = await gateway.ask("GET", "/healthz")
        assert (told.status, told.json) == (503, {"alive": True, "connected": False})
        body = {"username": "viewer", "password": PASSWORDS[Role.VIEWER]}
        assert (await gateway.ask("POST", "/auth/login", json=body)).status == 200
        await mosquitto.start()
        await until(lambda: gateway.built.desk.bus.connected)
        assert (await gateway.ask("GET", "/healthz")).status == 200
