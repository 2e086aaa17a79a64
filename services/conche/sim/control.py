"""The control port: JSON over HTTP, on loopback, for operators, chaos tests and benchmarks."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, unquote

from .books import RING
from .cluster import ChildDiedError, Cluster
from .connection import HttpConnection
from .fpga import FpgaMaster
from .host import OrderRefusedError
from .messages import Content, Reply, Request
from .values import Json, JsonSyntaxError, parse

DEFAULT_PORT: Final = 20999


class Control:
    """The orders that the control port understands.

    Parameters
    ----------
    cluster
        Which carries them out.
    fpga
        Likewise; None where no FPGA master is simulated.
    about
        What `GET /` says: seed, speed, processes.
    """

    def __init__(self, cluster: Cluster, *, fpga: FpgaMaster | None = None, about: dict[str, Json]) -> None:
        self._cluster = cluster
        self._fpga = fpga
        self._about = about

    async def answer(self, request: Request) -> Reply:
        """Carry out one order."""
        try:
            return _reply(200, await self._dispatch(request))
        except OrderRefusedError as error:
            return _reply(error.status, {"error": error.words})
        except ChildDiedError as error:
            return _reply(503, {"error": str(error)})

    async def _dispatch(self, request: Request) -> Json:
        path, _, query = request.target.partition("?")
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match request.method, parts:
            case "GET", [""]:
                return self._about
            case "GET", ["nodes"]:
                return await self._cluster.nodes()
            case "GET", ["books"]:
                return await self._books(query)
            case "GET" | "POST", ["fpga"]:
                return self._order_fpga(_object(request.body) if request.body else {})
            case _, ["faults"]:
                return await self._faults(request, None)
            case _, ["nodes", group, node, "faults"]:
                return await self._faults(request, f"{group}/{node}")
            case _, ["nodes", group, node, *rest]:
                return await self._node(request, f"{group}/{node}", rest)
        raise OrderRefusedError(f"there is no {request.method} {path}", status=404)

    def _order_fpga(self, told: dict[str, Json]) -> Json:
        if self._fpga is None:
            raise OrderRefusedError("no FPGA master is simulated: start it with --fpga-port", status=404)
        return self._fpga.order(told)

    async def _books(self, query: str) -> Json:
        given = {key: values[-1] for key, values in parse_qs(query).items()}
        try:
            since, limit = int(given.get("since", 0)), int(given.get("limit", RING))
        except ValueError as error:
            raise OrderRefusedError("since and limit are whole numbers: /books?since=0&limit=1000") from error
        return await self._cluster.books(since=since, limit=max(1, limit), node=given.get("node"))

    async def _faults(self, request: Request, name: str | None) -> Json:
        told = _object(request.body) if request.body else {}
        globs = _globs(told.pop("nodes", ["*"]) if name is None else [_escape(name)])
        if request.method == "DELETE":
            return {"nodes": [*await self._cluster.clear(globs)]}
        if request.method == "POST":
            return {"nodes": [*await self._cluster.fault(globs, told)]}
        raise OrderRefusedError("faults are given with POST and taken with DELETE")

    async def _node(self, request: Request, name: str, rest: list[str]) -> Json:
        match request.method, rest:
            case "GET", []:
                return await self._cluster.node(name)
            case "PUT", []:
                return await self._add(name, _object(request.body))
            case "DELETE", []:
                return await self._cluster.remove(name)
            case "POST", ["orders"]:
                return await self._cluster.order(name, _object(request.body).get("order"))
        raise OrderRefusedError(f"there is no {request.method} {request.target}", status=404)

    async def _add(self, name: str, told: dict[str, Json]) -> Json:
        port, host, speed = told.get("port"), told.get("host", "127.0.0.1"), told.get("speed")
        if not isinstance(port, int) or not 0 < port < 65536:
            raise OrderRefusedError('a node needs a port: {"port": 21000}')
        if speed is not None and (not isinstance(speed, int | float) or speed <= 0):
            raise OrderRefusedError(f"speed is a number above 0, not {speed!r}")
        speed = None if speed is None else float(speed)
        return await self._cluster.add(name, host=str(host), port=port, speed=speed)


class ControlConnection(HttpConnection):
    """A connection to the control port; each carries one order."""

    def __init__(
        self, control: Control, *, tasks: asyncio.TaskGroup, all_open: set["ControlConnection"]
    ) -> None:
        super().__init__()
        self._control = control
        self._tasks = tasks
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
        """Carry the order out and close."""
        if not self.closing:
            self.closing = True
            self._tasks.create_task(self._answer(request), name="answer order")

    async def _answer(self, request: Request) -> None:
        self.send(await self._control.answer(request), request)


@asynccontextmanager
async def serve_control(
    control: Control, listener: socket.socket, *, tasks: asyncio.TaskGroup
) -> AsyncIterator[None]:
    """Serve the control port until the context ends; orders run in `tasks`."""
    connections: set[ControlConnection] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: ControlConnection(control, tasks=tasks, all_open=connections), sock=listener
    )
    try:
        yield
    finally:
        server.close()
        for connection in tuple(connections):
            connection.cut()


def _reply(status: int, value: Json) -> Reply:
    body = json.dumps(value, ensure_ascii=False).encode()
    return Reply(status, HTTPStatus(status).phrase, body, Content.CONTROL, close=True)


def _object(body: bytes) -> dict[str, Json]:
    try:
        told = parse(body)
    except JsonSyntaxError as error:
        raise OrderRefusedError(f"the body is not JSON: {error}") from error
    if not isinstance(told, dict):
        raise OrderRefusedError("the body must be a JSON object")
    return told


def _globs(given: Json) -> list[str]:
    globs = given if isinstance(given, list) else [given]
    if not all(isinstance(glob, str) for glob in globs):
        raise OrderRefusedError('nodes is a list of names or patterns: ["cx/*"]')
    return [str(glob) for glob in globs]


def _escape(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)
