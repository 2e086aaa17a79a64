"""One TCP connection to one kotekan, one request at a time, and the end-of-file that proves its death.

A pooled HTTP client does not promise on which connection a request goes, and sends a GET again by itself
when a kept-alive connection dies under it: a ``/kill`` was seen to arrive twice, the second time at the
successor. Here a request goes out once, on the connection that its caller holds.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httptools

from .errors import KotekanBusy, KotekanClosed, KotekanGarbled, KotekanRefused, KotekanUnreachable

CONNECT_TIMEOUT_S: Final = 1.0
"""After this without an answer to the connection a node is unreachable."""

ANSWER_TIMEOUT_S: Final = 2.0
"""After this without an answer to a request a node is busy."""

MAX_BODY: Final = 20_000_000
"""Bytes of one answer; real configs are below 1 MB, and an answer without end must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a kotekan listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer."""

    status: int
    reason: str
    content_type: str
    body: bytes


class _Protocol(asyncio.Protocol):
    """Feeds the parser; knows one outstanding request at most."""

    def __init__(self, name: str, *, max_body: int) -> None:
        self._name = name
        self._max_body = max_body
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._waiter: asyncio.Future[Response] | None = None
        self._given_up = False
        self.closed = asyncio.Event()
        self.ended_there = False
        """Whether it was the other side that ended the connection."""
        self._reset()

    def _reset(self) -> None:
        self._reason = b""
        self._content_type = b""
        self._body: list[bytes] = []
        self._size = 0

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream transport: the socket is TCP

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._parser is None:
            self._end(KotekanGarbled(f"{self._name}: bytes that nobody asked for"))
            return
        self._size += len(data)
        if self._size > self._max_body:
            self._end(KotekanGarbled(f"{self._name}: the answer is longer than {self._max_body} bytes"))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._end(KotekanGarbled(f"{self._name}: the answer is not HTTP ({error})"))

    def eof_received(self) -> None:
        self.ended_there = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended_there = self.ended_there or not self._given_up
        self._fail(KotekanClosed(f"{self._name}: the connection ended before the answer was complete"))
        self.closed.set()

    # --- callbacks of the parser

    def on_message_begin(self) -> None:
        if self._waiter is None:
            self._end(KotekanGarbled(f"{self._name}: a second answer to one request"))

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self._content_type = value

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._parser is not None and self._parser.should_upgrade():
            return  # to another protocol, which the parser reports as an error next
        parser, waiter = self._parser, self._waiter
        self._parser = self._waiter = None
        if parser is None or waiter is None or waiter.done():
            return
        waiter.set_result(
            Response(
                status=parser.get_status_code(),
                reason=self._reason.decode("latin-1"),
                content_type=self._content_type.decode("latin-1").lower(),
                body=b"".join(self._body),
            )
        )

    # --- for the connection

    def send(self, data: bytes) -> asyncio.Future[Response]:
        if self._transport is None or self._transport.is_closing():
            raise KotekanClosed(f"{self._name}: the connection has ended")
        if self._waiter is not None:
            raise RuntimeError(f"{self._name}: a second request before the first was answered")
        self._reset()
        self._parser = httptools.HttpResponseParser(self)
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return self._waiter

    def close(self) -> None:
        self._given_up = True
        if self._transport is not None:
            self._transport.abort()

    def _end(self, error: Exception) -> None:
        self._fail(error)
        self.close()

    def _fail(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)


class Connection:
    """One TCP connection to one kotekan."""

    def __init__(self, address: Address, protocol: _Protocol) -> None:
        self.address = address
        self._protocol = protocol

    @classmethod
    async def open(
        cls, address: Address, *, timeout: float = CONNECT_TIMEOUT_S, max_body: int | None = None
    ) -> "Connection":
        """Connect.

        Parameters
        ----------
        address
            Where to.
        timeout
            How long to wait for the connection [s].
        max_body
            An answer that is longer ends the connection [bytes]; None for as much as a config may be.

        Raises
        ------
        KotekanRefused
            Nothing listens there.
        KotekanUnreachable
            Unknown name, no route, or no answer.
        """
        try:
            async with asyncio.timeout(timeout):
                return cls(address, await _connect(address, max_body=max_body or MAX_BODY))
        except TimeoutError:
            raise KotekanUnreachable(f"{address}: no answer to the connection within {timeout:g} s") from None
        except ConnectionRefusedError:
            raise KotekanRefused(f"{address}: connection refused, kotekan is not running") from None
        except socket.gaierror as error:
            raise KotekanUnreachable(f"{address}: unknown host name ({error.strerror})") from None
        except (OSError, ValueError, OverflowError) as error:  # ValueError: a name that can't be encoded
            raise KotekanUnreachable(f"{address}: {_os_words(error)}") from None

    @property
    def closed(self) -> bool:
        """Whether the connection has ended."""
        return self._protocol.closed.is_set()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        timeout: float = ANSWER_TIMEOUT_S,
        gate: Callable[[], None] | None = None,
    ) -> Response:
        """Send one request, once, and wait for its whole answer.

        Parameters
        ----------
        method
            ``GET`` or ``POST``.
        path
            Raw path, as kotekan looks it up.
        body
            JSON text.
        timeout
            How long to wait for the answer [s]. The request may still be carried out after that, so the
            connection is closed: an answer that comes late can't be taken for another's.
        gate
            Called in the very step in which the request is written; what it raises keeps it from being sent.

        Raises
        ------
        KotekanBusy
            No answer in time.
        KotekanClosed
            The connection ended first.
        KotekanGarbled
            The answer is not HTTP.
        """
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.address}\r\n"
        if method == "POST":
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        if gate is not None:
            gate()
        answer = self._protocol.send(f"{head}\r\n".encode() + body)
        try:
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError:
            self.close()
            raise KotekanBusy(f"{method} {path}: connected, but no answer within {timeout:g} s") from None
        except asyncio.CancelledError:
            self.close()
            raise

    async def wait_closed(self, *, timeout: float) -> bool:
        """Wait for the other side's end-of-file: the only proof that its process is gone.

        Returns
        -------
        bool
            False when it had not come within ``timeout`` seconds, or when the connection was ended from this side,
            which proves nothing.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._protocol.closed.wait()
        except TimeoutError:
            return False
        return self._protocol.ended_there

    def close(self) -> None:
        """End the connection from this side."""
        self._protocol.close()


async def _connect(address: Address, *, max_body: int) -> _Protocol:
    """Try each address of a name; where one refuses, the process is down, whatever the others say."""
    loop = asyncio.get_running_loop()
    errors: list[OSError] = []
    for family, *_, where in await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM):
        try:
            _, protocol = await loop.create_connection(
                lambda: _Protocol(str(address), max_body=max_body), str(where[0]), address.port, family=family
            )
        except OSError as error:
            errors.append(error)
        else:
            return protocol
    raise next((e for e in errors if isinstance(e, ConnectionRefusedError)), errors[0])


def _os_words(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
