"""What can be asked of one kotekan, and what can be done to it: reading and writing are two objects."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from http.client import responses
from typing import Any, Final

from msgspec import DecodeError
from msgspec.json import decode, encode

from .connection import ANSWER_TIMEOUT_S, Connection, Response
from .errors import (
    KotekanConflict,
    KotekanGarbled,
    KotekanHttpError,
    KotekanMalformed,
    KotekanRejected,
)

MAX_WORDS: Final = 500
"""Characters of a kotekan's words that are kept."""

_MAX_PAGE: Final = 10_000
"""Bytes of a page that are searched for words."""


@dataclass(frozen=True, slots=True)
class Reader:
    """What can be asked of a kotekan; nothing here changes it.

    Parameters
    ----------
    connection
        Where the requests go.
    timeout
        How long one answer may take [s].
    """

    connection: Connection
    timeout: float = ANSWER_TIMEOUT_S

    async def config(self) -> bytes | None:
        """Return the running config as kotekan sends it, or None when it is idle."""
        response = await self._get("/config")
        if response.status == 404 and _json(response) is not None:
            return None
        _expect(response, "GET /config")
        return response.body

    async def running(self) -> bool:
        """Return whether a config is loaded. Hangs, and its kotekan with it, while stages are being joined."""
        answer = _json(_expect(await self._get("/status"), "GET /status"))
        if not isinstance(answer, dict) or not isinstance(answer.get("running"), bool):
            raise KotekanGarbled("GET /status: the answer does not say whether kotekan is running")
        return bool(answer["running"])

    async def version(self) -> str:
        """Return kotekan's version."""
        answer = _json(_expect(await self._get("/version"), "GET /version"))
        if not isinstance(answer, dict) or not isinstance(answer.get("kotekan_version"), str):
            raise KotekanGarbled("GET /version: the answer has no kotekan_version")
        return str(answer["kotekan_version"])

    async def _get(self, path: str) -> Response:
        return await self.connection.request("GET", path, timeout=self.timeout)


@dataclass(frozen=True, slots=True)
class Writer:
    """What can be done to a kotekan. Every request passes the gate in the step in which it is sent.

    Parameters
    ----------
    connection
        Where the requests go.
    gate
        Raises `WriteForbidden` when nothing may be written to this node now.
    """

    connection: Connection
    gate: Callable[[], None]

    async def kill(self, *, timeout: float = ANSWER_TIMEOUT_S) -> None:
        """End the process that holds this connection; end-of-file on it is the proof."""
        response = await self.connection.request("GET", "/kill", timeout=timeout, gate=self.gate)
        _expect(response, "GET /kill")

    async def start(self, config: bytes, *, timeout: float) -> None:
        """Start an idle kotekan with a config.

        Parameters
        ----------
        config
            JSON text of the whole config.
        timeout
            Large buffers take long to allocate [s].

        Raises
        ------
        KotekanRejected
            It refused the config and is about to die of it.
        KotekanMalformed
            It could not parse the text, and lives.
        KotekanConflict
            It is running already.
        """
        response = await self.connection.request(
            "POST", "/start", body=config, timeout=timeout, gate=self.gate
        )
        if response.status in (400, 500):
            refusal = KotekanRejected if _json(response) is not None else KotekanMalformed
            raise refusal("POST /start", status=response.status, words=error_words(response))
        _expect(response, "POST /start")

    async def update(self, endpoint: str, values: dict[str, Any]) -> None:
        """Change the values of an updatable block while kotekan runs.

        Parameters
        ----------
        endpoint
            Path of the block, without a leading slash.
        values
            All values of the block: kotekan knows no partial update.

        Raises
        ------
        KotekanRejected
            A stage refused a value, and kotekan dies of it (500).
        KotekanMalformed
            Keys or kinds don't fit the config it was started with; nothing was changed (400).
        """
        what = f"POST /{endpoint}"
        response = await self.connection.request("POST", f"/{endpoint}", body=encode(values), gate=self.gate)
        if response.status in (400, 500):
            refusal = KotekanRejected if response.status == 500 else KotekanMalformed
            raise refusal(what, status=response.status, words=error_words(response))
        _expect(response, what)


def _expect(response: Response, what: str) -> Response:
    if response.status == 200:
        return response
    error = KotekanConflict if response.status == 402 else KotekanHttpError
    raise error(what, status=response.status, words=error_words(response))


def _json(response: Response) -> Any:
    try:
        return decode(response.body)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None


def error_words(response: Response) -> str:
    """Return kotekan's own words about an error: a JSON message, else the reason phrase, else the HTML's text."""
    answer = _json(response)
    if isinstance(answer, dict) and isinstance(answer.get("message"), str):
        return str(answer["message"])[:MAX_WORDS]
    page = re.sub(r"<[^>]*>", " ", response.body[:_MAX_PAGE].decode("utf-8", "replace"))
    text = " ".join(html.unescape(page).split())
    reason = response.reason.strip()
    # "BAD_REQUEST", "EMPTY" and the phrases of the standard say no more than the status.
    telling = " " in reason and reason.lower() != responses.get(response.status, "").lower()
    return (reason if telling else text or reason)[:MAX_WORDS]
