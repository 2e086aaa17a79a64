"""A real InfluxDB 1 that can be killed, and a front that makes an InfluxDB 2 of it, with faults."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from conche.influx import Database, login_of, open_session
from conche.settings import Influx

from .harness import free_port

INFLUXD = shutil.which("influxd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:{sys.prefix}/bin")
ADMIN = ("admin", "admin's own")
TOKEN = "a-token=="
ORG = "observatory"
TRIAL = "front_trial"
"""Database in which the front has influxd read a batch before it is written: InfluxDB 2 takes all lines or none."""


class Influxd:
    """One influxd in a folder; it can be stopped, killed and started again on the same data."""

    def __init__(self, folder: Path, *, auth: bool = False, certificate: Path | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self._other_port = free_port()
        self._auth = auth
        self._certificate = certificate
        """Folder with one; given means TLS."""
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.port}"

    def settings(self, **more: Any) -> Influx:
        return Influx(url=self.url, **more)

    async def start(self) -> None:
        assert INFLUXD is not None
        environment = {
            "HOME": str(self.folder),
            "INFLUXDB_REPORTING_DISABLED": "true",
            "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{self._other_port}",
            "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{self.port}",
            "INFLUXDB_HTTP_AUTH_ENABLED": str(self._auth).lower(),
            "INFLUXDB_HTTP_LOG_ENABLED": "false",
            "INFLUXDB_META_DIR": str(self.folder / "meta"),
            "INFLUXDB_DATA_DIR": str(self.folder / "data"),
            "INFLUXDB_DATA_WAL_DIR": str(self.folder / "wal"),
            "INFLUXDB_MONITOR_STORE_ENABLED": "false",
        }
        if self._certificate:
            environment |= {
                "INFLUXDB_HTTP_HTTPS_ENABLED": "true",
                "INFLUXDB_HTTP_HTTPS_CERTIFICATE": str(self._certificate / "server.crt"),
                "INFLUXDB_HTTP_HTTPS_PRIVATE_KEY": str(self._certificate / "server.key"),
            }
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [INFLUXD, "-config", "/dev/null"], env=environment, stdout=log, stderr=log
            )
        for _ in range(500):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                await writer.wait_closed()
                return
            assert self._process.poll() is None, (self.folder / "log").read_text()
            await asyncio.sleep(0.02)
        raise AssertionError("influxd does not listen")

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    async def ask(self, question: str, *, database: str = "conche") -> list[dict[str, Any]]:
        """The series of an answer, as raw as they come; as the administrator where there is one."""
        headers = {"Authorization": "Basic " + b64encode(":".join(ADMIN).encode()).decode()}
        params = {"db": database, "epoch": "ns"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{self.url}/query",
                params=params,
                data={"q": question},
                headers=headers if self._auth else {},
            ) as answer,
        ):
            body = await answer.json()
        assert answer.status == 200, body
        assert all("error" not in result for result in body["results"]), body
        return [series for result in body["results"] for series in result.get("series", [])]

    async def count(self, field: str = "f", *, database: str = "conche") -> int:
        """How many points have a field, of all measurements."""
        found = await self.ask(f'SELECT count("{field}") FROM /.*/', database=database)
        return sum(series["values"][0][1] for series in found)


@asynccontextmanager
async def running_influxd(
    folder: Path, *, auth: bool = False, certificate: Path | None = None
) -> AsyncIterator[Influxd]:
    """One in a folder; with an administrator where it asks for accounts. Skips the test where there is no influxd."""
    if INFLUXD is None:
        pytest.skip("there is no influxd: apt-get install influxdb")
    influxd = Influxd(folder, auth=auth, certificate=certificate)
    await influxd.start()
    try:
        if auth:
            influxd._auth = False  # the first user is made by nobody
            await influxd.ask(f"CREATE USER {ADMIN[0]} WITH PASSWORD '{_text(ADMIN[1])}' WITH ALL PRIVILEGES")
            influxd._auth = True
        yield influxd
    finally:
        influxd.kill()


def _text(text: str) -> str:
    return text.replace("'", "\\'")


@asynccontextmanager
async def database_of(settings: Influx) -> AsyncIterator[Database]:
    """The client of what settings name."""
    async with open_session(settings.ca_file) as session:
        yield Database(session, login=login_of(settings))


# --- InfluxDB 2


class Fault(StrEnum):
    """What the front does instead of what it should, or before it."""

    SLOW = "slow"
    """Points are stored, and the answer comes only after `Front.slow_s`."""
    UNAVAILABLE = "503"
    BUSY = "429"
    FULL = "500"
    """As InfluxDB 1 does with a full disk."""
    CUT = "cut"
    """The connection ends once the points are stored, before the answer."""
    GONE = "gone"
    """The connection ends before anything is done."""
    HALF = "half"
    """The answer ends in the middle."""
    PAGE = "page"
    """A page of a proxy, with 200."""
    FLOOD = "flood"
    """An answer without end."""


@dataclass
class Front:
    """InfluxDB 2's way of writing before an influxd; a bucket is a database of it."""

    influxd: Influxd
    session: aiohttp.ClientSession
    buckets: set[str]
    url: str = ""
    fault: Fault | None = None
    slow_s: float = 3.0
    retry_after: str | None = None
    most: int = 64 * 1024 * 1024
    """Longer requests are answered 413, as by a proxy [bytes]."""
    requests: list[int] = field(default_factory=list)
    """Lines of each request to write."""
    ends: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    most_at_once: int = 0

    def settings(self, **more: Any) -> Influx:
        given = {"url": self.url, "org": ORG, "bucket": "conche", "token": TOKEN}
        return Influx(**{**given, **more})

    async def on_write(self, request: web.Request) -> web.StreamResponse:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._written(request)
        finally:
            self.at_once -= 1

    async def _written(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()  # the library has unpacked it
        self.requests.append(len(body.splitlines()))
        if (fault := await self._faulty(request)) is not None:
            return fault
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if len(body) > self.most:
            return web.Response(status=413, text="<html><h1>413 Request Entity Too Large</h1></html>")
        answer = await self._stored(body, request.query)
        await self._linger()
        return _cut_off(request) if self.fault is Fault.CUT else answer

    async def on_query(self, request: web.Request) -> web.StreamResponse:
        if (fault := await self._faulty(request)) is not None:
            return fault
        if request.headers.get("Authorization") != f"Token {TOKEN}":
            return _complaint(401, "unauthorized", "unauthorized access")
        await self._linger()
        form = await request.post()
        status, body = await self._passed("/query", request.query, {"q": str(form["q"])})
        return web.Response(status=status, body=body, content_type="application/json")

    async def _linger(self) -> None:
        if self.fault is Fault.SLOW:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ends.wait(), self.slow_s)

    def _refusal(self, request: web.Request) -> web.Response | None:
        org, bucket = request.query.get("org"), request.query.get("bucket")
        if request.headers.get("Authorization") != f"Token {TOKEN}":
            return _complaint(401, "unauthorized", "unauthorized access")
        if org != ORG:
            return _complaint(404, "not found", f'organization name "{org}" not found')
        if bucket not in self.buckets:
            return _complaint(404, "not found", f'bucket "{bucket}" not found')
        return None

    async def _stored(self, body: bytes, query: Mapping[str, str]) -> web.Response:
        precision = query["precision"]
        status, tried = await self._passed("/write", {"db": TRIAL, "precision": precision}, body)
        words = json.loads(tried)["error"] if status == 400 else ""
        if unread := re.search(
            r"^(?:partial write: )?(unable to parse .*?)(?: dropped=0)?$", words, re.DOTALL
        ):
            return _complaint(400, "invalid", unread[1])
        status, told = await self._passed("/write", {"db": query["bucket"], "precision": precision}, body)
        if status == 204:
            return web.Response(status=204)
        words = json.loads(told)["error"]
        if status == 400:
            return _complaint(422, "unprocessable entity", f"failure writing points to database: {words}")
        return _complaint(500, "internal error", words)

    async def _passed(self, path: str, params: Mapping[str, str], data: Any) -> tuple[int, bytes]:
        async with self.session.post(f"{self.influxd.url}{path}", params=params, data=data) as answer:
            return answer.status, await answer.read()

    async def _faulty(self, request: web.Request) -> web.StreamResponse | None:
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        match self.fault:
            case Fault.UNAVAILABLE:
                return web.Response(status=503, text="<html><h1>503</h1></html>", headers=headers)
            case Fault.BUSY:
                return _complaint(429, "too many requests", "write rate over its limit", headers)
            case Fault.FULL:
                return web.json_response({"error": "engine: write wal: no space left on device"}, status=500)
            case Fault.GONE:
                return _cut_off(request)
            case Fault.HALF:
                return await _parts(request, length="100", parts=1)
            case Fault.PAGE:
                return web.Response(text="<html><h1>Log in</h1></html>", content_type="text/html")
            case Fault.FLOOD:
                return await _parts(request, length=None, parts=100_000)
        return None


@asynccontextmanager
async def influxdb2(influxd: Influxd, *buckets: str) -> AsyncIterator[Front]:
    """A front with some buckets; none named: conche."""
    async with aiohttp.ClientSession() as session:
        front = Front(influxd, session, set(buckets or ("conche",)))
        for name in (*front.buckets, TRIAL):
            await influxd.ask(f'CREATE DATABASE "{name}"')
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/api/v2/write", front.on_write)
        app.router.add_post("/query", front.on_query)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        front.url = f"http://127.0.0.1:{port}"
        try:
            yield front
        finally:
            front.ends.set()
            await runner.cleanup()


def _complaint(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.json_response({"code": code, "message": message}, status=status, headers=headers)


def _cut_off(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _parts(request: web.Request, *, length: str | None, parts: int) -> web.StreamResponse:
    """An answer of which only some parts come."""
    answer = web.StreamResponse(headers={} if length is None else {"Content-Length": length})
    await answer.prepare(request)
    with contextlib.suppress(ConnectionError):  # whoever has read enough goes away
        for _ in range(parts):
            await answer.write(b" " * (10 if length else 65536))
    return _cut_off(request) if length else answer
