"""What the client writes and when it may not, and that each request gets its own answer or none."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from conche.kotekan.client import Reader, Writer
from conche.kotekan.errors import KotekanBusy, KotekanClosed, KotekanGarbled, WriteForbidden

from .kotekan_support import CONFIG, allow, connected
from .raw import Peer, RawServer, answering, raw_server, reply


def forbid() -> None:
    raise WriteForbidden("in maintenance")


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


@asynccontextmanager
async def answering_late(body: bytes) -> AsyncIterator[RawServer]:
    """Answer one request, a while after it came."""

    async def answer(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.05)
        peer.send(reply(body))
        await peer.end_of_file()

    async with raw_server(answer) as server:
        yield server


async def test_second_request_before_the_first_was_answered_is_a_mistake_and_is_not_sent() -> None:
    async with answering_late(b"{}") as server, connected(server) as connection:
        first = asyncio.create_task(Reader(connection).config())
        await asyncio.sleep(0.01)
        with pytest.raises(RuntimeError, match="second request"):
            await Reader(connection).config()
        assert await first == b"{}"
        assert server.paths == ["/config"]


async def test_answer_that_comes_late_is_never_taken_for_another_s() -> None:
    async with answering_late(b'{"running": true}') as server, connected(server) as connection:
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
