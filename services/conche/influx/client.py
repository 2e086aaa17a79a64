"""The database over HTTP: one request at a time, and a word for every way in which it can fail."""

import asyncio
import gzip
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp

from conche import web
from conche.web import ANY_PROBLEM, Lack, problem_of, tls_context

from .answers import Answer, failure, read_series
from .errors import InfluxGarbled, InfluxMisconfigured, InfluxRefused, InfluxTimeout, InfluxUnreachable
from .influxql import quoted_name
from .login import Generation, Login
from .series import Series

logger = logging.getLogger(__name__)

MAX_ANSWER: Final = 64 * 1024 * 1024
"""Longer answers to a question are refused [bytes]: a million points. A guess."""

MAX_COMPLAINT: Final = 1024 * 1024
"""Of an answer to points so much is read [bytes]: it may name each of them. A guess."""

GZIP_LEVEL: Final = 1
"""Points shrink to a tenth at the lowest; the highest takes five times as long for little more."""

_POINTS: Final = {"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "gzip"}
_WRITTEN: Final = 204
_ANSWERED: Final = 200


@dataclass(frozen=True, slots=True)
class _Request:
    """A POST.

    Parameters
    ----------
    path, params
        Where to.
    data
        A body, or the fields of a form.
    most
        Of the answer so much is taken [bytes].
    headers
        Beside those of every request.
    """

    path: str
    params: Mapping[str, str]
    data: io.BytesIO | Mapping[str, str]
    most: int
    headers: Mapping[str, str] = field(default_factory=dict)


class Database:
    """One database.

    Parameters
    ----------
    session
        Of the HTTP library; one that `open_session` made.
    login
        Which it is.
    """

    def __init__(self, session: aiohttp.ClientSession, *, login: Login) -> None:
        self._session = session
        self._login = login
        self._timeout = aiohttp.ClientTimeout(total=login.timeout_s)
        self._one_at_a_time = asyncio.Lock()

    @property
    def can_be_made(self) -> bool:
        """Whether `create_database` would make it: a bucket has a retention, which is for the site to choose."""
        return self._login.generation is Generation.ONE

    async def write(self, lines: Sequence[bytes]) -> None:
        """Write points.

        Parameters
        ----------
        lines
            In line protocol, UTF-8, each with its time [UNIX ns].

        Raises
        ------
        InfluxError
            One of its kinds.
        """
        body = await asyncio.to_thread(_packed, lines)
        request = _Request(self._login.write_path, self._login.write_params, body, MAX_COMPLAINT, _POINTS)
        answer = await self._post(request)
        if answer.status != _WRITTEN:  # a page of a proxy comes with 200
            raise failure(answer, login=self._login, now=datetime.now(UTC))

    async def query(self, question: str) -> list[Series]:
        """Return the series that a question in InfluxQL is answered with; of several statements one after another.

        Parameters
        ----------
        question
            What others wrote goes into it through `quoted_name` and `quoted_text` only.

        Raises
        ------
        InfluxError
            One of its kinds.
        """
        return await self._ask(question, db=self._login.database, epoch="ns")

    async def create_database(self) -> None:
        """Make the database, if it is not there.

        Raises
        ------
        InfluxMisconfigured
            It is InfluxDB 2.
        InfluxRefused
            It is there and keeps points longer, or less long; that is left alone.
        InfluxError
            One of its kinds.
        """
        name = self._login.database
        if not self.can_be_made:
            raise InfluxMisconfigured(
                f"the bucket {name!r} has to be made by hand, with the retention that you want: "
                f"influx bucket create --name {name} --retention …"
            )
        days = self._login.keep_days
        kept = "" if days is None else f" WITH DURATION {days}d"
        await self._ask(f"CREATE DATABASE {quoted_name(name)}{kept}")
        logger.info("%s: made database %s, for %s", self._login.url, name, f"{days} d" if kept else "ever")

    async def _ask(self, question: str, **params: str) -> list[Series]:
        answer = await self._post(_Request("/query", params, {"q": question}, MAX_ANSWER))
        if answer.status != _ANSWERED:
            raise failure(answer, login=self._login, now=datetime.now(UTC))
        return read_series(answer, login=self._login)

    async def _post(self, request: _Request) -> Answer:
        """Send a request and return the answer, whatever it is.

        Raises
        ------
        InfluxUnreachable, InfluxTimeout, InfluxGarbled
            There is none.
        """
        url = self._login.url
        try:
            async with self._one_at_a_time:
                return await self._posted(request)
        except TimeoutError:
            raise InfluxTimeout(f"{url}: no whole answer within {self._login.timeout_s:g} s") from None
        except ANY_PROBLEM as error:
            problem = problem_of(error, ca_file="influx.ca_file", url="influx.url")
            kind = InfluxGarbled if problem.lack is Lack.ANSWER else InfluxUnreachable
            raise kind(f"{url}: {problem.words}") from None

    async def _posted(self, request: _Request) -> Answer:
        headers = dict(request.headers)
        if self._login.authorization is not None:
            headers["Authorization"] = self._login.authorization
        async with self._session.post(
            f"{self._login.url}{request.path}",
            params=request.params,
            headers=headers,
            data=request.data,
            allow_redirects=False,
            timeout=self._timeout,
        ) as answer:
            return Answer(
                status=answer.status,
                body=await self._bounded(answer, request.most),
                retry_after=answer.headers.get("Retry-After"),
                location=answer.headers.get("Location"),
            )

    async def _bounded(self, answer: aiohttp.ClientResponse, most: int) -> bytes:
        """Return a body.

        Raises
        ------
        InfluxGarbled, InfluxRefused
            It is longer than that.
        """
        parts: list[bytes] = []
        size = 0
        async for part in answer.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > most:
                raise self._too_long(answer.status, most)
        return b"".join(parts)

    def _too_long(self, status: int, most: int) -> InfluxGarbled | InfluxRefused:
        """Return what an answer without end is: to points that are refused it says nothing that changes that."""
        words = f"{self._login.url}: HTTP {status}: an answer of more than {most // 1024} KiB, of which none is used"
        return InfluxRefused(words, status=status) if status // 100 == 4 else InfluxGarbled(words)


def open_session(ca_file: Path | None) -> aiohttp.ClientSession:
    """Return a session of the HTTP library.

    Parameters
    ----------
    ca_file
        Certificate authority; None for the system's.

    Raises
    ------
    FatalError
        The authority can't be read.
    """
    return web.open_session(tls_context(ca_file, setting="influx.ca_file"))


def _packed(lines: Sequence[bytes]) -> io.BytesIO:
    return io.BytesIO(gzip.compress(b"\n".join(lines), GZIP_LEVEL))
