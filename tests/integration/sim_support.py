"""A client that sees every byte, and nodes to send them to."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from conche.sim.books import Entry
from conche.sim.host import NodeHost
from conche.sim.launch import simulated_nodes
from conche.sim.unit import Address

MINIMAL: dict[str, Any] = {"log_level": "info", "cpu_affinity": [0]}
GAINS: dict[str, Any] = {
    **MINIMAL,
    "gains": {"kotekan_update_endpoint": "json", "start_time": 1.5, "count": 3, "name": "a", "on": True},
}
UPDATE: dict[str, Any] = {"start_time": 2.5, "count": 4, "name": "b", "on": False}
NODE = "cx/cx27"


@dataclass(frozen=True)
class Answer:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["message"])

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def to(cls, address: Address) -> AsyncIterator["Client"]:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def half_close(self) -> None:
        self._writer.write_eof()

    async def read(self) -> Answer:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.strip("\r\n").split("\r\n")
        _, status, reason = (line + " ").split(" ", 2)
        headers = [(key, value) for key, value in (item.split(": ", 1) for item in rest)]
        length = next((int(value) for key, value in headers if key == "Content-Length"), 0)
        return Answer(int(status), reason.strip(), headers, await self._reader.readexactly(length))

    async def ask(self, method: str, target: str, body: Any = None) -> Answer:
        self.request(method, target, body)
        return await self.read()

    def request(self, method: str, target: str, body: Any = None) -> None:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"{method} {target} HTTP/1.1\r\nHost: sim\r\nContent-Length: {len(data)}\r\n\r\n"
        self.send(head.encode() + data)

    async def get(self, target: str) -> Answer:
        return await self.ask("GET", target)

    async def post(self, target: str, body: Any) -> Answer:
        return await self.ask("POST", target, body)

    async def end_of_file(self) -> bytes:
        """Wait for the end of the connection and return what came before it."""
        try:
            async with asyncio.timeout(5):
                return await self._reader.read(-1)
        except ConnectionResetError:
            return b""


class Node:
    """One simulated node in this process."""

    def __init__(self, host: NodeHost, address: Address) -> None:
        self.host = host
        self.address = address
        self.entries: list[Entry] = []

    def connect(self) -> Any:
        return Client.to(self.address)

    def fault(self, kind: str, **parameters: Any) -> None:
        self.host.call("fault", {"nodes": [NODE], "fault": {"kind": kind, **parameters}})

    def clear(self) -> None:
        self.host.call("clear", {"nodes": [NODE]})

    def order(self, order: str) -> None:
        self.host.call("order", {"node": NODE, "order": order})

    @property
    def view(self) -> dict[str, Any]:
        described = self.host.call("node", {"node": NODE})
        assert isinstance(described, dict)
        return described

    def books(self, what: str) -> list[Entry]:
        self.entries += self.host.journal.take()[0]
        return [entry for entry in self.entries if entry["what"] == what]

    async def until(self, what: str, count: int = 1) -> Entry:
        """Wait for the `count`-th entry of a kind."""
        async with asyncio.timeout(5):
            while len(self.books(what)) < count:
                await asyncio.sleep(0.002)
        return self.books(what)[count - 1]


@asynccontextmanager
async def running_node(*, speed: float = 20.0, early_404: float = 0.0, seed: int = 1) -> AsyncIterator[Node]:
    async with simulated_nodes(NODE, speed=speed, early_404=early_404, seed=seed) as (host, addresses):
        yield Node(host, addresses[NODE])
