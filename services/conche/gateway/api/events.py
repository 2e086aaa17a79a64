"""Events as they happen: a stream for each reader that goes on until he is gone, too slow, or not let in any more."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Annotated, Final

from aiohttp import hdrs, web
from msgspec import Meta, Struct

from conche.contract import EventKind, Role
from conche.gateway import streams
from conche.gateway.endpoint import Ask, Endpoint
from conche.gateway.problems import Invalid, Problem, TooMany
from conche.gateway.sessions import COOKIE
from conche.gateway.streams import HEARTBEAT, Stream, Told, Wanted, frame_of, gap_frame, key_of

from .questions import Words, words

LAST_HEADER: Final = "Last-Event-ID"
STREAM_TYPE: Final = "text/event-stream"

WRITE_S: Final = 20.0
"""A reader who takes nothing for so long is gone [s]."""

GATHER_S: Final = 0.025
"""After something was told, what comes is gathered for so long [s]: a thousand events at once, told one by one to each
of two hundred readers, took 9.8 s of CPU time, and gathered 1.6 s."""

LOOK_S: Final = 1.0
"""Whether a reader is still there, and still let in, is looked at so often [s]."""

RETRY: Final = b"retry: 2000\n\n"
"""After how many milliseconds a browser comes back."""


class StreamQuery(Struct, frozen=True, kw_only=True):
    """Which events."""

    targets: Annotated[
        Words, Meta(description="nodes, groups or patterns such as cx/cx1?, with commas between them")
    ] = ""
    kinds: Annotated[Words, Meta(description="with commas between them; none for all")] = ""
    after: (
        Annotated[
            int, Meta(ge=0, le=2**63 - 1, description="begin behind this number, as Last-Event-ID has it")
        ]
        | None
    ) = None


async def follow(ask: Ask) -> web.StreamResponse:
    """Tell events as they happen, after those that somebody who comes back has missed."""
    telescope = ask.desk.telescope
    telescope.check_there()
    wanted, after = _wanted(ask.query), _after(ask)
    most = ask.desk.settings.gateway.max_streams
    if telescope.hub.listeners >= most:
        raise TooMany(f"{most} streams are open: close some", retry_after_s=5.0)
    with telescope.hub.open(wanted) as stream:
        response = web.StreamResponse(
            headers={hdrs.CACHE_CONTROL: "no-store", "X-Accel-Buffering": "no"},
        )
        response.content_type = STREAM_TYPE
        await response.prepare(ask.http)
        with suppress(TimeoutError, ConnectionError):
            await _tell(ask, response, stream, after)
    if ask.http.transport is not None:
        ask.http.transport.abort()  # whoever reads too slowly does not read an end either
    return response


async def _tell(ask: Ask, response: web.StreamResponse, stream: Stream, after: int | None) -> None:
    await _write(response, RETRY)
    past: Counter[bytes] = Counter()
    if after is not None:
        try:
            async for page in ask.desk.telescope.hub.past(stream.wanted, after):
                past.update(key_of(one) for one in page)
                await _write(response, b"".join(frame_of(one) for one in page))
        except Problem as problem:
            await _write(response, gap_frame(problem.detail))
    stream.leave_out(past)
    clock = asyncio.get_running_loop().time
    told_s = looked_s = clock()
    while not stream.is_over:
        frames = await stream.next(within_s=min(LOOK_S, streams.HEARTBEAT_S))
        if frames or clock() - told_s >= streams.HEARTBEAT_S:
            told_s = clock()
            await _write(response, frames or HEARTBEAT)
            await asyncio.sleep(GATHER_S)
        if clock() - looked_s >= LOOK_S:
            looked_s = clock()
            if _is_gone(ask) or not _is_let_in(ask):
                return


def _is_gone(ask: Ask) -> bool:
    return ask.http.transport is None or ask.http.transport.is_closing()


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_S):
        await response.write(data)


def _is_let_in(ask: Ask) -> bool:
    """Return whether who opened the stream would still be let in: a session ends, a token is revoked."""
    if ask.session is not None:
        return ask.desk.sessions.find(ask.http.cookies.get(COOKIE, "")) is not None
    header = ask.http.headers.get(hdrs.AUTHORIZATION)
    return header is None or ask.desk.tokens.find(header.partition(" ")[2].strip()) is not None


def _wanted(query: StreamQuery) -> Wanted:
    kinds = frozenset(words(query.kinds))
    if unknown := kinds - {kind.value for kind in EventKind}:
        raise Invalid(f"kinds: there is no {min(unknown)!r}; there are {', '.join(EventKind)}")
    return Wanted(targets=tuple(words(query.targets)), kinds=kinds)


def _after(ask: Ask) -> int | None:
    """Return the number behind which somebody who comes back goes on."""
    header = ask.http.headers.get(LAST_HEADER)
    if not header:
        query: StreamQuery = ask.query
        return query.after
    if not (header.isascii() and header.isdecimal() and int(header[:20]) < 2**63):
        raise Invalid(f"{LAST_HEADER}: a number of the journal, not {header[:40]!r}")
    return int(header)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/api/v1/events/stream",
        least=Role.VIEWER,
        handler=follow,
        query=StreamQuery,
        gives={200: Told, 422: None, 503: None},
        summary=(
            "Events as they happen, as server-sent events. Who comes back with Last-Event-ID is told what he "
            "missed; an event may come twice then."
        ),
        endless=True,
        media=STREAM_TYPE,
        tag="history",
    ),
)
