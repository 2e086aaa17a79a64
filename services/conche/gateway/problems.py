"""Why something was not done, as RFC 9457 has it; choco's own paths tell the same in choco's shape."""

from http import HTTPStatus
from typing import ClassVar, Final

from aiohttp import web
from aiohttp.typedefs import LooseHeaders
from msgspec import Struct
from msgspec.json import encode

from conche.contract.roles import Role

PROBLEM_TYPE: Final = "application/problem+json"
TYPE_ROOT: Final = "urn:conche:problem:"
"""Before the name of each kind; it names, and leads nowhere: observatories are offline."""


class ProblemDetails(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong: RFC 9457.

    Parameters
    ----------
    type
        Which kind of problem; the same for the same status and reason.
    title
        The kind in words.
    status
        Of HTTP.
    detail
        What it was this time, and what to do.
    instance
        Path that was asked for.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""


class ChocoError(Struct, frozen=True):
    """What went wrong, as choco says it."""

    error: str


class Problem(Exception):
    """A request that is not carried out.

    Parameters
    ----------
    detail
        What is wrong, and what to do about it.
    headers
        Of the answer.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    kind: ClassVar[str] = "bad-request"
    title: ClassVar[str] = "This is no request that can be understood"

    def __init__(self, detail: str, *, headers: LooseHeaders | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})

    def details(self, path: str) -> ProblemDetails:
        """Return what is told of it."""
        return ProblemDetails(
            type=f"{TYPE_ROOT}{self.kind}",
            title=self.title,
            status=self.status.value,
            detail=_sayable(self.detail),
            instance=_sayable(path),
        )


class BadRequest(Problem):
    """It can't be understood."""


class Unauthenticated(Problem):
    """Nobody knows who asks."""

    status = HTTPStatus.UNAUTHORIZED
    kind = "who-are-you"
    title = "This needs a login"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="conche"'})


class Forbidden(Problem):
    """It is not his to do."""

    status = HTTPStatus.FORBIDDEN
    kind = "forbidden"
    title = "This is not yours to do"


class RoleTooLow(Forbidden):
    """It takes another role."""

    kind = "role"

    def __init__(self, name: str, role: Role, *, least: Role) -> None:
        super().__init__(f"{name} has the role {role}; this takes the role {least} or a higher one")


class NotFound(Problem):
    """There is no such thing."""

    status = HTTPStatus.NOT_FOUND
    kind = "not-found"
    title = "There is no such thing"


class MethodUnknown(Problem):
    """There is such a path, but this can't be done with it."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    kind = "method"
    title = "This can't be done with that"


class TooSlow(Problem):
    """The request did not come in time."""

    status = HTTPStatus.REQUEST_TIMEOUT
    kind = "too-slow"
    title = "The request took too long to arrive"


class Conflict(Problem):
    """It contradicts how things stand, such as an id that was used for something else."""

    status = HTTPStatus.CONFLICT
    kind = "conflict"
    title = "This contradicts how things stand"


class TooLarge(Problem):
    """It is too long."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    kind = "too-large"
    title = "The request is too long"


class TypeUnsupported(Problem):
    """It is of a kind that nobody reads here."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    kind = "media-type"
    title = "The request is of a kind that nobody reads here"


class Invalid(Problem):
    """It can be read, and a key of it is wrong; the detail names it."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "invalid"
    title = "Something in the request is wrong"


class TooMany(Problem):
    """It comes too often."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    kind = "too-many"
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after_s: float) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, round(retry_after_s + 0.5)))})


class Away(Problem):
    """Somebody who is needed is not there."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "away"
    title = "Somebody who is needed for this is not there"

    def __init__(self, detail: str, *, retry_after_s: float = 5.0) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, round(retry_after_s)))})


class NoAnswer(Problem):
    """Somebody who is needed did not answer in time; it may still be done."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    kind = "no-answer"
    title = "Nobody answered in time"


def problem_answer(problem: Problem, *, path: str, as_choco: bool) -> web.Response:
    """Return the answer that tells of a problem.

    Parameters
    ----------
    problem
        What went wrong.
    path
        Path that was asked for.
    as_choco
        Whether it is one of choco's own paths.
    """
    body = encode(ChocoError(_sayable(problem.detail)) if as_choco else problem.details(path))
    answer = web.Response(status=problem.status, body=body, headers=problem.headers)
    answer.content_type = "application/json" if as_choco else PROBLEM_TYPE
    return answer


def _sayable(words: str) -> str:
    """Return words that JSON can carry: bytes of a head that are no UTF-8 come from aiohttp as what no text has."""
    return words.encode(errors="replace").decode()
