"""One JSON object by HTTP POST, and a word for every way in which that can fail; the address may be a secret."""

import ssl
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import aiohttp

from conche.web import ANY_PROBLEM, Lack, problem_of, retry_after_s

from .base import ChannelRefused, ChannelUnavailable
from .secrecy import Secrets

MAX_ANSWER: Final = 200
"""Bytes of an answer that are read, for its words."""

MAX_RETRY_AFTER_S: Final = 3600.0
"""However long the other side asks to be left alone, it is tried again after this [s]."""


class Post:
    """Sends objects to one address.

    Parameters
    ----------
    session
        One that `open_session` made.
    url
        Where to.
    tls
        What verifies the certificate of an ``https://`` one.
    token
        Sent as ``Authorization: Bearer``.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, *, tls: ssl.SSLContext, token: str | None = None
    ) -> None:
        self._session = session
        self._url = url
        self._tls = tls
        self._secrets = Secrets(url, token)
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    async def __call__(self, body: bytes) -> None:
        """Send an object.

        Raises
        ------
        ChannelUnavailable
            There is no connection, or the answer is 429 or 5xx.
        ChannelRefused
            Another answer than 2xx.
        """
        try:
            await self._post(body)
        except TimeoutError:
            raise ChannelUnavailable("no answer in time") from None
        except ANY_PROBLEM as error:
            problem = problem_of(error, ca_file="ca_file", url="what it was given")
            if problem.lack is Lack.ADDRESS:
                raise ChannelRefused(problem.words) from None
            raise ChannelUnavailable(problem.words) from None

    async def _post(self, body: bytes) -> None:
        async with self._session.post(
            self._url, data=body, headers=self._headers, ssl=self._tls, allow_redirects=False
        ) as answer:
            said = await answer.content.read(MAX_ANSWER)
        if answer.status // 100 == 2:
            return
        words = self._status_words(answer.status, said)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status // 100 == 5:
            after_s = retry_after_s(answer.headers.get("Retry-After"), now=datetime.now(UTC)) or 0.0
            raise ChannelUnavailable(words, retry_after_s=min(after_s, MAX_RETRY_AFTER_S))
        raise ChannelRefused(words)

    def _status_words(self, status: int, said: bytes) -> str:
        text = " ".join(said.decode(errors="replace").split())
        if self._secrets.are_in(text):
            return f"HTTP {status}, in words that have its address or token in them"
        return f"HTTP {status}: {text}" if text else f"HTTP {status}"
