"""The gateway's process."""

import logging
import sqlite3
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from conche.bus import Bus
from conche.contract import Service
from conche.runtime import run_service
from conche.settings import Gateway as GatewaySettings
from conche.settings import Settings, Trust

from .accesslog import Write, to_standard_output
from .app import Frame
from .bounds import Bounds
from .desk import Desk
from .directory import directory_of
from .endpoints import ENDPOINTS
from .guard import Guard
from .keys import cookie_key
from .limits import Attempts, Rate
from .listening import leading_to, listening, listening_unix, serving
from .logins import Book, Logins
from .service import GatewayService
from .sessions import Sessions
from .store import opened
from .telescope import Telescope
from .tls import Certificate, pair_of
from .tokens import Tokens
from .users import Users

logger = logging.getLogger(__name__)

USUAL: Final = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The gateway, listening.

    Parameters
    ----------
    service
        What is to be run.
    desk
        What requests are answered with.
    port
        Where HTTPS is spoken.
    http_port
        Where plain HTTP leads there; None where it does not.
    """

    service: GatewayService
    desk: Desk
    port: int
    http_port: int | None

    async def run(self) -> None:
        """Run the service."""
        await self.service.run()


async def build(settings: Settings, stack: AsyncExitStack) -> Gateway:
    """Return the gateway, wired to the broker and listening."""
    return await build_logging_to(to_standard_output(), settings, stack)


async def build_logging_to(
    log: Write, settings: Settings, stack: AsyncExitStack, *, bounds: Bounds = USUAL
) -> Gateway:
    """Return the gateway; the lines of its access log go where somebody says."""
    gateway = settings.gateway
    certificate = Certificate(pair_of(gateway))
    desk = await _desk(settings, stack)
    frame = Frame(
        desk=desk,
        guard=Guard(sessions=desk.sessions, tokens=desk.tokens, settings=gateway),
        rate=Rate(gateway.requests_per_s),
        log=log,
        bounds=bounds,
    )
    runner = await stack.enter_async_context(serving(frame.application(ENDPOINTS), bounds=bounds))
    port = await stack.enter_async_context(
        listening(
            runner,
            host=gateway.listen_host,
            port=gateway.port,
            context=certificate.context,
            setting="gateway.listen_host and port",
            most=bounds.connections,
        )
    )
    logger.info("gateway: https://%s:%d", gateway.listen_host, port)
    if Trust.UNIX_SOCKET in gateway.trust:
        unix = listening_unix(runner, path=gateway.socket, most=bounds.connections)
        await stack.enter_async_context(unix)
        logger.info("gateway: whoever may open %s is %s", gateway.socket, gateway.socket_role)
    http_port = await _lead(gateway, stack, port=port, bounds=bounds)
    service = GatewayService(
        desk.bus, telescope=desk.telescope, certificate=certificate, sessions=desk.sessions
    )
    return Gateway(service=service, desk=desk, port=port, http_port=http_port)


async def _desk(settings: Settings, stack: AsyncExitStack) -> Desk:
    gateway = settings.gateway
    store = stack.enter_context(opened(gateway.state_dir))
    attempts = Attempts(gateway.login_attempts, window_s=gateway.login_window_s)
    bus = Bus(settings.broker, service=Service.GATEWAY)
    telescope = Telescope(bus)
    telescope.subscribe()
    return Desk(
        settings=settings,
        bus=bus,
        telescope=telescope,
        sessions=Sessions(
            store,
            key=cookie_key(gateway.state_dir),
            idle_s=gateway.session_idle_s,
            max_s=gateway.session_max_s,
        ),
        tokens=Tokens(store),
        logins=Logins(await _book(settings, store, stack), attempts=attempts),
    )


async def _book(settings: Settings, store: sqlite3.Connection, stack: AsyncExitStack) -> Book:
    """Return who knows people: the directory, and where none is configured the local users, never both."""
    if settings.ldap.host is not None:
        return await stack.enter_async_context(directory_of(settings.ldap))
    users = Users(store)
    if users.is_empty():
        logger.warning("gateway: ldap.host is not set, and there are no local users: nobody can log in")
    else:
        logger.info("gateway: ldap.host is not set: local users log in")
    return users


async def _lead(gateway: GatewaySettings, stack: AsyncExitStack, *, port: int, bounds: Bounds) -> int | None:
    """Have plain HTTP lead to a port, where settings say so."""
    if gateway.http_port is None:
        return None
    runner = await stack.enter_async_context(serving(leading_to(port), bounds=bounds))
    return await stack.enter_async_context(
        listening(
            runner,
            host=gateway.listen_host,
            port=gateway.http_port,
            context=None,
            setting="gateway.listen_host and http_port",
            most=bounds.connections,
        )
    )


def main(settings: Settings) -> int:
    """Run until a signal comes; return the exit code."""
    return run_service(Service.GATEWAY, build, settings)
