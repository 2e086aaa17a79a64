"""The HTTP server's application, made from the table of endpoints: nothing else has a route."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from .accesslog import LONGEST_PATH, Line, Write, now
from .bodies import decoded, query_of, read
from .bounds import Bounds
from .connections import address_of
from .desk import Desk
from .endpoint import Ask, Endpoint
from .guard import CSRF_FIELD, CSRF_HEADER, SAFE, Found, Guard, check_csrf, check_origin, check_role
from .headers import dress
from .limits import Rate
from .paths import check_path
from .people import Person
from .problems import Away, MethodUnknown, NoAnswer, NotFound, Problem, TooMany, problem_answer

logger = logging.getLogger(__name__)

PERSON: Final = web.RequestKey("person", Person)

SMALL_BODY: Final = 16_384
"""Where nobody has logged in yet, or no body is taken, longer ones are refused [bytes]."""

CHOCO: Final = ("/update/", "/api/status", "/api/nodes")
"""Paths of choco's, for those requests that have no endpoint."""

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What happens around every handler.

    Parameters
    ----------
    desk
        What handlers answer with.
    guard
        Who asks.
    rate
        How often he may.
    log
        Where the lines of the access log go.
    bounds
        How long it is waited.
    """

    desk: Desk
    guard: Guard
    rate: Rate
    log: Write
    bounds: Bounds

    def application(self, endpoints: Iterable[Endpoint]) -> web.Application:
        """Return the application with a route for each row."""
        application = web.Application(middlewares=[self._log_access, self._tell_problems])
        for endpoint in endpoints:
            self._add(application, endpoint)
        application.on_response_prepare.append(self._dress)
        return application

    def _add(self, application: web.Application, endpoint: Endpoint) -> None:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._handle(request, endpoint)

        if endpoint.method == hdrs.METH_GET:
            application.router.add_get(endpoint.path, handle, allow_head=not endpoint.endless)
        else:
            application.router.add_route(endpoint.method, endpoint.path, handle)

    async def _dress(self, request: web.Request, answer: web.StreamResponse) -> None:
        gateway = self.desk.settings.gateway
        dress(request, answer, hsts=gateway.hsts and gateway.certificate is not None)

    # --- around the handlers

    @web.middleware
    async def _log_access(self, request: web.Request, handler: Next) -> web.StreamResponse:
        began = time.monotonic()
        answer: web.StreamResponse | None = None
        try:
            answer = await handler(request)
            return answer
        finally:
            line = _line(request, answer, took_s=time.monotonic() - began)
            self.log(line.text())

    @web.middleware
    async def _tell_problems(self, request: web.Request, handler: Next) -> web.StreamResponse:
        try:
            check_path(request.raw_path)
            return await handler(request)
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            problem: Problem = MethodUnknown(
                f"{request.method} can't be done with {request.path}; there are {allowed}",
                headers={hdrs.ALLOW: allowed},
            )
        except web.HTTPNotFound:
            problem = NotFound(f"there is no {request.path[:LONGEST_PATH]}; see /api/v1/openapi.json")
        except Problem as error:
            problem = error
        except sqlite3.Error as error:
            logger.error("gateway: its file of sessions and tokens: %s", error)
            problem = Away("the gateway can't use its file of sessions and tokens; its log says why")
        answer = problem_answer(problem, path=request.path[:LONGEST_PATH], as_choco=_is_choco(request))
        if not request.content.at_eof():
            answer.force_close()  # what is still to come of the body is not read
        return answer

    async def _handle(self, request: web.Request, endpoint: Endpoint) -> web.StreamResponse:
        found = self._admit(request, endpoint)
        is_small = endpoint.least is None or endpoint.takes is None
        most = self.desk.settings.gateway.max_body
        most = min(most, SMALL_BODY) if is_small else most
        body = await read(request, most=most, within_s=self.bounds.body_s)
        taken = decoded(request, body, endpoint)
        if endpoint.least is not None:
            self._check_csrf(request, found, taken)
        ask = Ask(
            desk=self.desk,
            http=request,
            person=found.person,
            session=found.session,
            body=taken,
            query=query_of(request, endpoint),
        )
        if endpoint.endless:
            return await endpoint.handler(ask)
        try:
            async with asyncio.timeout(self.bounds.handler_s) as limit:
                return await endpoint.handler(ask)
        except TimeoutError:
            if not limit.expired():
                raise
            words = f"there was no answer within {self.bounds.handler_s:g} s; it may still be done"
            raise NoAnswer(words) from None

    def _admit(self, request: web.Request, endpoint: Endpoint) -> Found:
        """Return who asks if he may, and not too often."""
        found = self.guard.find(request)
        key = found.person.name if found.person else address_of(request)
        if (wait_s := self.rate.wait_s((found.person is None, key))) > 0:
            raise TooMany(f"{key} asks too often", retry_after_s=wait_s)
        if found.person is not None:
            request[PERSON] = found.person
        check_origin(request)
        if endpoint.least is not None:
            check_role(found, endpoint.least)
        return found

    def _check_csrf(self, request: web.Request, found: Found, taken: object) -> None:
        """Have a change in a session bear its token, in the header or in a field of a form."""
        if found.session is None or request.method in SAFE:
            return
        given = request.headers.get(CSRF_HEADER) or getattr(taken, CSRF_FIELD, None)
        check_csrf(found.session, given=given)


def _line(request: web.Request, answer: web.StreamResponse | None, *, took_s: float) -> Line:
    """Return what the access log tells of a request; without an answer of a handler that failed."""
    person = request.get(PERSON)
    body = answer.body if isinstance(answer, web.Response) else None
    sent = 0 if answer is None else answer.body_length
    return Line(
        at=now(),
        who=person.name if person else None,
        via=person.via if person else None,
        address=address_of(request),
        method=request.method,
        path=request.path[:LONGEST_PATH],
        status=500 if answer is None else answer.status,
        ms=round(took_s * 1e3, 1),
        bytes=len(body) if isinstance(body, bytes) else sent,
    )


def _is_choco(request: web.Request) -> bool:
    return request.path.startswith(CHOCO)
