"""A running gateway on a real broker, with TLS, and ways to ask it as somebody of each role, or as nobody."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from argon2 import PasswordHasher
from multidict import CIMultiDict
from yarl import URL

from conche.contract.roles import Role
from conche.gateway.bounds import Bounds
from conche.gateway.main import USUAL, build_logging_to
from conche.gateway.main import Gateway as BuiltGateway
from conche.gateway.store import opened
from conche.gateway.tokens import Tokens
from conche.gateway.users import Users
from conche.settings import Gateway, Ldap, Settings

from .harness import Mosquitto

PATIENCE_S = 20.0
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORDS = {role: f"the password of {role}" for role in Role}
"""Of local users, each of whom has the name of his role."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Running:
    """A gateway, and whoever asks it."""

    built: BuiltGateway
    settings: Settings
    http: aiohttp.ClientSession
    tokens: Mapping[Role, str]
    log: list[Any] = field(default_factory=list)
    """Lines of the access log."""

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.built.port}"

    async def ask(
        self,
        method: str,
        path: str,
        *,
        role: Role | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Answer:
        """Ask as somebody with a role (by his token), with a token, or as nobody; ``path`` goes as it stands."""
        sent = dict(headers or {})
        if role is not None or token is not None:
            sent["Authorization"] = f"Bearer {token or self.tokens[role or Role.VIEWER]}"
        url = URL(f"{self.url}{path}", encoded=True)
        async with self.http.request(method, url, headers=sent, allow_redirects=False, **more) as came:
            return Answer(came.status, CIMultiDict(came.headers), await came.read())

    async def log_in(self, role: Role, **more: Any) -> "Browser":
        """Log in as a local user with a role; return what a browser has afterwards."""
        body = {"username": role.value, "password": PASSWORDS[role]}
        answer = await self.ask("POST", "/auth/login", json=body, **more)
        assert answer.status == 200, answer
        return Browser(self, cookie_of(answer), answer.json["csrf_token"])


@dataclass(frozen=True)
class Browser:
    """Somebody who has logged in."""

    gateway: Running
    cookie: str
    csrf: str

    async def ask(
        self,
        method: str,
        path: str,
        *,
        csrf: bool = True,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Answer:
        sent = {"Cookie": self.cookie, **({"X-CSRF-Token": self.csrf} if csrf else {}), **(headers or {})}
        return await self.gateway.ask(method, path, headers=sent, **more)


def cookie_of(answer: Answer) -> str:
    """What a browser sends back."""
    return answer.headers["Set-Cookie"].partition(";")[0]


def local_settings(
    mosquitto: Mosquitto, folder: Path, *, ldap: Ldap | None = None, **gateway: Any
) -> Settings:
    """Settings of a gateway whose files are in a folder."""
    options: dict[str, Any] = {
        "port": 0,
        "state_dir": folder / "gateway",
        "requests_per_s": 10_000.0,
        **gateway,
    }
    return Settings(broker=mosquitto.settings, gateway=Gateway(**options), ldap=ldap or Ldap())


def prepare(state_dir: Path) -> dict[Role, str]:
    """Make a local user and a token for each role; return the tokens."""
    with opened(state_dir) as store:
        users, tokens = Users(store, hasher=QUICK), Tokens(store)
        made = {}
        for role in Role:
            users.put(role.value, role=role, password=PASSWORDS[role])
            made[role] = tokens.create(f"script-{role}", role=role, lasts=timedelta(days=1))
        return made


@asynccontextmanager
async def running_gateway(
    mosquitto: Mosquitto,
    folder: Path,
    *,
    ldap: Ldap | None = None,
    settings: Settings | None = None,
    prepared: Mapping[Role, str] | None = None,
    bounds: Bounds = USUAL,
    **gateway: Any,
) -> AsyncIterator[Running]:
    """Run a gateway until the body ends; the body begins when it is connected, if there is a broker.

    Parameters
    ----------
    settings
        Instead of ``local_settings`` with what else is given, such as ``session_idle_s=1``.
    prepared
        Tokens of an earlier one in the same folder.
    """
    settings = settings or local_settings(mosquitto, folder, ldap=ldap, **gateway)
    tokens = prepared or prepare(settings.gateway.state_dir)
    log: list[Any] = []
    async with AsyncExitStack() as stack:
        built = await build_logging_to(
            lambda line: log.append(json.loads(line)), settings, stack, bounds=bounds
        )
        task = asyncio.create_task(built.run(), name="gateway under test")
        stack.push_async_callback(_ended, task)
        if mosquitto.process is not None:
            await _connected(built, task)
        trusting = ssl.create_default_context(cafile=_certificate(settings))
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=trusting, force_close=True, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=90),
            )
        )
        yield Running(built, settings, http, tokens, log)


async def _connected(built: BuiltGateway, task: asyncio.Task[None]) -> None:
    picture = asyncio.ensure_future(built.desk.bus.picture_complete())
    try:
        await asyncio.wait([picture, task], timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        assert picture.done(), "the gateway is not connected"
    finally:
        picture.cancel()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def _certificate(settings: Settings) -> Path:
    return settings.gateway.certificate or settings.gateway.state_dir / "self-signed.crt"
