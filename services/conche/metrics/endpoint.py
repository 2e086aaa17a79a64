"""``GET /metrics`` for Prometheus."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from conche.errors import FatalError

FRESH_S: Final = 1.0
"""However often and by how many it is asked, an answer is made anew after this [s]."""


class Endpoint:
    """Answers; one answer is made at a time, in a thread: that of 1,000 nodes takes a fifth of a second.

    Parameters
    ----------
    registry
        What is shown; it is read from another thread.
    prepare
        Is called before that, in the loop's thread, which alone may look at what changes in it.
    """

    def __init__(self, registry: CollectorRegistry, *, prepare: Callable[[], None]) -> None:
        self._registry = registry
        self._prepare = prepare
        self._one_at_a_time = asyncio.Lock()
        self._made: dict[str, tuple[float, bytes]] = {}

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer in the format that is asked for."""
        encode, content_type = _format(request.headers.get(hdrs.ACCEPT, ""))
        async with self._one_at_a_time:
            at, body = self._made.get(content_type, (0.0, b""))
            if not body or time.monotonic() - at > FRESH_S:
                self._prepare()
                body = await asyncio.to_thread(encode, self._registry)
                self._made = {content_type: (time.monotonic(), body)}
        response = web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})
        response.enable_compression()
        return response


def _format(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """Return what encodes the format that is asked for, and its name; plain text where that can't be read."""
    try:
        return choose_encoder(accept)
    except (ValueError, TypeError):  # of the library, for a version or an escaping that is none
        return choose_encoder("")


@asynccontextmanager
async def serving(endpoint: Endpoint, *, host: str, port: int) -> AsyncIterator[int]:
    """Listen; yields the port.

    Parameters
    ----------
    endpoint
        What answers.
    host, port
        Where to listen; port 0 for any that is free.

    Raises
    ------
    FatalError
        The address can't be had.
    """
    application = web.Application()
    application.router.add_get("/metrics", endpoint.metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            words = error.strerror or error
            raise FatalError(
                f"metrics.listen_host and listen_port: can't listen on {host}:{port}: {words}"
            ) from None
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
