"""From the settings to one database and a login at it."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from conche.settings import Influx

from .errors import InfluxMisconfigured


class Generation(StrEnum):
    """Which of the two ways of writing a database is asked in; both are asked questions in the same one."""

    ONE = "InfluxDB 1"
    TWO = "InfluxDB 2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One database, and how to log in.

    Parameters
    ----------
    url
        Where it is, without a slash at its end.
    generation
        How it is written to.
    database
        Its name; of InfluxDB 2 that of the bucket.
    write_path, write_params
        What points are posted to.
    authorization
        Header; None where it asks for none.
    timeout_s
        For a whole answer [s].
    keep_days
        How long a database that has to be made is to keep points [d]; None for ever.
    """

    url: str
    generation: Generation
    database: str
    write_path: str
    write_params: Mapping[str, str]
    authorization: str | None = field(repr=False)
    timeout_s: float
    keep_days: int | None = None


def login_of(influx: Influx) -> Login:
    """Return which database the settings mean.

    Raises
    ------
    InfluxMisconfigured
        They name none, contradict each other, or a secret can't be read.
    """
    if influx.url is None:
        raise InfluxMisconfigured("influx.url is not set: there is no database; it is its http://host:port")
    return _two(influx, influx.url) if influx.bucket else _one(influx, influx.url)


def _two(influx: Influx, url: str) -> Login:
    for key in ("user", "password", "password_file"):
        if getattr(influx, key) is not None:
            raise InfluxMisconfigured(
                f"influx.bucket and influx.{key} contradict each other: InfluxDB 2 is written to with "
                f"influx.token_file, InfluxDB 1 with influx.user; remove influx.{key}, or influx.bucket"
            )
    if influx.keep_days is not None:
        raise InfluxMisconfigured(
            "influx.bucket and influx.keep_days contradict each other: a bucket of InfluxDB 2 has a retention of its "
            "own (influx bucket update --retention …), and conche makes none; remove influx.keep_days"
        )
    if influx.database != Influx().database:
        raise InfluxMisconfigured(
            "influx.bucket and influx.database contradict each other: the one is of InfluxDB 2, the other of "
            "InfluxDB 1; remove the one that yours is not"
        )
    if not influx.org:
        raise InfluxMisconfigured(
            "influx.bucket is set and influx.org is not: InfluxDB 2 must be told the organisation"
        )
    token = _secret("token", influx.token, influx.token_file)
    if token is None:
        raise InfluxMisconfigured(
            "influx.bucket is set and there is no token: influx.token_file names the file that holds one that may "
            "read and write the bucket"
        )
    bucket = influx.bucket or ""
    return Login(
        url=url.rstrip("/"),
        generation=Generation.TWO,
        database=bucket,
        write_path="/api/v2/write",
        write_params={"org": influx.org, "bucket": bucket, "precision": "ns"},
        authorization=f"Token {token}",
        timeout_s=influx.timeout_s,
    )


def _one(influx: Influx, url: str) -> Login:
    for key in ("org", "token", "token_file"):
        if getattr(influx, key) is not None:
            raise InfluxMisconfigured(
                f"influx.{key} is set and influx.bucket is not: InfluxDB 2 must be told the bucket; for InfluxDB 1 "
                f"remove influx.{key}"
            )
    return Login(
        url=url.rstrip("/"),
        generation=Generation.ONE,
        database=influx.database,
        write_path="/write",
        write_params={"db": influx.database, "precision": "ns"},
        authorization=_basic(influx),
        timeout_s=influx.timeout_s,
        keep_days=influx.keep_days,
    )


def _basic(influx: Influx) -> str | None:
    """Return the header with user and password; None without a user."""
    password = _secret("password", influx.password, influx.password_file)
    if influx.user is None:
        if password is not None:
            raise InfluxMisconfigured(
                "there is a password for InfluxDB 1 and nobody whose it is: influx.user is not set"
            )
        return None
    if not influx.user or ":" in influx.user:
        raise InfluxMisconfigured("influx.user is empty, or has a colon in it: no such name can be sent")
    if password is None:
        raise InfluxMisconfigured(
            "influx.user is set and there is no password: influx.password_file names the file that holds it"
        )
    return "Basic " + b64encode(f"{influx.user}:{password}".encode()).decode()


def _secret(what: str, given: str | None, path: Path | None) -> str | None:
    """Return a token or password, as it is given or as a file holds it; None where there is neither.

    Raises
    ------
    InfluxMisconfigured
        There is one that is none.
    """
    source = f"CONCHE_INFLUX__{what.upper()}" if given is not None else f"influx.{what}_file: {path}"
    secret = given if given is not None else _read(path, what)
    if secret is None:
        return None
    if not secret.strip():
        raise InfluxMisconfigured(f"{source}: the {what} of the database is empty")
    if not secret.strip().isprintable() or (what == "token" and not secret.isascii()):
        raise InfluxMisconfigured(
            f"{source}: that is no {what}: it has more than one line, or signs that none has"
        )
    return secret.strip()


def _read(path: Path | None, what: str) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text()
    except OSError as error:
        problem = error.strerror
    except UnicodeDecodeError:
        problem = "it is not text"
    raise InfluxMisconfigured(
        f"influx.{what}_file: {path}: the {what} of the database can't be read: {problem}; "
        f"CONCHE_INFLUX__{what.upper()}_FILE names the file that holds it"
    )
