"""A typed client of the simulator's control port, for tests, chaos, benchmarks and the command line."""

import asyncio
import json
from dataclasses import dataclass, field, fields
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

DEFAULT_CONTROL: Final = "http://127.0.0.1:20999"
TIMEOUT_S: Final = 30.0


class SimControlError(Exception):
    """The control port refused an order; the words say why."""


class SimUnreachableError(SimControlError):
    """Nobody answers at the control port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimNode:
    """One simulated node.

    `state` is idle, running, dying, joining (a process is there), restarting, failed (start limit), stopped or refused.
    `process` counts its processes; `revision` is that of the config as it now runs; `writes` counts by kind, `reads`
    (only from `node`) by path.
    """

    name: str
    host: str
    port: int
    process: int
    state: str
    running: bool
    revision: str | None
    starts: int
    deaths: int
    faults: list[dict[str, Any]]
    writes: dict[str, int]
    reads: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimEntry:
    """One entry of the books.

    `at` is Unix time. `what` is start, kill, stop, update (carried out, with `told["status"]`), waiting and lost
    (writes that had to wait), listening, running, died, failed,
    order or fault. `told` has the rest: for a start `revision` (posted) and
    `running`; for a kill `running`; for an update `endpoint` and `values`; for died `rc` and `cause`.
    """

    serial: int
    at: float
    node: str
    process: int
    connection: int | None
    what: str
    told: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimBooks:
    """Entries of the books, the highest serial number there is, and how many entries were dropped so far."""

    entries: list[SimEntry]
    last: int
    dropped: int


class SimControl:
    """The control port of a running simulator.

    Parameters
    ----------
    control
        Its URL, `host:port`, or port.
    timeout_s
        For each order [s].
    """

    def __init__(self, control: str | int = DEFAULT_CONTROL, *, timeout_s: float = TIMEOUT_S) -> None:
        text = str(control)
        text = f"127.0.0.1:{text}" if text.isdecimal() else text
        parts = urlsplit(text if "//" in text else f"//{text}")
        self.host = parts.hostname or "127.0.0.1"
        self.port = parts.port or 20999
        self._timeout_s = timeout_s

    @property
    def url(self) -> str:
        """Where the control port is."""
        return f"http://{self.host}:{self.port}"

    async def about(self) -> dict[str, Any]:
        """Return seed, speed, number of processes and nodes, and the pid of the parent."""
        about: dict[str, Any] = await self._call("GET", "/")
        return about

    async def nodes(self) -> dict[str, SimNode]:
        """Return all nodes by name."""
        nodes = await self._call("GET", "/nodes")
        return {node["name"]: SimNode(**node) for node in nodes}

    async def node(self, name: str) -> SimNode:
        """Return one node, with its reads."""
        described = await self._call("GET", f"/nodes/{quote(name)}")
        known = {item.name for item in fields(SimNode)}
        return SimNode(**{key: value for key, value in described.items() if key in known})

    async def books(self, since: int = 0, *, node: str | None = None, limit: int | None = None) -> SimBooks:
        """Return the entries with a serial number above `since`, of one node or of all."""
        query = {"since": since, "node": node, "limit": limit}
        told = await self._call(
            "GET", f"/books?{urlencode({k: v for k, v in query.items() if v is not None})}"
        )
        entries = [_entry(entry) for entry in told["entries"]]
        return SimBooks(entries=entries, last=told["last"], dropped=told["dropped"])

    async def fault(self, nodes: str | list[str], kind: str, **parameters: Any) -> list[str]:
        """Give a fault to all nodes that fit the name, pattern or list of them; return their names."""
        globs = [nodes] if isinstance(nodes, str) else nodes
        told = await self._call("POST", "/faults", {"nodes": globs, "kind": kind, **parameters})
        names: list[str] = told["nodes"]
        return names

    async def clear(self, nodes: str | list[str] = "*") -> list[str]:
        """Take all faults from the nodes that fit; return their names."""
        globs = [nodes] if isinstance(nodes, str) else nodes
        told = await self._call("DELETE", "/faults", {"nodes": globs})
        names: list[str] = told["nodes"]
        return names

    async def order(self, node: str, order: str) -> SimNode:
        """Give one node an order: start, stop, restart, reset-failed or sigkill."""
        return SimNode(**await self._call("POST", f"/nodes/{quote(node)}/orders", {"order": order}))

    async def fpga(self, **changes: Any) -> dict[str, Any]:
        """Change what the FPGA master says, and return that: restart, frame0_ns, start_ctime, rollovers, fault."""
        described: dict[str, Any] = await self._call("POST", "/fpga", changes)
        return described

    async def add(
        self, node: str, *, port: int, host: str = "127.0.0.1", speed: float | None = None
    ) -> SimNode:
        """Add a node."""
        told = {"port": port, "host": host, "speed": speed}
        return SimNode(**await self._call("PUT", f"/nodes/{quote(node)}", told))

    async def remove(self, node: str) -> None:
        """Remove a node."""
        await self._call("DELETE", f"/nodes/{quote(node)}")

    async def _call(self, method: str, path: str, told: Any = None) -> Any:
        body = b"" if told is None else json.dumps(told).encode()
        head = f"{method} {path} HTTP/1.0\r\nHost: {self.host}\r\nContent-Length: {len(body)}\r\n\r\n"
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._exchange(head.encode() + body)
        except TimeoutError as error:
            raise SimUnreachableError(f"{self.url} did not answer within {self._timeout_s:g} s") from error
        except OSError as error:
            words = f"no simulator answers at {self.url}: {error.strerror or error}"
            raise SimUnreachableError(f"{words}; is `conche sim run` running?") from error
        if not answer:
            raise SimUnreachableError(f"{self.url} closed the connection without an answer: it is ending")
        headers, _, content = answer.partition(b"\r\n\r\n")
        try:
            status, value = int(headers.split()[1]), json.loads(content)
        except (IndexError, ValueError) as error:
            raise SimControlError(f"{self.url} is not the control port of a simulator") from error
        if status != 200:
            raise SimControlError(str(value.get("error", value)))
        return value

    async def _exchange(self, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(data)
            return await reader.read(-1)
        finally:
            writer.close()


def _entry(told: dict[str, Any]) -> SimEntry:
    known = ("serial", "at", "node", "process", "connection", "what")
    return SimEntry(
        **{key: told[key] for key in known},
        told={key: value for key, value in told.items() if key not in known},
    )
