"""People's side of the notifier, a webhook and a mail server, and the services whose states it reads, all played."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from msgspec.json import decode, encode

from conche.bus import Bus
from conche.contract import (
    EOP,
    FPGA,
    NODE_STATUS,
    REGISTRY,
    SWEEP,
    EopState,
    EopStatus,
    FpgaState,
    FpgaStatus,
    Maintenance,
    NodeState,
    NodeStatus,
    RegisteredNode,
    Registry,
    Service,
    ServiceBirth,
    ServiceState,
    Sweep,
)
from conche.contract.alerts import AlertKind
from conche.notifier.main import build
from conche.notifier.message import Notification
from conche.settings import Notifier, Poller, Settings
from conche.settings.notifying import Channel, Email, Rule, Tls, Webhook

from .bus_support import publish, running, until
from .harness import Mosquitto

PATIENCE_S = 30.0
AFTER_S = 0.2
"""An alert is told after this in tests [s]."""


@dataclass
class Hook:
    """A server that takes objects; it answers what the test says, else 200."""

    url: str = ""
    answers: list[web.Response] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    tried: int = 0

    @property
    def told(self) -> list[Notification]:
        return [decode(body, type=Notification) for body in self.bodies]

    @property
    def titles(self) -> list[str]:
        return [one.title for one in self.told]

    async def answer(self, request: web.Request) -> web.Response:
        self.tried += 1
        body = await request.read()
        answer = self.answers.pop(0) if self.answers else web.Response(text="ok")
        if answer.status == 200:
            self.bodies.append(body)
            self.headers.append(dict(request.headers))
        return answer


@asynccontextmanager
async def hook(*answers: web.Response, port: int = 0) -> AsyncIterator[Hook]:
    """Serve until the context ends."""
    one = Hook(answers=list(answers))
    app = web.Application()
    app.router.add_post("/hook", one.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield one
    finally:
        await runner.cleanup()


class Mailbox:
    """A mail server's inside; it answers what the test says, else it takes all."""

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.answers: list[str] = []
        self.refused: dict[str, str] = {}
        self.encrypted: list[bool] = []

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.encrypted.append(session.ssl is not None)
        return "250 OK"

    def check_login(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, starttls: bool = False, login: bool = False
) -> AsyncIterator[Mailbox]:
    """Serve until the context ends; in this loop, not in a thread."""
    box = Mailbox()
    loop = asyncio.get_running_loop()
    open_now: list[SMTP] = []

    def connection() -> SMTP:
        open_now.append(
            SMTP(
                box,
                tls_context=tls if starttls else None,
                require_starttls=starttls,
                authenticator=box.check_login if login else None,
                auth_required=login and starttls,
                auth_require_tls=starttls,
                loop=loop,
            )
        )
        return open_now[-1]

    server = await loop.create_server(connection, "127.0.0.1", 0, ssl=None if starttls else tls)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()
        for one in open_now:
            if one.transport is not None:
                one.transport.close()
            handler = one._handler_coroutine
            if handler is not None:
                handler.cancel()
                await asyncio.wait([handler])


def email(box: Mailbox, **fields: Any) -> Email:
    defaults: dict[str, Any] = {"sender": "conche@example.org", "to": ["ops@example.org"]}
    tls = Tls(fields.pop("tls", "none"))
    return Email(host="127.0.0.1", port=box.port, tls=tls, **defaults | fields)


def notifier_settings(broker: Mosquitto, folder: Path, **channels: Any) -> Settings:
    """Every alert to every channel, soon."""
    known = {name: Channel(**{type(way).__name__.lower(): way}) for name, way in channels.items()}
    return Settings(
        broker=broker.settings,
        poller=Poller(period_s=60.0),
        notifier=Notifier(
            channels=known,
            rules=[Rule(channels=list(known))],
            gather_s=0.5,
            after_s=dict.fromkeys(AlertKind, AFTER_S),
            state_file=folder / "notifier.json",
            timeout_s=3.0,
        ),
    )


def webhook(one: Hook, **fields: Any) -> Webhook:
    return Webhook(url=one.url, **fields)


@asynccontextmanager
async def notifying(settings: Settings) -> AsyncIterator[None]:
    """Run the notifier, as its process does; the body begins when it is connected, and ends it at any moment."""
    async with AsyncExitStack() as stack:
        service = await build(settings, stack)
        task = asyncio.create_task(service.run(), name="run notifier")
        try:
            await until(lambda: service._bus.connected or task.done())
            yield
            assert not task.done(), task
        finally:
            task.cancel()
            await asyncio.wait([task])


class Observatory:
    """The services whose states the notifier reads: everything is well until the test says otherwise."""

    def __init__(self, broker: Mosquitto, buses: dict[str, Bus]) -> None:
        self.broker = broker
        self.buses = buses
        self.sweep = Sweep(
            boot="b", number=1, groups=["cx"], at=datetime.now(UTC), took_s=0.1, polled=3, unreachable=0,
            overrun=False, period_s=60.0,
        )  # fmt: skip

    def begin(self, nodes: int = 3) -> None:
        self.registry(cx=nodes)
        for i in range(1, nodes + 1):
            self.node(f"cx{i}", "started")
        self.fpga("good")
        self.eop()

    def registry(self, **groups: int) -> None:
        registered = {
            group: {f"{group}{i}": RegisteredNode(host="h", port=1, epoch="e") for i in range(1, nodes + 1)}
            for group, nodes in groups.items()
        }
        self.buses["renderer"].own(REGISTRY, Registry(boot="b", groups=registered))

    def lose_worker(self, group: str) -> None:
        """Have another group, whose worker is lost."""
        self.birth(f"sync/{group}", "lost", of="sync")
        self.registry(cx=3, **{group: 1})

    def node(self, name: str, state: str, **fields: Any) -> None:
        defaults: dict[str, Any] = {"started": True, "maintenance": Maintenance(on=False), "epoch": "e"}
        one = NodeStatus(state=NodeState(state), **defaults | fields)
        self.buses["sync"].own(NODE_STATUS, one, group="cx", node=name)

    def fpga(self, state: str, **fields: Any) -> None:
        self.buses["fpga"].own(FPGA, FpgaStatus(state=FpgaState(state), **fields))

    def eop(self, state: str = "fresh", *, left_h: float = 48.0, **fields: Any) -> None:
        now = datetime.now(UTC)
        one = EopStatus(
            state=EopState(state), last_success_at=now, last=now + timedelta(hours=left_h), **fields
        )
        self.buses["eop"].own(EOP, one)

    async def swept(self, *, overrun: bool) -> None:
        fields = {name: getattr(self.sweep, name) for name in self.sweep.__struct_fields__}
        self.sweep = Sweep(**fields | {"overrun": overrun, "number": self.sweep.number + 1})
        await self.buses["poller"].publish(SWEEP, self.sweep, instance="main")

    def birth(self, service: str, state: str, *, of: str) -> None:
        """Put there what a service's last will, or its birth, would."""
        one = ServiceBirth(state=ServiceState(state), boot="x", since=datetime.now(UTC), host="vm")
        topic = f"conche/service/{service}"
        publish(self.broker, topic, encode(one).decode(), "-r", account=of)

    async def settled(self) -> None:
        for bus in self.buses.values():
            await bus.settled()


@asynccontextmanager
async def observatory(broker: Mosquitto, nodes: int = 3) -> AsyncIterator[Observatory]:
    """Play the services until the context ends."""
    instances = {"sync": "cx", "poller": "main"}
    async with AsyncExitStack() as stack:
        buses = {}
        for name in ("renderer", "sync", "poller", "fpga", "eop"):
            bus = Bus(broker.settings, service=Service(name), instance=instances.get(name))
            buses[name] = await stack.enter_async_context(running(bus))
        one = Observatory(broker, buses)
        one.begin(nodes)
        await one.settled()
        yield one


async def told(condition: Callable[[], object]) -> None:
    await until(condition, PATIENCE_S)
