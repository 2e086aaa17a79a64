import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from conche.contract.roles import Role
from conche.gateway import accesslog
from conche.gateway.app import Frame
from conche.gateway.bounds import Bounds
from conche.gateway.endpoint import Ask, Endpoint, answer
from conche.gateway.guard import Guard
from conche.gateway.limits import Rate
from conche.gateway.listening import listening, serving
from conche.gateway.problems import Conflict
from conche.gateway.sessions import Sessions
from conche.gateway.store import FILE, opened
from conche.gateway.tokens import Tokens
from conche.settings import Gateway, Settings

Handler = Callable[[Ask], Awaitable[web.StreamResponse]]


@dataclass
class Asked:
    """A gateway of a test's own rows."""

    url: str
    http: aiohttp.ClientSession
    token: str
    store: sqlite3.Connection
    lines: list[Any] = field(default_factory=list)

    async def get(self, path: str, **more: Any) -> tuple[int, Any]:
        async with self.http.get(f"{self.url}{path}", **more) as came:
            return came.status, await came.json(
                content_type=None
            ) if "json" in came.content_type else await came.read()

    def as_admin(self) -> dict[str, dict[str, str]]:
        return {"headers": {"Authorization": f"Bearer {self.token}"}}


def row(handler: Handler, path: str = "/x", **more: Any) -> Endpoint:
    return Endpoint(
        **{"method": "GET", "path": path, "least": None, "handler": handler, "summary": "", **more}
    )


@asynccontextmanager
async def asked(folder: Path, *rows: Endpoint, **bounds: float) -> AsyncIterator[Asked]:
    limits = Bounds(**bounds)
    lines: list[Any] = []
    with opened(folder) as store:
        tokens = Tokens(store)
        sessions = Sessions(store, key=b"k" * 32, idle_s=9, max_s=9)
        settings = Settings(gateway=Gateway(state_dir=folder))
        frame = Frame(
            desk=SimpleNamespace(settings=settings),
            guard=Guard(sessions=sessions, tokens=tokens, settings=settings.gateway),
            rate=Rate(1000),
            log=lambda line: lines.append(json.loads(line)),
            bounds=limits,
        )
        token = tokens.create("script", role=Role.ADMIN, lasts=timedelta(days=1))
        async with (
            serving(frame.application(rows), bounds=limits) as runner,
            listening(runner, host="127.0.0.1", port=0, context=None, setting="test", most=10) as port,
            aiohttp.ClientSession() as http,
        ):
            yield Asked(f"http://127.0.0.1:{port}", http, token, store, lines)


async def fine(_: Ask) -> web.Response:
    return answer({"fine": True})


async def test_a_row_is_a_route_and_its_handler_learns_who_asks(tmp_path: Path):
    async def who(ask: Ask) -> web.Response:
        return answer({"name": ask.who.name, "part": ask.part("thing")})

    async with asked(tmp_path, row(who, "/things/{thing}", least=Role.VIEWER)) as one:
        assert await one.get("/things/%C3%A4%20b", **one.as_admin()) == (
            200,
            {"name": "script", "part": "ä b"},
        )
        assert (await one.get("/things/a"))[0] == 401


async def test_a_handler_that_does_not_end_is_given_up_and_told(tmp_path: Path):
    async def slow(_: Ask) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with asked(tmp_path, row(slow), handler_s=0.05) as one:
        status, problem = await one.get("/x")
        assert (status, problem["type"]) == (504, "urn:conche:problem:no-answer")
        assert one.lines[0]["status"] == 504


async def test_an_answer_that_goes_on_is_not_given_up(tmp_path: Path):
    async def stream(ask: Ask) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(ask.http)
        await asyncio.sleep(0.2)
        await response.write(b"late")
        return response

    async with asked(tmp_path, row(stream, endless=True), handler_s=0.05) as one:
        assert await one.get("/x") == (200, b"late")
        async with one.http.head(f"{one.url}/x") as came:
            assert came.status == 405


async def test_a_problem_is_told_as_the_standard_has_it(tmp_path: Path):
    async def contradict(_: Ask) -> web.Response:
        raise Conflict("that id was another's")

    async with asked(tmp_path, row(contradict, "/api/v1/x"), row(contradict, "/update/{group}")) as one:
        assert await one.get("/api/v1/x?secret=1") == (
            409,
            {
                "type": "urn:conche:problem:conflict",
                "title": "This contradicts how things stand",
                "status": 409,
                "detail": "that id was another's",
                "instance": "/api/v1/x",
            },
        )
        status, told = await one.get("/update/cx")
        assert status == 409
        assert "title" not in told


async def test_what_nobody_foresaw_is_a_500_that_tells_nothing_and_is_in_both_logs(tmp_path: Path, caplog):
    async def broken(_: Ask) -> web.Response:
        raise KeyError("a secret")

    async with asked(tmp_path, row(broken)) as one:
        status, body = await one.get("/x")
        assert (status, b"secret" in body) == (500, False)
        assert one.lines[0]["status"] == 500
    assert "a secret" in caplog.text


async def test_a_file_of_sessions_that_is_broken_is_told_as_such(tmp_path: Path, caplog):
    async with asked(tmp_path, row(fine, least=Role.VIEWER)) as one:
        one.store.execute("DROP TABLE tokens")
        status, problem = await one.get("/x", **one.as_admin())
        assert (status, problem["type"]) == (503, "urn:conche:problem:away")
    assert "no such table: tokens" in caplog.text


async def test_that_a_use_can_not_be_noted_refuses_nobody(tmp_path: Path, caplog):
    async with asked(tmp_path, row(fine, least=Role.VIEWER)) as one:
        one.store.execute("PRAGMA busy_timeout = 10")
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            assert (await one.get("/x", **one.as_admin()))[0] == 200
        finally:
            other.close()
    assert "can't note when something was used" in caplog.text


async def test_a_line_of_the_access_log_has_all_that_happened_and_no_query(tmp_path: Path):
    async with asked(tmp_path, row(fine, least=Role.VIEWER)) as one:
        await one.get("/x?password=secret", **one.as_admin())
        await one.get("/%0a%22")
    assert set(one.lines[0]) == {"at", "who", "via", "address", "method", "path", "status", "ms", "bytes"}
    line = {key: one.lines[0][key] for key in ("who", "via", "address", "method", "path", "status", "bytes")}
    assert line == {
        "who": "script",
        "via": "token script",
        "address": "127.0.0.1",
        "method": "GET",
        "path": "/x",
        "status": 200,
        "bytes": len(b'{"fine":true}'),
    }
    assert (one.lines[1]["who"], one.lines[1]["path"], one.lines[1]["status"]) == (None, '/\n"', 400)


def test_the_access_log_goes_to_standard_output_a_line_each(capsys: pytest.CaptureFixture[str]):
    try:
        accesslog.to_standard_output()('{"a": "%s"}')
        assert capsys.readouterr().out == '{"a": "%s"}\n'
    finally:
        access = logging.getLogger(accesslog.LOGGER)
        access.handlers, access.propagate = [], True
