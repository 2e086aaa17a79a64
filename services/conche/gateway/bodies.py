"""Reading what was sent: bounded in size and time, and told in words where it is wrong."""

import asyncio
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import hdrs, web

from .endpoint import JSON, Endpoint
from .problems import BadRequest, Invalid, TooLarge, TooSlow, TypeUnsupported

FORM: Final = "application/x-www-form-urlencoded"
MAX_FIELDS: Final = 50
"""Of a form, or behind a question mark."""


async def read(request: web.Request, *, most: int, within_s: float) -> bytes:
    """Return the body.

    Parameters
    ----------
    request
        Whose head has come.
    most
        Longer ones are refused [bytes].
    within_s
        Slower ones are refused [s].

    Raises
    ------
    TooLarge, TooSlow, BadRequest, TypeUnsupported
        It can't be had.
    """
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise TypeUnsupported("compressed bodies are not read: send it as it is")
    if (request.content_length or 0) > most:
        raise TooLarge(f"a body of {request.content_length} bytes: {most} are the most")
    parts: list[bytes] = []
    length = 0
    try:
        async with asyncio.timeout(within_s):
            async for part in request.content.iter_any():
                parts.append(part)
                length += len(part)
                if length > most:
                    raise TooLarge(f"the body is longer than {most} bytes")
    except TimeoutError:
        raise TooSlow(f"the body was not there within {within_s:g} s") from None
    except (web.RequestPayloadError, ConnectionResetError):
        raise BadRequest("the body ends in the middle") from None
    return b"".join(parts)


def decoded(request: web.Request, body: bytes, endpoint: Endpoint) -> Any:
    """Return the model that an endpoint takes.

    Raises
    ------
    TypeUnsupported, BadRequest, Invalid
        The body is none.
    """
    if endpoint.takes is None:
        return None
    if endpoint.raw:
        return body
    if not body and hdrs.CONTENT_TYPE not in request.headers:
        return _json(b"{}", endpoint.takes)
    if endpoint.form and request.content_type == FORM:
        return _converted(_fields(body.decode(errors="replace"), what="the form"), endpoint.takes)
    if request.content_type != JSON:
        also = f" or {FORM}" if endpoint.form else ""
        raise TypeUnsupported(f"the body is {request.content_type}; Content-Type has to be {JSON}{also}")
    return _json(body, endpoint.takes)


def query_of(request: web.Request, endpoint: Endpoint) -> Any:
    """Return the model of what stands behind the question mark.

    Raises
    ------
    BadRequest, Invalid
        It is none.
    """
    if endpoint.query is None:
        return None
    return _converted(_fields(request.rel_url.raw_query_string, what="the query"), endpoint.query)


def _json(body: bytes, model: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=model)
    except msgspec.ValidationError as error:
        raise Invalid(words_of(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise BadRequest("the body is nested too deeply") from None


def _fields(text: str, *, what: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise BadRequest(f"{what} has more than {MAX_FIELDS} fields") from None
    return dict(pairs)


def _converted(fields: dict[str, str], model: Any) -> Any:
    try:
        return msgspec.convert(fields, model, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(words_of(error)) from None


def words_of(error: msgspec.ValidationError) -> str:
    """Return key and problem: msgspec says ``Expected `int`, got `str` - at `$.count```."""
    problem, _, where = str(error).partition(" - at `$")
    key = where.rstrip("`").lstrip(".")
    return f"{key}: {problem}" if key else problem
