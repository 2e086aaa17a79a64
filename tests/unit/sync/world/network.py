"""TCP in memory: connections, refusals, silence, and the end-of-file that comes behind what was sent."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LATENCY_S = 0.0003
"""From one side to the other [s]."""


@dataclass
class Request:
    """One request of the worker's, from the step in which it was sent."""

    at: float
    address: str
    process: int
    method: str
    path: str
    body: bytes
    answered_at: float | None = None
    status: int | None = None
    ended_at: float | None = None
    """When its connection ended, whichever side ended it."""

    @property
    def writes(self) -> bool:
        return self.method == "POST" or self.path in ("/kill", "/stop")

    @property
    def outstanding(self) -> bool:
        return self.answered_at is None and self.ended_at is None


class Pipe(asyncio.Transport):
    """One side of a connection."""

    def __init__(self, protocol: asyncio.Protocol, network: "Network") -> None:
        super().__init__()
        self.protocol = protocol
        self._network = network
        self.peer: Pipe
        self.on_write: Callable[[bytes], None] | None = None
        self.on_written: Callable[[], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._coming: deque[bytes | None] = deque()

    def begin(self) -> None:
        self.protocol.connection_made(self)

    def write(self, data: bytes) -> None:
        if self._closing:
            return
        if self.on_write is not None:
            self.on_write(data)
        self.peer.send(data)
        if self.on_written is not None:
            self.on_written()

    def send(self, data: bytes | None) -> None:
        """Take what the other side sends; None is the end-of-file."""
        self._coming.append(data)
        self._loop.call_later(self._network.latency_s, self._arrive)

    def _arrive(self) -> None:
        data = self._coming.popleft()
        if self._closing:
            return
        if data is not None:
            self.protocol.data_received(data)
        elif not self.protocol.eof_received():
            self.close()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self.on_end is not None:
            self.on_end()
        self.peer.send(None)
        self._loop.call_soon(self.protocol.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return 0


class Listener:
    """A port that a kotekan has bound."""

    def __init__(self, address: Any) -> None:
        self.address = str(address)

    def close(self) -> None:
        """Nothing listens on it before it is served."""


@dataclass
class Server:
    """A port that is served."""

    network: "Network"
    address: str

    def close(self) -> None:
        self.network.listening.pop(self.address, None)


@dataclass
class Network:
    """All connections from the worker to nodes, and every request on them."""

    listening: dict[str, Callable[[], asyncio.Protocol]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    """Addresses to which no packet comes through: of connections that are made from now on."""
    latency_s: float = LATENCY_S
    requests: list[Request] = field(default_factory=list)
    process_at: Callable[[str], int] = lambda _: 0
    on_request: list[Callable[[Request], None]] = field(default_factory=list)
    on_sent: list[Callable[[Request], None]] = field(default_factory=list)
    on_answer: list[Callable[[Request], None]] = field(default_factory=list)
    _open: set[Pipe] = field(default_factory=set)

    def serve(self, factory: Callable[[], asyncio.Protocol], listener: Listener) -> Server:
        self.listening[listener.address] = factory
        return Server(self, listener.address)

    async def connect(self, factory: Callable[[], asyncio.Protocol], host: str, port: int) -> Any:
        address = f"{host}:{port}"
        await asyncio.sleep(self.latency_s)
        if address in self.silent:
            await asyncio.sleep(130)
            raise TimeoutError("no answer")
        server = self.listening.get(address)
        if server is None:
            raise ConnectionRefusedError(111, "Connection refused")
        near, far = Pipe(factory(), self), Pipe(server(), self)
        near.peer, far.peer = far, near
        self._watch(near, far, address)
        far.begin()
        near.begin()
        return near, near.protocol

    def cut_all(self) -> None:
        """End every connection, as the kernel does for a process that is killed."""
        for pipe in list(self._open):
            pipe.close()

    def outstanding(self, address: str) -> list[Request]:
        return [
            request for request in self.requests[-50:] if request.address == address and request.outstanding
        ]

    def _watch(self, near: Pipe, far: Pipe, address: str) -> None:
        """Keep the books of a connection."""
        mine: list[Request] = []
        loop = asyncio.get_running_loop()
        process = self.process_at(address)

        def sent(data: bytes) -> None:
            head, _, body = data.partition(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
            request = Request(loop.time(), address, process, method, path, body)
            mine.append(request)
            self.requests.append(request)
            for told in self.on_request:
                told(request)

        def answered(data: bytes) -> None:
            if data.startswith(b"HTTP/1.1 ") and mine and not data.startswith(b"HTTP/1.1 100"):
                self._note_answer(mine[-1], int(data[9:12]))

        def ended() -> None:
            self._open.discard(near)
            for request in mine:
                if request.ended_at is None:
                    request.ended_at = loop.time()

        def gone_out() -> None:
            for told in self.on_sent:
                told(mine[-1])

        self._open.add(near)
        near.on_written = gone_out
        near.on_write, far.on_write, near.on_end = sent, answered, ended

    def _note_answer(self, request: Request, status: int) -> None:
        loop = asyncio.get_running_loop()
        request.status = status

        def arrived() -> None:
            if request.ended_at is None:
                request.answered_at = loop.time()
                for told in self.on_answer:
                    told(request)

        loop.call_later(self.latency_s, arrived)
