"""How a process serves its connections: everything goes through its one thread, and into the books."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .books import What
from .connection import UNPARSED, HttpConnection
from .messages import Reply, Request
from .process import Process
from .rest import Later, Outcome, Routes, path_of
from .thread import Blocked
from .values import Json, JsonSyntaxError, parse, revision


class Recorder(Protocol):
    """Where entries of one node go."""

    def __call__(self, what: What, *, connection: int | None = None, **told: Json) -> None:
        """Record an entry of the present process."""


@dataclass(slots=True)
class PathReads:
    """How often a path was read, and when last (Unix time)."""

    count: int = 0
    last_at: float = 0.0


READ_PATHS = frozenset(
    {"/config", "/status", "/config_md5sum", "/version", "/endpoints", "/metrics", "/buffers", "/trackers"}
)


class Reads:
    """The reads of one node, counted by path; unknown paths are counted together."""

    def __init__(self) -> None:
        self.paths: dict[str, PathReads] = {}

    def count(self, path: str) -> None:
        """Count a read."""
        key = path if path in READ_PATHS else "other"
        reads = self.paths.get(key)
        if reads is None:
            reads = self.paths[key] = PathReads()
        reads.count += 1
        reads.last_at = time.time()


@dataclass(slots=True)
class Visit:
    """One request on its way through the thread."""

    connection: "NodeConnection"
    request: Request
    what: What | None
    arrived_at: float
    waiting: bool = False


def write_of(request: Request) -> What | None:
    """Tell which write a request is, or None for a read."""
    path = path_of(request.target)
    if request.method == "POST":
        return What.START if path == "/start" else What.UPDATE
    if request.method == "GET":
        return {"/kill": What.KILL, "/stop": What.STOP}.get(path)
    return None


def _posted(body: bytes) -> str | None:
    try:
        return revision(parse(body))
    except JsonSyntaxError:
        return None


class Serving:
    """The REST server of one process.

    Parameters
    ----------
    process
        Which answers.
    record
        Into the books.
    reads
        Of the node.
    """

    def __init__(self, process: Process, *, record: Recorder, reads: Reads) -> None:
        self.process = process
        self._routes = Routes(process)
        self._record = record
        self._reads = reads
        self._connections: set[NodeConnection] = set()
        self._waiting: list[Visit] = []

    def connect(self, connection: "NodeConnection") -> None:
        """Take on a connection."""
        self._connections.add(connection)

    def disconnect(self, connection: "NodeConnection") -> None:
        """Forget a connection; its requests run all the same."""
        self._connections.discard(connection)

    def take(self, connection: "NodeConnection", request: Request) -> None:
        """Put a request behind all that arrived before."""
        what = write_of(request)
        visit = Visit(connection, request, what, time.time())
        if what is None:
            self._reads.count(path_of(request.target))
        elif self.process.life.thread.busy:
            self._note_waiting(visit)
        self.process.life.thread.submit(lambda: self._carry_out(visit))

    def defer(self, action: Callable[[], None]) -> None:
        """Do something that libevent's one thread does, so not while that is blocked."""

        def work() -> None:
            action()

        self.process.life.thread.submit(work)

    def end(self) -> None:
        """End with the process: every connection gets its end-of-file, whatever waited is lost."""
        for visit in self._waiting:
            self._record(What.LOST, connection=visit.connection.number, **self._told(visit))
        self._waiting.clear()
        for connection in self._connections:
            connection.cut()
        self._connections.clear()

    def _carry_out(self, visit: Visit) -> Blocked | None:
        if visit.connection.closing:
            self._note_done(visit)
            return None
        if visit.what is None:
            return self._settle(visit, self._routes.answer(visit.request), {})
        told = self._describe(visit)
        return self._settle(visit, self._routes.answer(visit.request), told)

    def _settle(self, visit: Visit, outcome: Outcome, told: dict[str, Json]) -> Blocked | None:
        if isinstance(outcome, Later):
            later = outcome
            if visit.what is not None and not visit.waiting:
                self._note_waiting(visit)
            return Blocked(later.gate, lambda: self._settle(visit, later.resume(), told))
        if visit.what is not None:
            self._note_done(visit)
            status = None if outcome is None else outcome.status
            self._record(visit.what, connection=visit.connection.number, status=status, **told)
        if outcome is not None:
            visit.connection.send(outcome, visit.request)
        return None

    def _note_waiting(self, visit: Visit) -> None:
        visit.waiting = True
        self._waiting.append(visit)
        self._record(What.WAITING, connection=visit.connection.number, **self._told(visit))

    def _note_done(self, visit: Visit) -> None:
        if visit.waiting:
            visit.waiting = False
            self._waiting = [other for other in self._waiting if other is not visit]

    @staticmethod
    def _told(visit: Visit) -> dict[str, Json]:
        request = visit.what.value if visit.what else None
        return {"request": request, "path": visit.request.target, "arrived_at": visit.arrived_at}

    def _describe(self, visit: Visit) -> dict[str, Json]:
        config = self.process.config
        told: dict[str, Json] = {
            "arrived_at": visit.arrived_at,
            "abandoned": visit.connection.ended,
            "running": config.revision if config else None,
        }
        if visit.what is What.START:
            told["revision"] = _posted(visit.request.body)
        elif visit.what is What.UPDATE:
            told["endpoint"] = visit.request.target
            told["values"] = _posted(visit.request.body)
        return told


class NodeConnection(HttpConnection):
    """A connection to a simulated kotekan."""

    def __init__(self, serving: Serving, number: int) -> None:
        super().__init__()
        self.number = number
        self._serving = serving

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the connections of the process."""
        super().connection_made(transport)
        self._serving.connect(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the connections of the process."""
        super().connection_lost(exc)
        self._serving.disconnect(self)

    def on_request(self, request: Request) -> None:
        """Queue a request."""
        self._serving.take(self, request)

    def on_malformed(self, reply: Reply) -> None:
        """Queue the answer to what is no request."""

        def answer() -> None:
            if not self.closing:
                self.send(reply, UNPARSED)

        self._serving.defer(answer)

    def on_expect(self) -> None:
        """Ask for the body, once the thread is free."""
        self._serving.defer(super().on_expect)
