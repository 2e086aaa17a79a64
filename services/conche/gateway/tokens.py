"""Tokens of scripts: shown once, kept as a hash, bounded by a role and a day."""

import hashlib
import re
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from conche.contract.names import NameInvalid
from conche.contract.roles import Role, check_new_account

from .people import Person
from .store import note, time_of

PREFIX: Final = "conche_"
"""What every token begins with, so that people, and programs that look for secrets in files, know one."""

TOUCH_S: Final = 60.0
"""That a token is used is written down once in this [s]."""

MAX_TOKENS: Final = 1_000

_TOKEN: Final = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_BYTES: Final = 32


class TokenRefused(ValueError):
    """A token that can't be made or revoked; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is known of one.

    Parameters
    ----------
    name
        Of the script; commands bear it.
    role
        What it may do.
    made_at
        When it was made.
    ends_at
        When it ends; None for never.
    used_at
        When it was used last, to the minute; None for never.
    """

    name: str
    role: Role
    made_at: datetime
    ends_at: datetime | None
    used_at: datetime | None


class Tokens:
    """The tokens. They are looked up in the file each time, so one that is revoked is refused at once.

    Parameters
    ----------
    store
        The file.
    now
        The time [s since 1970].
    """

    def __init__(self, store: sqlite3.Connection, *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now

    def create(self, name: str, *, role: Role, lasts: timedelta | None) -> str:
        """Make a token and return it; nobody can tell it again.

        Parameters
        ----------
        name
            Of the script.
        role
            What it may do.
        lasts
            How long it is good; None for ever.

        Raises
        ------
        TokenRefused
            The name can't be had, or there are too many.
        """
        try:
            check_new_account(name)
        except NameInvalid as error:
            raise TokenRefused(str(error)) from None
        if self._count() >= MAX_TOKENS:
            raise TokenRefused(f"there are {MAX_TOKENS} tokens: revoke some")
        token = PREFIX + secrets.token_urlsafe(_BYTES)
        now = self._now()
        ends = None if lasts is None else now + lasts.total_seconds()
        try:
            self._store.execute(
                "INSERT INTO tokens (name, hash, role, made, ends) VALUES (?, ?, ?, ?, ?)",
                (name, _hashed(token), role, now, ends),
            )
        except sqlite3.IntegrityError:
            raise TokenRefused(f"there is a token {name!r}; revoke it first, or take another name") from None
        return token

    def find(self, token: str) -> Person | None:
        """Return whom a token stands for; None for one that is none, not any more, or ended."""
        if not _TOKEN.fullmatch(token):
            return None
        row = self._store.execute(
            "SELECT name, role, ends, used FROM tokens WHERE hash = ?", (_hashed(token),)
        ).fetchone()
        if row is None:
            return None
        name, role, ends, used = row
        now = self._now()
        if ends is not None and now >= ends:
            return None
        if used is None or now - used > TOUCH_S:
            note(self._store, "UPDATE tokens SET used = ? WHERE name = ?", now, name)
        return Person(name=name, role=Role(role), via=f"token {name}")

    def revoke(self, name: str) -> None:
        """Remove a token: it is refused from now on.

        Raises
        ------
        TokenRefused
            There is none of that name.
        """
        if not self._store.execute("DELETE FROM tokens WHERE name = ?", (name,)).rowcount:
            raise TokenRefused(f"there is no token {name!r}")

    def listed(self) -> list[Token]:
        """Return what is known of each, by name."""
        rows = self._store.execute("SELECT name, role, made, ends, used FROM tokens ORDER BY name")
        return [
            Token(
                name=name,
                role=Role(role),
                made_at=time_of(made),
                ends_at=None if ends is None else time_of(ends),
                used_at=None if used is None else time_of(used),
            )
            for name, role, made, ends, used in rows
        ]

    def _count(self) -> int:
        (count,) = self._store.execute("SELECT count(*) FROM tokens").fetchone()
        return int(count)


def _hashed(token: str) -> str:
    """Return what is kept: 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
