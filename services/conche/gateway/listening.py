"""The sockets: HTTPS, plain HTTP that leads there, and the Unix socket."""

import asyncio
import logging
import os
import re
import socket
import ssl
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from conche.errors import FatalError

from .bounds import Bounds

logger = logging.getLogger(__name__)

HANDSHAKE_S: Final = 10.0
BACKLOG: Final = 512

_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")


@asynccontextmanager
async def serving(application: web.Application, *, bounds: Bounds) -> AsyncIterator[web.AppRunner]:
    """Set an application up to be listened with."""
    runner = web.AppRunner(
        application,
        access_log=None,
        logger=_http_logger(),
        auto_decompress=False,
        keepalive_timeout=bounds.idle_s,
        lingering_time=bounds.linger_s,
        shutdown_timeout=bounds.shutdown_s,
    )
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


@asynccontextmanager
async def listening(
    runner: web.AppRunner,
    *,
    host: str,
    port: int,
    context: ssl.SSLContext | None,
    setting: str,
    most: int,
) -> AsyncIterator[int]:
    """Listen at an address; yields the port.

    Parameters
    ----------
    runner
        What answers.
    host, port
        Where; port 0 for any that is free.
    context
        Of TLS; None for plain HTTP.
    setting
        Which setting says so.
    most
        Connections at once.

    Raises
    ------
    FatalError
        The address can't be had.
    """
    handshake_s = None if context is None else HANDSHAKE_S
    try:
        server = await asyncio.get_running_loop().create_server(
            _bounded(runner, most),
            host,
            port,
            ssl=context,
            ssl_handshake_timeout=handshake_s,
            backlog=BACKLOG,
            reuse_address=True,
        )
    except OSError as error:
        words = error.strerror or error
        raise FatalError(f"{setting}: can't listen on {host}:{port}: {words}") from None
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


@asynccontextmanager
async def listening_unix(runner: web.AppRunner, *, path: Path, most: int) -> AsyncIterator[None]:
    """Listen at a Unix socket, which its owner and his group may open.

    Raises
    ------
    FatalError
        The path can't be had: another process listens there, or something else than a socket is there.
    """
    connection = _bind(path)
    try:
        server = await asyncio.get_running_loop().create_unix_server(
            _bounded(runner, most), sock=connection, backlog=BACKLOG
        )
    except BaseException:
        connection.close()
        raise
    try:
        yield
    finally:
        server.close()
        _remove(path)


def leading_to(port: int) -> web.Application:
    """Return an application that sends everybody to HTTPS, and does nothing else.

    Parameters
    ----------
    port
        Where HTTPS is spoken.
    """

    async def lead(request: web.Request) -> web.Response:
        host = re.sub(r":[0-9]*$", "", request.headers.get(hdrs.HOST, ""))
        if not _HOST.fullmatch(host):
            return web.Response(status=400, text="Host is missing, or is no name\n")
        there = host if port == 443 else f"{host}:{port}"
        permanently = 301 if request.method in (hdrs.METH_GET, hdrs.METH_HEAD) else 308
        answer = web.Response(
            status=permanently, headers={hdrs.LOCATION: f"https://{there}{request.raw_path}"}
        )
        answer.force_close()
        return answer

    async def say_nothing_of_itself(_: web.Request, answer: web.StreamResponse) -> None:
        answer.headers[hdrs.SERVER] = "conche"

    application = web.Application()
    application.on_response_prepare.append(say_nothing_of_itself)
    application.router.add_route("*", "/{path:.*}", lead)
    return application


class _NoTraceback(logging.Filter):
    """Tells in a line, and without a traceback, of somebody who sends what is no HTTP: that is no error of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.msg, record.args = f"{record.getMessage()}: %r", (str(error.message)[:200],)
            record.exc_info = None
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return True


def _http_logger() -> logging.Logger:
    """Return where the library tells of what went wrong."""
    http = logging.getLogger("conche.gateway.http")
    http.filters = [_NoTraceback()]
    return http


class _Refusing(asyncio.Protocol):
    """Closes a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


def _bounded(runner: web.AppRunner, most: int) -> Callable[[], asyncio.Protocol]:
    server = runner.server
    assert server is not None

    def accept() -> asyncio.Protocol:
        if len(server.connections) >= most:
            logger.warning("gateway: %d connections: another one is closed", most)
            return _Refusing()
        return server()

    return accept


def _bind(path: Path) -> socket.socket:
    """Return a socket that is bound and has its permissions before anybody can open it."""
    _clear(path)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o117)
    try:
        connection.bind(str(path))
    except OSError as error:
        connection.close()
        raise FatalError(f"gateway.socket: {path}: {error.strerror or error}") from None
    finally:
        os.umask(mask)
    return connection


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Remove a socket that a process left behind."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise FatalError(f"gateway.socket: {path} is there, and no socket; it is not removed")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, suppress(ConnectionRefusedError):
        probe.connect(str(path))
        raise FatalError(f"gateway.socket: another process listens on {path}")
    path.unlink()
