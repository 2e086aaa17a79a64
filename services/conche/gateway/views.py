"""Answers that are kept ready in bytes: made anew when something has changed, and at most a few times a second."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final

from aiohttp import hdrs, web
from msgspec.json import encode

JSON: Final = "application/json"

RENEW_S: Final = 0.25
"""What has changed is not made anew sooner than this after the last time [s]."""

GZIP_LEVEL: Final = 1
"""The fastest: it makes a tenth of such JSON."""


@dataclass(frozen=True)
class Encoded:
    """An answer in bytes.

    Parameters
    ----------
    body
        JSON.
    """

    body: bytes

    @cached_property
    def etag(self) -> str:
        """What it is known by; a weak one, because it may be sent compressed or not."""
        return f'W/"{blake2b(self.body, digest_size=12).hexdigest()}"'

    @cached_property
    def compressed(self) -> bytes:
        """The same, compressed; made when it is first asked for."""
        return gzip.compress(self.body, GZIP_LEVEL, mtime=0)


class View:
    """One answer for everybody.

    Parameters
    ----------
    make
        Makes what is told, of the picture as it is.
    changes
        Counts what has changed.
    clock
        Monotonic [s].
    lasts_s
        It is made anew after this even if nothing has changed, because it tells how long ago something was [s].
    """

    def __init__(
        self,
        make: Callable[[], Any],
        *,
        changes: Callable[[], int],
        clock: Callable[[], float],
        lasts_s: float = float("inf"),
    ) -> None:
        self._make = make
        self._changes = changes
        self._clock = clock
        self._lasts_s = lasts_s
        self._encoded: Encoded | None = None
        self._made_s = 0.0
        self._made_of = -1

    def encoded(self) -> Encoded:
        """Return it as it is now, or was a moment ago."""
        now, changes = self._clock(), self._changes()
        if self._encoded is None or self._is_old(now - self._made_s, changes):
            self._encoded = Encoded(encode(self._make()))
            self._made_s, self._made_of = now, changes
        return self._encoded

    def _is_old(self, age_s: float, changes: int) -> bool:
        return age_s >= self._lasts_s or (changes != self._made_of and age_s >= RENEW_S)


def respond(request: web.Request, encoded: Encoded) -> web.Response:
    """Return the answer to a request for something that is kept ready: whole, compressed, or that it is the same."""
    headers = {
        hdrs.ETAG: encoded.etag,
        hdrs.CACHE_CONTROL: "private, no-cache",
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
    }
    if _is_known(request, encoded.etag):
        return web.Response(status=304, headers=headers)
    if "gzip" not in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        return web.Response(body=encoded.body, content_type=JSON, headers=headers)
    headers[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(body=encoded.compressed, content_type=JSON, headers=headers)


def _is_known(request: web.Request, etag: str) -> bool:
    """Return whether the asker has it already, by the weak comparison of RFC 9110."""
    known = request.headers.get(hdrs.IF_NONE_MATCH, "")
    opaque = etag.removeprefix("W/")
    return known.strip() == "*" or any(one.strip().removeprefix("W/") == opaque for one in known.split(","))
