"""One thing that can be asked for over HTTP, and what asking for it is like."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import LooseHeaders
from msgspec.json import encode

from conche.contract.roles import Role

from .desk import Desk
from .people import Person
from .sessions import Session

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request whose sender may make it, and whose body and query could be read.

    Parameters
    ----------
    desk
        What the gateway has to answer with.
    http
        The request as the library has it; its body was read.
    person
        Who asks; None is possible only where anybody may.
    session
        His, where he is known by one.
    body
        What the endpoint `takes`; the bytes as they came where it is ``raw``.
    query
        What it takes behind the question mark.
    """

    desk: Desk
    http: web.Request
    person: Person | None
    session: Session | None = None
    body: Any = None
    query: Any = None

    @property
    def who(self) -> Person:
        """Who asks, where nobody but known people may."""
        if self.person is None:
            raise LookupError(f"{self.http.path}: anybody may ask for this")
        return self.person

    def part(self, name: str) -> str:
        """Return a parameter of the path, decoded."""
        return self.http.match_info[name]


Handler = Callable[[Ask], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A row of the table that the server, the OpenAPI document and the test of roles are made from.

    Parameters
    ----------
    method
        Of HTTP; whoever may GET may HEAD.
    path
        With ``{parameters}``, each of which is one part of a path.
    least
        Least role that may ask; None for anybody, without a login.
    handler
        What answers.
    summary
        One sentence, for the document.
    takes
        Model of the body; None where there is none.
    query
        Model of what stands behind the question mark.
    gives
        Model of the body by status, without the problems that are everywhere; None for an empty one.
    form
        Whether the body may be that of an HTML form.
    raw
        Whether the handler reads the body itself: choco's own answers to wrong ones are its own.
    endless
        Whether the answer goes on, as a stream of events does.
    media
        Type of what a 200 gives.
    tag
        Under which heading it stands in the document.
    """

    method: str
    path: str
    least: Role | None
    handler: Handler
    summary: str
    takes: Any = None
    query: Any = None
    gives: Mapping[int, Any] = field(default_factory=dict)
    form: bool = False
    raw: bool = False
    endless: bool = False
    media: str = JSON
    tag: str = ""


def answer(payload: Any, *, status: int = 200, headers: LooseHeaders | None = None) -> web.Response:
    """Return an answer with a model as JSON."""
    return web.Response(status=status, body=encode(payload), content_type=JSON, headers=headers)
