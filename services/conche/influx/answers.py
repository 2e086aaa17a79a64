"""What an answer of the database means."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec import DecodeError, Struct, field
from msgspec.json import decode

from conche.web import retry_after_s

from .errors import InfluxError, InfluxGarbled, InfluxRefused, InfluxUnavailable
from .login import Generation, Login
from .series import Series

MAX_WORDS: Final = 300
"""Characters of what the database says that are told; it repeats whole points."""

_DROPPED: Final = re.compile(r" dropped=(\d+)$")
_UNPARSED: Final = re.compile(r"^(?:partial write: )?unable to parse '", re.MULTILINE)
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer.

    Parameters
    ----------
    status
        Of HTTP.
    body
        As it came.
    retry_after, location
        Headers, where there are such.
    """

    status: int
    body: bytes
    retry_after: str | None = None
    location: str | None = None


class _Complaint(Struct):
    """``{"error": …}`` of InfluxDB 1 and 3, ``{"code": …, "message": …}`` of InfluxDB 2."""

    error: str | None = None
    message: str | None = None


class _Result(Struct):
    series: list[Series] = field(default_factory=list)
    error: str | None = None


class _Results(Struct):
    results: list[_Result]
    error: str | None = None


def failure(answer: Answer, *, login: Login, now: datetime) -> InfluxError:
    """Return what is wrong, of an answer that is not the one of success.

    Parameters
    ----------
    answer
        What came.
    login
        Who answered.
    now
        Aware; what a date in it is measured against.
    """
    own = _own_words(answer.body)
    words = f"{login.url}: HTTP {answer.status}{_led(answer)}: {_shown(answer.body, own)}"
    partial = _is_partial(own or "")
    # InfluxDB 2.0 answered 500 where it had stored all but points that are too old: trying again would not help
    if (answer.status == _TOO_MANY or answer.status >= 500) and not partial:
        asked_s = retry_after_s(answer.retry_after, now=now)
        return InfluxUnavailable(words, retry_after_s=asked_s)
    if answer.status < 400:
        return InfluxGarbled(f"{words}: is it an InfluxDB that influx.url leads to?")
    return InfluxRefused(
        words + _remedy(answer.status, login),
        status=answer.status,
        partial=partial,
        dropped=_complained_of(own or ""),
        database_missing=login.generation is Generation.ONE and (own or "").startswith("database not found"),
    )


def _own_words(body: bytes) -> str | None:
    """Return what the database itself says; None where it is not the database that answers."""
    try:
        complaint = decode(body, type=_Complaint)
    except (DecodeError, UnicodeDecodeError):
        return None
    return complaint.message or complaint.error


def _shown(body: bytes, own: str | None) -> str:
    if own is not None:
        return _cut(own)
    text = _cut(body[: 4 * MAX_WORDS].decode(errors="replace"))
    return f"no answer of InfluxDB: {text}" if text else "without a word"


def _cut(words: str) -> str:
    """Return words in one line that is not too long; their end tells how many points it was about."""
    line = " ".join(words.split())
    half = MAX_WORDS // 2
    return line if len(line) <= MAX_WORDS else f"{line[:half]} … {line[-half:]}"


def _led(answer: Answer) -> str:
    if answer.status // 100 == 3 and answer.location:
        return f", leads to {answer.location[:200]!r}"
    return ""


def _is_partial(own: str) -> bool:
    """Return whether the rest is stored; what stands in quotes is of a point, and may say anything."""
    return "partial write" in own.partition("'")[0]


def _complained_of(own: str) -> int | None:
    """Return of how many points the database complains.

    InfluxDB 1 says ``dropped=0`` of lines that it could not read, and has a line of words for each; measured with
    1.6.7.
    """
    found = _DROPPED.search(own) if _is_partial(own) else None
    return (int(found[1]) if found else 0) or len(_UNPARSED.findall(own)) or None


def _remedy(status: int, login: Login) -> str:
    two = login.generation is Generation.TWO
    match status:
        case 401 | 403:
            keys = "influx.token_file" if two else "influx.user and influx.password_file"
            return f"; {keys} must be of somebody who may use {login.database!r}"
        case 404 if two:
            return (
                f"; make the bucket (influx bucket create --name {login.database} --retention …), "
                "or mend influx.bucket and influx.org"
            )
    return ""


def read_series(answer: Answer, *, login: Login) -> list[Series]:
    """Return what a question was answered with.

    Raises
    ------
    InfluxGarbled
        It is no answer of InfluxDB.
    InfluxRefused
        A statement of the question was refused.
    """
    try:
        read = decode(answer.body, type=_Results)
    except (DecodeError, UnicodeDecodeError):
        words = f"{login.url}: no answer of InfluxDB: {_shown(answer.body, None)}"
        raise InfluxGarbled(f"{words}: is it an InfluxDB that influx.url leads to?") from None
    for error in (read.error, *(result.error for result in read.results)):
        if error is not None:
            missing = login.generation is Generation.ONE and error.startswith("database not found")
            raise InfluxRefused(f"{login.url}: {_cut(error)}", status=answer.status, database_missing=missing)
    return [series for result in read.results for series in result.series]
