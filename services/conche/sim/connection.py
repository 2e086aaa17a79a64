"""The server side of an HTTP connection: httptools parses, the subclasses answer."""

import asyncio
from typing import Final, cast

import httptools

from .messages import Reply, Request, html_reply, keeps_open, render

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
UNPARSED: Final = Request("GET", "", "1.1", keep_alive=False)
"""Stands for a request that could not be parsed."""


class HttpConnection(asyncio.Protocol):
    """One connection; a subclass gets its requests and answers each with `send`, in order."""

    def __init__(self) -> None:
        self.ended = False
        """The client has closed its side, or the connection is gone."""
        self.closing = False
        """A reply has closed the connection; nothing that came after its request is answered."""
        self._transport: asyncio.Transport | None = None
        self._unanswered = 0
        self._refused_input = False
        self._renew()

    def on_request(self, request: Request) -> None:
        """Answer a request, now or later."""
        raise NotImplementedError

    def on_malformed(self, reply: Reply) -> None:
        """Answer something that is no request."""
        self.send(reply, UNPARSED)

    def on_expect(self) -> None:
        """Ask for the body of a request that waits to be asked."""
        self.write(CONTINUE)

    def send(self, reply: Reply, request: Request) -> None:
        """Answer a request, and close where the reply or the request says so."""
        self.write(render(reply, request))
        self._unanswered -= 1
        if not keeps_open(reply, request):
            self.closing = True
        if self.closing or (self.ended and self._unanswered <= 0):
            self.close()

    def write(self, data: bytes) -> None:
        """Write bytes, unless the connection is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close after what has been written."""
        if self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Close as the kernel does for a dead process: what was sent arrives, then end-of-file."""
        self.closing = True
        transport = self._transport
        if transport is None:
            return
        transport.close()
        if transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(0.1, transport.abort)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the transport; requests that wait are carried out all the same."""
        self.ended = True
        self._transport = None

    def eof_received(self) -> bool:
        """Stay open for replies that are still due."""
        self.ended = True
        return self._unanswered > 0

    def data_received(self, data: bytes) -> None:
        """Parse what arrived."""
        while data and not self._refused_input:
            data = self._feed(data)

    def _feed(self, data: bytes) -> bytes:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise
        except httptools.HttpParserUpgrade as upgrade:
            self._renew()
            return data[upgrade.args[0] :]
        except httptools.HttpParserInvalidMethodError:
            self._malformed(html_reply(501))
        except httptools.HttpParserInvalidURLError:
            self._malformed(html_reply(404))
        except httptools.HttpParserError:
            self._malformed(html_reply(400))
        return b""

    def _malformed(self, reply: Reply) -> None:
        if self._refused_input:
            return  # data after a request that closes the connection
        self._refused_input = True
        self._unanswered += 1
        self.on_malformed(reply)

    def _renew(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._target = ""
        self._body: list[bytes] = []
        self._expects = False

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._target = ""
        self._body.clear()
        self._expects = False

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Look for the one header that changes anything."""
        if len(name) == 6 and name.lower() == b"expect" and value.lower() == b"100-continue":
            self._expects = True

    def on_headers_complete(self) -> None:
        """Note what the parser forgets when the message is complete."""
        self._keep_alive = self._parser.should_keep_alive()
        self._version = self._parser.get_http_version()
        if self._expects and self._version != "1.0":
            self.on_expect()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Pass a request on."""
        method = self._parser.get_method().decode()
        request = Request(method, self._target, self._version, self._keep_alive, b"".join(self._body))
        self._refused_input = not self._keep_alive
        self._unanswered += 1
        self.on_request(request)
