"""Requests and replies, and the bytes of a reply as libevent's evhttp writes them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import formatdate
from enum import StrEnum
from http import HTTPStatus

from .values import Json, dump, dump_compact


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it stood on the wire; nothing of the target is decoded."""

    method: str
    target: str
    version: str
    keep_alive: bool
    body: bytes = b""


class Content(StrEnum):
    """The content types a kotekan sends; CONTROL is for our own control port."""

    JSON = "Application/JSON"
    TEXT = "text/plain"
    HTML = "text/html"
    DEFAULT = "text/html; charset=ISO-8859-1"
    CONTROL = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply; `raw` replaces everything that would be rendered."""

    status: int
    reason: str = "OK"
    body: bytes = b""
    content: Content = Content.DEFAULT
    close: bool = False
    raw: bytes | None = None


#: What stands where kotekan passes `HTTP_RESPONSE` to evhttp as the reason phrase.
REASONS = {200: "OK", 400: "BAD_REQUEST", 402: "REQUEST_FAILED", 404: "NOT_FOUND", 500: "INTERNAL_ERROR"}

EMPTY = Reply(200)


def json_reply(value: Json) -> Reply:
    """Answer 200 with a value, as `send_json_reply` does."""
    return Reply(200, body=dump(value), content=Content.JSON)


def error_reply(status: int, message: str) -> Reply:
    """Answer an error in JSON, as `send_error` does; the connection stays open."""
    body = dump_compact({"code": status, "message": message}).encode(errors="replace")
    return Reply(status, REASONS.get(status, ""), body, Content.JSON)


NOT_FOUND = error_reply(404, "Not Found")


def html_reply(status: int, reason: str | None = None) -> Reply:
    """Answer an HTML page and close, as `evhttp_send_error` does; the words stand in the reason phrase too."""
    words = HTTPStatus(status).phrase if reason is None else " ".join(reason.split())
    page = f"<HTML><HEAD>\n<TITLE>{status} {words}</TITLE>\n</HEAD><BODY>\n<H1>{words}</H1>\n</BODY></HTML>\n"
    return Reply(status, words, page.encode(), Content.HTML, close=True)


class _Date:
    second = 0
    header = b""


def _date() -> bytes:
    now = int(time.time())
    if now != _Date.second:
        _Date.second = now
        _Date.header = f"Date: {formatdate(now, usegmt=True)}\r\n".encode()
    return _Date.header


def keeps_open(reply: Reply, request: Request) -> bool:
    """Tell whether the connection stays open after this reply."""
    return request.keep_alive and not reply.close


def render(reply: Reply, request: Request) -> bytes:
    """Return the bytes of a reply, headers in evhttp's order.

    HTTP/1.0 has a length only on a kept connection; HEAD has no body.
    """
    if reply.raw is not None:
        return reply.raw
    keep = keeps_open(reply, request)
    modern = request.version != "1.0"
    head = [f"HTTP/{request.version} {reply.status} {reply.reason}\r\n".encode(errors="replace")]
    if reply.content is not Content.DEFAULT:
        head.append(b"Content-Type: %b\r\n" % reply.content.value.encode())
    if reply.close:
        head.append(b"Connection: close\r\n")
    if modern:
        head.append(_date())
    elif keep:
        head.append(b"Connection: keep-alive\r\n")
    if modern or keep:
        head.append(b"Content-Length: %d\r\n" % len(reply.body))
    if reply.content is Content.DEFAULT:
        head.append(b"Content-Type: %b\r\n" % reply.content.value.encode())
    if modern and not keep and not reply.close:
        head.append(b"Connection: close\r\n")
    head.append(b"\r\n")
    if request.method != "HEAD":
        head.append(reply.body)
    return b"".join(head)
