"""A simulated FPGA master: it says how it is and when frame 0 was, or whatever it was told to say."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from .connection import HttpConnection
from .host import OrderRefusedError
from .messages import Content, Reply, Request, html_reply
from .values import Json

ROLLOVER_NS: Final = 1024 * 7 * 86_400 * 1_000_000_000
"""After so long a GPS receiver begins to count weeks from nought again [ns]."""
SYNC_NS: Final = 4_000_000_000
"""From the start of the F-engine to frame 0 [ns]. A guess."""
FLOOD: Final = 50_000_000
"""Length of an answer that is far too long [bytes]."""


class FpgaFault(StrEnum):
    """What is wrong with the answers of an FPGA master."""

    SICK = "sick"
    """HTTP 500 to GET /status; its timing is good."""
    ERROR = "error"
    """HTTP 500 to GET /get-frame0-time."""
    HTML = "html"
    """A page instead of JSON."""
    NULL = "null"
    """Nothing but null."""
    EMPTY = "empty"
    """An object without any key."""
    HALF = "half"
    """The answer ends in the middle."""
    FLOOD = "flood"
    """50 MB, of which the last bytes are the answer."""
    REDIRECT = "redirect"
    """Leads elsewhere."""
    BABBLE = "babble"
    """No HTTP at all."""
    MUTE = "mute"
    """Never an answer to GET /get-frame0-time."""
    SILENT = "silent"
    """Never an answer to anything."""
    GONE = "gone"
    """Each connection is closed without an answer."""


class FpgaMaster:
    """What is asked, and ordered about by the control port.

    `frame0_ns` and `start_ctime` are said as they are, so they may be any JSON; `rollovers` are taken off a frame0
    that is a whole number, as a receiver does that does not know of them.
    """

    def __init__(self) -> None:
        self.frame0_ns: Json = None
        self.start_ctime: Json = None
        self.rollovers = 0
        self.fault: FpgaFault | None = None
        self.asked = 0
        self.restart()

    def restart(self) -> None:
        """Start the F-engine: frame 0 is another one."""
        now_ns = time.time_ns()
        self.frame0_ns = now_ns
        self.start_ctime = (now_ns - SYNC_NS) / 1_000_000_000

    def order(self, told: Mapping[str, Json]) -> dict[str, Json]:
        """Change what is said, all of it or nothing, and describe it.

        Raises
        ------
        OrderRefusedError
            There is no such thing.
        """
        for key, value in told.items():
            if key not in _CHECKS:
                raise OrderRefusedError(f"there is no {key}: it is one of {', '.join(_CHECKS)}")
            _CHECKS[key](value)
        if told.get("restart"):
            self.restart()
        if "fault" in told:
            self.fault = None if told["fault"] is None else FpgaFault(str(told["fault"]))
        if "rollovers" in told:
            self.rollovers = int(str(told["rollovers"]))
        self.frame0_ns = told.get("frame0_ns", self.frame0_ns)
        self.start_ctime = told.get("start_ctime", self.start_ctime)
        return self.describe()

    def describe(self) -> dict[str, Json]:
        """Return what is known of it."""
        return {
            "frame0_ns": self.frame0_ns,
            "start_ctime": self.start_ctime,
            "rollovers": self.rollovers,
            "fault": self.fault.value if self.fault else None,
            "asked": self.asked,
        }

    def timing(self) -> bytes:
        """Return the answer to GET /get-frame0-time."""
        frame0_ns = self.frame0_ns
        if isinstance(frame0_ns, int) and not isinstance(frame0_ns, bool):
            frame0_ns -= self.rollovers * ROLLOVER_NS
        return json.dumps({"frame0_nano": frame0_ns, "start_ctime": self.start_ctime}).encode()

    def answer(self, target: str) -> Reply | None:
        """Return the answer to a GET; None for never."""
        self.asked += 1
        match target, self.fault:
            case _, FpgaFault.SILENT:
                return None
            case _, FpgaFault.GONE:
                return _raw(b"")
            case "/status", FpgaFault.SICK:
                return _reply(500, b'{"error": "simulated"}')
            case "/status", _:
                return _reply(200, b'{"status": "running"}')
            case "/get-frame0-time", _:
                return self._timing_reply()
        return _reply(404, b'{"error": "there is no such thing"}')

    def _timing_reply(self) -> Reply | None:
        body = self.timing()
        half = len(body) // 2
        match self.fault:
            case FpgaFault.MUTE:
                return None
            case FpgaFault.ERROR:
                return _reply(500, b'{"error": "simulated"}')
            case FpgaFault.HTML:
                return html_reply(200)
            case FpgaFault.NULL:
                return _reply(200, b"null")
            case FpgaFault.EMPTY:
                return _reply(200, b"{}")
            case FpgaFault.HALF:
                return _raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body[:half]))
            case FpgaFault.FLOOD:
                return _raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body.rjust(FLOOD))
            case FpgaFault.REDIRECT:
                return _raw(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
            case FpgaFault.BABBLE:
                return _raw(b"SSH-2.0-OpenSSH_9.2\r\n")
        return _reply(200, body)


def _check_restart(value: Json) -> None:
    if value is not True:
        raise OrderRefusedError("restart is true, or is left out")


def _check_rollovers(value: Json) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise OrderRefusedError(f"rollovers is a whole number, not {value!r}")


def _check_fault(value: Json) -> None:
    if value is not None and value not in tuple(FpgaFault):
        raise OrderRefusedError(f"there is no fault {value!r}: it is null or one of {', '.join(FpgaFault)}")


def _check_nothing(value: Json) -> None:
    """Take anything: it is said as it is."""


_CHECKS: Final[dict[str, Callable[[Json], None]]] = {
    "restart": _check_restart,
    "rollovers": _check_rollovers,
    "fault": _check_fault,
    "frame0_ns": _check_nothing,
    "start_ctime": _check_nothing,
}


def _reply(status: int, body: bytes) -> Reply:
    return Reply(status, HTTPStatus(status).phrase, body, Content.CONTROL, close=True)


def _raw(data: bytes) -> Reply:
    return Reply(200, raw=data, close=True)


class _FpgaConnection(HttpConnection):
    """A connection to the FPGA master."""

    def __init__(self, master: FpgaMaster, *, all_open: set["_FpgaConnection"]) -> None:
        super().__init__()
        self._master = master
        self._all_open = all_open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the open connections."""
        super().connection_made(transport)
        self._all_open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the open connections."""
        super().connection_lost(exc)
        self._all_open.discard(self)

    def on_request(self, request: Request) -> None:
        """Answer, or never."""
        if (reply := self._master.answer(request.target)) is not None:
            self.send(reply, request)


@asynccontextmanager
async def serve_fpga(master: FpgaMaster, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an FPGA master until the context ends."""
    connections: set[_FpgaConnection] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: _FpgaConnection(master, all_open=connections), sock=listener
    )
    try:
        yield
    finally:
        server.close()
        for connection in tuple(connections):
            connection.cut()
