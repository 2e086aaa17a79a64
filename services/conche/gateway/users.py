"""Local users, for where there is no directory: a laptop, a trial."""

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from conche.contract.roles import Role, check_new_account

from .directory.names import unacceptable
from .people import Person
from .store import opened

ADMIN: Final = "admin"

AT_ONCE: Final = 2
"""Passwords that are looked at at once: each takes 64 MiB and a core."""

_HASHER: Final = PasswordHasher()
"""Argon2id with the parameters of RFC 9106, low memory."""

_NOBODY: Final = _HASHER.hash(secrets.token_hex(16))
"""A hash that nothing fits: who has no such name waits as long as who has the wrong password."""


class Users:
    """Checks passwords.

    Parameters
    ----------
    store
        The file.
    hasher
        Makes the hashes of new passwords; each hash says how it was made.
    """

    def __init__(
        self,
        store: sqlite3.Connection,
        *,
        hasher: PasswordHasher = _HASHER,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._now = now
        self._places = asyncio.Semaphore(AT_ONCE)

    async def check(self, name: str, password: str) -> Person | None:
        """Return who it is; None where there is no such name, or the password is another."""
        if unacceptable(name, password) is not None:
            return None
        row = self._store.execute("SELECT name, hash, role FROM users WHERE name = ?", (name,)).fetchone()
        known, kept, role = row or (name, _NOBODY, Role.VIEWER)
        async with self._places:
            fits = await asyncio.to_thread(_fits, kept, password)
        return Person(name=known, role=Role(role), via="password") if fits else None

    def put(self, name: str, *, role: Role, password: str) -> None:
        """Make a user, or give one another password and role.

        Raises
        ------
        NameInvalid
            Nobody may have that name.
        """
        check_new_account(name)
        self._store.execute(
            "INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?)",
            (name, self._hasher.hash(password), role, self._now()),
        )

    def is_empty(self) -> bool:
        """Tell whether there is nobody."""
        return self._store.execute("SELECT 1 FROM users LIMIT 1").fetchone() is None


def make_admin(state_dir: Path) -> str | None:
    """Make the first local user, with a password that is told this once; None where there is somebody already.

    Parameters
    ----------
    state_dir
        That of the gateway's settings.

    Raises
    ------
    StoreBroken
        The file can't be used.
    """
    with opened(state_dir) as store:
        users = Users(store)
        if not users.is_empty():
            return None
        password = secrets.token_urlsafe(15)
        users.put(ADMIN, role=Role.ADMIN, password=password)
        return password


def _fits(kept: str, password: str) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
