"""A TCP server that answers as the test says, byte by byte, and counts what arrives."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from conche.kotekan.connection import Address


class Peer:
    """The server's end of one connection."""

    def __init__(
        self, server: "RawServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """Return the next request, body and all; nothing at end-of-file."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return b""
        _, _, length = head.lower().partition(b"content-length: ")
        body = await self._reader.readexactly(int(length.split(b"\r\n")[0])) if length else b""
        self._server.requests.append(head + body)
        return head + body

    async def read(self) -> bytes:
        return await self._reader.read(100_000)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def end_of_file(self) -> None:
        with contextlib.suppress(ConnectionResetError):
            await self._reader.read(-1)


class RawServer:
    """What arrived."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.requests: list[bytes] = []
        self.connections = 0

    @property
    def paths(self) -> list[str]:
        return [request.split(b" ")[1].decode() for request in self.requests]


def reply(body: bytes = b"", *, status: str = "200 OK", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n".encode() + body


@asynccontextmanager
async def raw_server(answer: Callable[[Peer], Awaitable[None]], *, port: int = 0) -> AsyncIterator[RawServer]:
    """Serve until the context ends; a connection is closed when `answer` returns."""
    open_now: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_now.add(task)
        raw.connections += 1
        try:
            await answer(Peer(raw, reader, writer))
        except ConnectionError:
            pass
        except asyncio.CancelledError:  # the test is over; streams would log it
            pass
        finally:
            open_now.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    raw = RawServer(Address("127.0.0.1", server.sockets[0].getsockname()[1]))
    try:
        yield raw
    finally:
        server.close()
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now)
        await server.wait_closed()


@asynccontextmanager
async def answering(*replies: bytes) -> AsyncIterator[RawServer]:
    """Answer one reply to each request of a connection, then leave it open."""

    async def answer(peer: Peer) -> None:
        for data in replies:
            if not await peer.request():
                return
            peer.send(data)
        await peer.end_of_file()

    async with raw_server(answer) as server:
        yield server
