"""The client against the simulated kotekan, and against servers that are none."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from inspect import iscoroutinefunction, signature
from typing import Any

import pytest
import uvloop

from conche.kotekan import connection as connection_module
from conche.kotekan.client import Reader, Writer
from conche.kotekan.connection import Address, Connection
from conche.kotekan.errors import (
    KotekanBusy,
    KotekanClosed,
    KotekanConflict,
    KotekanGarbled,
    KotekanHttpError,
    KotekanMalformed,
    KotekanRefused,
    KotekanRejected,
    KotekanUnreachable,
    WriteForbidden,
)
from conche.kotekan.revision import FingerprintCache, fingerprint
from conche.kotekan.snapshot import failure, look

from .raw import Peer, RawServer, answering, raw_server, reply
from .sim_support import GAINS, UPDATE, Node, running_node

CONFIG = json.dumps(GAINS).encode()


def allow() -> None:
    """A gate that is open."""


def forbid() -> None:
    raise WriteForbidden("in maintenance")


@asynccontextmanager
async def connected(to: Node | RawServer | Address) -> AsyncIterator[Connection]:
    """A connection; what goes wrong unseen in the loop fails the test."""
    unseen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    address = to if isinstance(to, Address) else Address(to.address.host, to.address.port)
    connection = await Connection.open(address)
    try:
        yield connection
    finally:
        connection.close()
        await asyncio.sleep(0)
    assert not unseen, unseen


async def start(connection: Connection, config: bytes = CONFIG) -> None:
    await Writer(connection, allow).start(config, timeout=5)


# --- the simulated kotekan


async def test_idle_and_running_are_told_apart() -> None:
    async with running_node() as node, connected(node) as connection:
        reader = Reader(connection)
        assert await reader.config() is None
        assert await reader.running() is False
        assert (await look(reader, FingerprintCache())).idle
        await start(connection)
        assert await reader.running() is True
        seen = await look(reader, FingerprintCache())
        assert seen.running == fingerprint(GAINS)
        assert seen.running.revision == node.view["revision"]


async def test_requests_of_one_connection_arrive_on_one_connection() -> None:
    async with running_node() as node, connected(node) as connection:
        reader = Reader(connection)
        for _ in range(20):
            await reader.version()
        await start(connection)
        await Writer(connection, allow).update("gains", UPDATE)
        await Writer(connection, allow).kill()
        numbers = {entry["connection"] for what in ("start", "update", "kill") for entry in node.books(what)}
        assert len(numbers) == 1


async def test_update_is_what_runs_afterwards() -> None:
    async with running_node() as node, connected(node) as connection:
        await start(connection)
        await Writer(connection, allow).update("gains", UPDATE)
        seen = await look(Reader(connection), FingerprintCache())
        assert seen.running == fingerprint({**GAINS, "gains": {**GAINS["gains"], **UPDATE}})


async def test_end_of_file_comes_with_the_death_and_not_with_the_answer_to_a_kill() -> None:
    async with running_node(speed=4) as node, connected(node) as connection:
        await start(connection)
        await Writer(connection, allow).kill()
        assert not node.books("died")
        assert not connection.closed
        assert await connection.wait_closed(timeout=0.01) is False
        assert await connection.wait_closed(timeout=5) is True
        assert len(node.books("died")) == 1
        with pytest.raises(KotekanClosed):
            await Reader(connection).config()


async def test_node_that_is_down_refuses() -> None:
    async with running_node() as node:
        node.fault("refuse")
        await node.until("died")
        with pytest.raises(KotekanRefused, match="connection refused, kotekan is not running"):
            await Connection.open(Address(node.address.host, node.address.port))


async def test_config_that_is_rejected_and_one_that_is_no_json_are_two_things() -> None:
    async with running_node() as node:
        async with connected(node) as connection:
            with pytest.raises(KotekanMalformed, match=r"HTTP 400: .*JSON failed to parse") as malformed:
                await start(connection, b'{"log_level": ')
            assert malformed.value.status == 400
        async with connected(node) as connection:
            with pytest.raises(KotekanMalformed, match="HTTP 400: 400"):
                await start(connection, b"")
        async with connected(node) as connection:
            with pytest.raises(KotekanRejected, match="log_level is required"):
                await start(connection, b"{}")
            assert await connection.wait_closed(timeout=5)
        assert len(node.books("died")) == 1


async def test_start_of_what_runs_is_a_conflict() -> None:
    async with running_node() as node, connected(node) as connection:
        await start(connection)
        with pytest.raises(KotekanConflict, match="HTTP 402: Already running"):
            await start(connection)
        assert await Reader(connection).running()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({**UPDATE, "start_time": 2}, "of type integer"),
        ({"count": 4}, "is missing value"),
        ({**UPDATE, "other": 1}, "not defined"),
    ],
)
async def test_update_that_does_not_fit_is_malformed_and_kotekan_lives(
    values: dict[str, Any], words: str
) -> None:
    async with running_node() as node, connected(node) as connection:
        await start(connection)
        with pytest.raises(KotekanMalformed, match=words):
            await Writer(connection, allow).update("gains", values)
        assert await Reader(connection).running()


async def test_value_that_a_stage_refuses_is_rejected_and_kotekan_dies_of_it() -> None:
    async with running_node() as node, connected(node) as connection:
        await start(connection)
        node.fault("reject_value", endpoint="/gains")
        with pytest.raises(KotekanRejected, match="HTTP 500: configUpdater: Failed updating /gains"):
            await Writer(connection, allow).update("gains", UPDATE)
        assert await connection.wait_closed(timeout=5)


async def test_update_of_no_block_is_http_404() -> None:
    async with running_node() as node, connected(node) as connection:
        await start(connection)
        with pytest.raises(KotekanHttpError, match="POST /other: HTTP 404: Not Found"):
            await Writer(connection, allow).update("other", UPDATE)


async def test_hung_kotekan_is_busy_and_what_was_asked_is_still_carried_out() -> None:
    async with running_node() as node:
        async with connected(node) as connection:
            node.fault("hang")
            with pytest.raises(KotekanBusy, match=r"GET /config: connected, but no answer within 0\.1 s"):
                await Reader(connection, timeout=0.1).config()
        async with connected(node) as connection:
            with pytest.raises(KotekanBusy):
                await Writer(connection, allow).start(CONFIG, timeout=0.1)
        node.clear()
        assert (await node.until("start"))["status"] == 200


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ({"mode": "html", "status": 502, "words": "Bad Gateway"}, KotekanHttpError),
        ({"mode": "html", "status": 404}, KotekanHttpError),
        ({"mode": "status", "status": 503, "words": "later"}, KotekanHttpError),
        ({"mode": "garbage"}, KotekanGarbled),
        ({"mode": "half"}, KotekanClosed),
        ({"mode": "huge", "megabytes": 21}, KotekanGarbled),
    ],
)
async def test_each_wrong_answer_has_its_own_error(mode: dict[str, Any], error: type[Exception]) -> None:
    async with running_node() as node, connected(node) as connection:
        node.fault("http", **mode)
        with pytest.raises(error) as caught:
            await Reader(connection).config()
        assert type(caught.value) is error
        assert str(mode.get("status", "")) in str(caught.value)


# --- what may not be written


@pytest.mark.parametrize(
    "write",
    [
        lambda writer: writer.kill(),
        lambda writer: writer.start(CONFIG, timeout=1),
        lambda writer: writer.update("gains", {"x": 1}),
    ],
    ids=["kill", "start", "update"],
)
async def test_not_a_byte_is_sent_while_the_gate_is_shut(write: Callable[[Writer], Awaitable[None]]) -> None:
    got = bytearray()

    async def take_all(peer: Peer) -> None:
        got.extend(await peer.read())

    async with raw_server(take_all) as server:
        async with connected(server) as connection:
            with pytest.raises(WriteForbidden, match="in maintenance"):
                await write(Writer(connection, forbid))
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.02)
        assert server.connections == 1
        assert got == b""


async def test_gate_is_asked_in_the_step_in_which_the_request_is_written() -> None:
    """Whoever shuts the gate after the task was made, before it ran, is obeyed."""
    shut = False

    def gate() -> None:
        if shut:
            forbid()

    async with answering(reply()) as server, connected(server) as connection:
        task = asyncio.create_task(Writer(connection, gate).kill())
        shut = True
        with pytest.raises(WriteForbidden):
            await task
        shut = False
        await Writer(connection, gate).kill()
        assert server.paths == ["/kill"]


async def test_request_goes_out_once_even_where_the_connection_dies_under_it() -> None:
    async def close_at_once(peer: Peer) -> None:
        await peer.request()

    async with raw_server(close_at_once) as server, connected(server) as connection:
        with pytest.raises(KotekanClosed, match="ended before the answer was complete"):
            await Writer(connection, allow).kill()
        assert (server.paths, server.connections) == (["/kill"], 1)


async def test_request_is_written_as_kotekan_reads_it() -> None:
    async with answering(reply()) as server, connected(server) as connection:
        await Writer(connection, allow).update("a/b", {"f": 300.0, "i": 300, "n": -0.0, "big": 2**64 - 1})
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[0] == "POST /a/b HTTP/1.1"
        assert f"Content-Length: {len(body)}" in lines
        assert body == b'{"f":300.0,"i":300,"n":-0.0,"big":18446744073709551615}'


# --- one answer for each request


async def test_second_request_before_the_first_was_answered_is_a_mistake_and_is_not_sent() -> None:
    async def answer_late(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.05)
        peer.send(reply(b"{}"))
        await peer.end_of_file()

    async with raw_server(answer_late) as server, connected(server) as connection:
        first = asyncio.create_task(Reader(connection).config())
        await asyncio.sleep(0.01)
        with pytest.raises(RuntimeError, match="second request"):
            await Reader(connection).config()
        assert await first == b"{}"
        assert server.paths == ["/config"]


async def test_answer_that_comes_late_is_never_taken_for_another_s() -> None:
    async def answer_late(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.05)
        peer.send(reply(b'{"running": true}'))
        await peer.end_of_file()

    async with raw_server(answer_late) as server, connected(server) as connection:
        with pytest.raises(KotekanBusy):
            await Reader(connection, timeout=0.02).running()
        with pytest.raises(KotekanClosed):
            await Reader(connection, timeout=0.2).running()
        assert server.paths == ["/status"]


async def test_answer_to_a_cancelled_request_is_never_taken_for_another_s() -> None:
    async with answering(reply(b"1"), reply(b"2")) as server, connected(server) as connection:
        task = asyncio.create_task(Reader(connection).config())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(KotekanClosed):
            await Reader(connection).config()


async def test_second_answer_to_one_request_is_never_taken_for_another_s() -> None:
    for pause in (0.0, 0.02):

        async def answer_twice(peer: Peer, pause: float = pause) -> None:
            await peer.request()
            peer.send(reply(b"1"))
            if pause:
                await peer.writer.drain()
                await asyncio.sleep(pause)
            peer.send(reply(b"2"))
            await peer.end_of_file()

        async with raw_server(answer_twice) as server, connected(server) as connection:
            with contextlib.suppress(KotekanGarbled):
                assert await Reader(connection).config() == b"1"
            await asyncio.sleep(0.05)
            with pytest.raises(KotekanClosed):
                await Reader(connection).config()
            assert connection.closed


async def test_answer_that_comes_byte_by_byte_is_whole() -> None:
    async def drip(peer: Peer) -> None:
        while await peer.request():
            for byte in reply(b'{"a": 1}'):
                peer.send(bytes([byte]))
                await asyncio.sleep(0)

    async with raw_server(drip) as server, connected(server) as connection:
        for _ in range(2):
            assert await Reader(connection).config() == b'{"a": 1}'


async def test_answer_in_chunks_is_whole() -> None:
    chunked = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n\r\n'
    async with answering(chunked) as server, connected(server) as connection:
        assert await Reader(connection).config() == b'{"a": 1}'


# --- servers that are no kotekan


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"\x16\x03\x01\x00\xa5\x01",
        b"\x00" * 1000,
        b"HTTP/1.1 999999 Odd\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxyz",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_bytes_that_are_no_answer_are_garbled(data: bytes) -> None:
    async with answering(data) as server, connected(server) as connection:
        with pytest.raises(KotekanGarbled):
            await Reader(connection, timeout=0.5).config()
        await asyncio.sleep(0)
        assert connection.closed


async def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    async def greet(peer: Peer) -> None:
        peer.send(b"220 ready\r\n")
        await peer.end_of_file()

    async with raw_server(greet) as server, connected(server) as connection:
        await asyncio.sleep(0.02)
        assert connection.closed


async def test_end_from_this_side_is_no_proof_of_death() -> None:
    async def say_more(peer: Peer) -> None:
        await peer.request()
        peer.send(reply())
        await asyncio.sleep(0.02)
        peer.send(b"more")
        await peer.end_of_file()

    async with raw_server(say_more) as server, connected(server) as connection:
        await Writer(connection, allow).kill()
        assert await connection.wait_closed(timeout=0.2) is False


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", KotekanClosed),
        (b"HTTP/1.1 200 OK\r\nContent-Le", KotekanClosed),
        (reply(b'{"a": 1', length=100), KotekanClosed),
    ],
)
async def test_connection_that_ends_early_says_nothing(data: bytes, error: type[Exception]) -> None:
    async def end(peer: Peer) -> None:
        await peer.request()
        peer.send(data)

    async with raw_server(end) as server, connected(server) as connection:
        with pytest.raises(error):
            await Reader(connection).config()
        assert await connection.wait_closed(timeout=1)


async def test_content_length_that_is_too_short_ends_the_connection() -> None:
    async with answering(reply(b'{"a": 1}', length=2)) as server, connected(server) as connection:
        with contextlib.suppress(KotekanGarbled):
            assert await Reader(connection).config() == b'{"'
        await asyncio.sleep(0.02)
        assert connection.closed


async def test_reset_says_nothing() -> None:
    async def reset(peer: Peer) -> None:
        await peer.request()
        sock = peer.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    async with raw_server(reset) as server, connected(server) as connection:
        with pytest.raises(KotekanClosed):
            await Reader(connection).config()


@pytest.mark.parametrize("endless", [b"\r\n\r\n", b"", b"X: "], ids=["body", "reason", "header"])
async def test_answer_without_end_is_cut(endless: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "MAX_BODY", 200_000)
    sent = 0

    async def flood(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        peer.send(
            b"HTTP/1.1 200 O" if not endless else b"HTTP/1.1 200 OK" + (endless.strip() and b"\r\n") + endless
        )
        while sent < 50_000_000:
            peer.send(b"x" * 10_000)
            sent += 10_000
            await peer.writer.drain()

    async with raw_server(flood) as server, connected(server) as connection:
        with pytest.raises(KotekanGarbled, match="longer than 200000 bytes"):
            await Reader(connection, timeout=5).config()
    assert sent < 50_000_000


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"running": 1}', b'{"running"'])
async def test_status_that_does_not_say_whether_it_runs_is_garbled(body: bytes) -> None:
    async with answering(reply(body)) as server, connected(server) as connection:
        with pytest.raises(KotekanGarbled, match="does not say whether kotekan is running"):
            await Reader(connection).running()


@pytest.mark.parametrize("body", [b"", b"{}", b'{"kotekan_version": 5}'])
async def test_version_that_is_none_is_garbled(body: bytes) -> None:
    async with answering(reply(body)) as server, connected(server) as connection:
        with pytest.raises(KotekanGarbled, match="no kotekan_version"):
            await Reader(connection).version()


# --- nobody there


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "a\0b", "x" * 300, "255.255.255.255"])
async def test_name_or_address_that_leads_nowhere_is_unreachable(host: str) -> None:
    with pytest.raises(KotekanUnreachable, match=r":12048: \w"):
        await Connection.open(Address(host, 12048))


async def test_no_answer_to_the_connection_is_unreachable() -> None:
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = Address("127.0.0.1", listener.getsockname()[1])
        for _ in range(4):  # they fill the queue, and the kernel drops what comes next
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex((address.host, address.port))
        with pytest.raises(KotekanUnreachable, match=r"no answer to the connection within 0\.1 s"):
            await Connection.open(address, timeout=0.1)


async def test_name_with_several_addresses_that_all_refuse_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As localhost has two, and every name with both kinds of address."""

    async def resolve(host: str, port: int, **_: Any) -> list[Any]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (f"127.0.0.{n}", port)) for n in (1, 2)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    with pytest.raises(KotekanRefused):
        await Connection.open(Address("both.kinds", 1))


async def test_second_address_of_a_name_is_tried_where_the_first_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def resolve(host: str, port: int, **_: Any) -> list[Any]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (f"127.0.0.{n}", port)) for n in (2, 1)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    async with answering(reply(b"{}")) as server, connected(Address("x", server.address.port)) as connection:
        assert await Reader(connection).config() == b"{}"


@pytest.mark.parametrize(
    ("error", "reach"),
    [
        (KotekanRefused(""), "refused"),
        (KotekanUnreachable(""), "unreachable"),
        (KotekanBusy(""), "busy"),
        (KotekanClosed(""), "http-error"),
        (KotekanGarbled(""), "http-error"),
        (KotekanHttpError("", status=500, words=""), "http-error"),
    ],
)
def test_failed_looks_stay_apart(error: Any, reach: str) -> None:
    assert failure(error).reach == reach
    assert not failure(error).idle


# --- the loop that the services run in


@pytest.mark.parametrize(
    "scenario",
    [
        case
        for name, case in list(globals().items())
        if name.startswith("test_") and iscoroutinefunction(case) and not signature(case).parameters
    ],
)
def test_it_is_the_same_in_the_loop_of_the_services(scenario: Callable[[], Any]) -> None:
    uvloop.run(scenario())
