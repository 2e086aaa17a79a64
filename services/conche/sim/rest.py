"""What a kotekan process answers to each request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, TypeAlias

from .config import RunningConfig, StartRefusedError, UpdateFailedError
from .faults import Http, HttpMode
from .lifetime import ExitCode
from .messages import EMPTY, NOT_FOUND, Content, Reply, Request, error_reply, html_reply, json_reply
from .metrics import Gauge, stage_metrics
from .process import Process
from .thread import Gate
from .values import Json, JsonSyntaxError, dump_compact, parse

JOIN_S: Final = (0.01, 0.3)
"""How long fast stages take to join in /stop [s]."""

EMPTY_MD5: Final = "d41d8cd98f00b204e9800998ecf8427e"
VERSION: Final[Json] = {
    "available_stages": ["bufferStatus", "fakeVis", "testDataGen"],
    "branch": "simulated",
    "cmake_build_settings": "CMAKE_BUILD_TYPE Release",
    "git_commit_hash": "0" * 40,
    "kotekan_version": "2024.09-sim",
}


class Later:
    """A reply that is not there yet: it comes from `resume` when the gate opens."""

    __slots__ = ("gate", "resume")

    def __init__(self, gate: Gate, resume: Callable[[], Outcome]) -> None:
        self.gate = gate
        self.resume = resume


Outcome: TypeAlias = "Reply | Later | None"
"""None: the process is gone, and with it the connection."""


def path_of(target: str) -> str:
    """Return the path that evhttp looks up: no query, no authority, nothing decoded."""
    if not target.startswith("/"):
        target = "/" + target.partition("://")[2].partition("/")[2]
    return target.partition("?")[0].partition("#")[0]


class Routes:
    """The endpoints of one process.

    Parameters
    ----------
    process
        Whose endpoints they are.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._gets: dict[str, Callable[[], Outcome]] = {
            "/config": self._config,
            "/status": self._status,
            "/kill": self._kill,
            "/stop": self._stop,
            "/config_md5sum": self._md5sum,
            "/metrics": self._metrics,
            "/endpoints": self._endpoints,
            "/version": lambda: json_reply(VERSION),
            "/buffers": lambda: json_reply({}),
            "/trackers": lambda: json_reply({}),
            "/cpu_ult": lambda: json_reply({}),
            "/pipeline_dot": lambda: Reply(200, body=b"digraph pipeline {\n}\n", content=Content.TEXT),
        }

    def answer(self, request: Request) -> Outcome:
        """Do what a request asks for, unless a fault has it hang."""
        path = path_of(request.target)
        if self._process.faults:
            wait = self._process.faults.hang(path)
            if wait is not None:
                gate, again = wait
                return Later(gate, lambda: (self.answer if again else self._dispatch)(request))
        return self._dispatch(request)

    def _dispatch(self, request: Request) -> Outcome:
        path = path_of(request.target)
        wrong = self._process.faults.http(path)
        if wrong is not None:
            return _wrong_reply(wrong)
        if request.method not in {"GET", "POST"}:
            return html_reply(501)
        if self._process.config is not None:
            path = self._process.config.aliases.get(path, path)
        if request.method == "GET":
            return self._get(path)
        return self._post(path, request)

    def _get(self, path: str) -> Outcome:
        action = self._gets.get(path)
        if action is None or not self._process.registered or not self._exists(path):
            return NOT_FOUND
        return action()

    def _exists(self, path: str) -> bool:
        process = self._process
        if path in {"/config", "/buffers", "/pipeline_dot"}:
            return process.config is not None
        if path in {"/config_md5sum", "/trackers", "/cpu_ult"}:
            return process.config is not None or process.dangling
        return True

    def _post(self, path: str, request: Request) -> Outcome:
        process = self._process
        block = process.config is not None and path in process.config.blocks
        if not process.registered or not (block or path in process.core_posts):
            return NOT_FOUND
        if not request.body:
            return html_reply(400, "")
        try:
            body = parse(request.body)
        except JsonSyntaxError as error:
            return html_reply(400, f"Error Message: JSON failed to parse, error: {error}")
        if block and process.config is not None:
            return self._update(process.config, request.target, body)
        if path == "/baseband":
            return error_reply(400, "basebandApiManager: no baseband readout is configured")
        return self._start(body)

    def _config(self) -> Outcome:
        config = self._process.config
        return NOT_FOUND if config is None else Reply(200, body=config.printed, content=Content.JSON)

    def _status(self) -> Outcome:
        lock = self._process.life.lock
        if lock is not None:
            return Later(lock, self._status)
        return json_reply({"running": self._process.running})

    def _kill(self) -> Outcome:
        self._process.life.exit_soon(ExitCode.CLEAN, "/kill")
        return EMPTY

    def _stop(self) -> Outcome:
        process, life = self._process, self._process.life
        if life.lock is not None:
            return Later(life.lock, self._stop)
        if not process.running:
            return error_reply(402, "kotekan is already stopped")
        joined = life.hold_lock()

        def finish() -> None:
            process.unload()
            life.release_lock()

        life.join(finish, at_least_s=life.scaled(JOIN_S))
        return Later(joined, lambda: EMPTY)

    def _start(self, body: Json) -> Outcome:
        life = self._process.life
        if life.lock is not None:
            return Later(life.lock, lambda: self._start(body))
        if self._process.running:
            return error_reply(402, "Already running")
        seconds = self._process.faults.start_s()
        if seconds == 0.0:
            return self._started(body)
        allocated = life.hold_lock()
        life.later(seconds, life.release_lock)
        return Later(allocated, lambda: self._started(body))

    def _started(self, body: Json) -> Outcome:
        try:
            self._process.start(body)
        except StartRefusedError as error:
            return error_reply(400, str(error))
        return EMPTY

    def _update(self, config: RunningConfig, uri: str, body: Json) -> Outcome:
        if not isinstance(body, dict) and body is not None and body != []:
            self._process.life.die(ExitCode.ABORT, "update that is not an object")
            return None
        values = body if isinstance(body, dict) else {}
        refusal = config.refusal(uri, values)
        if refusal is not None:
            return error_reply(400, refusal)
        if self._process.faults.blocks_update(uri):
            return Later(Gate(), lambda: None)
        if self._process.faults.refuses_values(uri, values):
            return self._fatal(f"Failed updating {uri} with new values: {dump_compact(values)}.")
        try:
            config.store(uri, values)
        except UpdateFailedError as error:
            return self._fatal(str(error))
        return EMPTY

    def _fatal(self, words: str) -> Reply:
        self._process.life.exit_soon(ExitCode.FATAL, "refused update")
        return error_reply(500, f"configUpdater: {words}")

    def _md5sum(self) -> Outcome:
        config = self._process.config
        if config is not None:
            return json_reply({"md5sum": config.revision})
        if self._process.rng.random() < 0.5:
            return json_reply({"md5sum": EMPTY_MD5})
        self._process.life.die(ExitCode.SEGFAULT, "use after free in /config_md5sum")
        return None

    def _metrics(self) -> Outcome:
        gauge = self._process.gauge
        running, at_ms = gauge.read()
        main = Gauge("kotekan_running", "main", {"": float(running)})
        stages = stage_metrics(gauge.age_s()) if self._process.running else ()
        families = sorted((main, *stages), key=lambda family: (family.name, family.stage))
        text = "".join(family.text(at_ms) for family in families)
        return Reply(200, body=text.encode(), content=Content.TEXT)

    def _endpoints(self) -> Outcome:
        process = self._process
        posts = set(process.core_posts)
        aliases: Json = None
        if process.config is not None:
            posts |= process.config.blocks.keys()
            aliases = dict(process.config.aliases) or None
        gets = sorted(path for path in self._gets if self._exists(path))
        return json_reply({"GET": [*gets], "POST": [*sorted(posts)], "aliases": aliases})


def _wrong_reply(fault: Http) -> Reply:
    match fault.mode:
        case HttpMode.STATUS:
            return error_reply(fault.status, fault.words)
        case HttpMode.HTML:
            return html_reply(fault.status, fault.words)
        case HttpMode.GARBAGE:
            return Reply(0, close=True, raw=b"\x00\xffkotekan\r\n\r\n\x00" * 8)
        case HttpMode.HALF:
            head = b"HTTP/1.1 200 OK\r\nContent-Type: Application/JSON\r\nContent-Length: 4096\r\n\r\n"
            return Reply(0, close=True, raw=head + b'{\n"log_level": "in')
        case HttpMode.HUGE:
            filling = "x" * int(fault.megabytes * 1e6)
            return Reply(200, body=json.dumps({"filling": filling}).encode(), content=Content.JSON)
