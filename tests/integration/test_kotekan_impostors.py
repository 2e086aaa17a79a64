"""The client against servers that are no kotekan: bytes that make no sense, end early or never end."""

import asyncio
import contextlib
import socket

import pytest

from conche.kotekan import connection as connection_module
from conche.kotekan.client import Reader, Writer
from conche.kotekan.errors import KotekanClosed, KotekanGarbled

from .kotekan_support import allow, connected
from .raw import Peer, answering, raw_server, reply


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
