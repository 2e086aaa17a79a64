"""Sessions of people who have logged in: a cookie that says nothing, and a row that says who it is."""

import hashlib
import hmac
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from itsdangerous import BadSignature, Signer

from conche.contract.roles import Role

from .people import Person
from .store import note, time_of

logger = logging.getLogger(__name__)

COOKIE: Final = "__Host-conche"
"""Name of the cookie: its prefix has browsers refuse one that is not Secure, or of another host."""

TOUCH_S: Final = 30.0
"""A session that is used is written down as used once in this [s]; less than the shortest life that makes sense."""

MAX_OF_ONE: Final = 20
"""Sessions of one person; the one that was used longest ago ends when there is another. A guess."""

_LONGEST_COOKIE: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One that goes on.

    Parameters
    ----------
    id
        What the cookie has in it.
    person
        Whose it is.
    csrf
        What a page sends with each change, to show that it is a page of this host.
    ends_at
        When it ends, used or not.
    """

    id: str
    person: Person
    csrf: str
    ends_at: datetime


class Sessions:
    """The sessions; they outlive the process.

    Parameters
    ----------
    store
        The file.
    key
        What cookies are signed with.
    idle_s
        A session that is not used so long ends [s].
    max_s
        A session ends after this [s].
    now
        The time [s since 1970].
    """

    def __init__(
        self,
        store: sqlite3.Connection,
        *,
        key: bytes,
        idle_s: float,
        max_s: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._signer = Signer(key, salt="conche session", digest_method=hashlib.sha256)
        self._csrf_key = hmac.digest(key, b"conche csrf", "sha256")
        self._idle_s = idle_s
        self._max_s = max_s
        self._now = now

    @property
    def max_s(self) -> float:
        """How long a session lasts at most [s]."""
        return self._max_s

    def begin(self, person: Person) -> Session:
        """Begin a session; those of his that have another role end: that role is not his any more."""
        now = self._now()
        key = secrets.token_urlsafe(32)
        changed = self._store.execute(
            "DELETE FROM sessions WHERE name = ? AND role != ?", (person.name, person.role)
        )
        if changed.rowcount:
            logger.info("%s: is %s now; %d older sessions end", person.name, person.role, changed.rowcount)
        self._store.execute(
            "DELETE FROM sessions WHERE id IN "
            "(SELECT id FROM sessions WHERE name = ? ORDER BY used DESC LIMIT -1 OFFSET ?)",
            (person.name, MAX_OF_ONE - 1),
        )
        self._store.execute(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)",
            (_hashed(key), person.name, person.role, now, now),
        )
        return self._session(key, name=person.name, role=person.role, began=now)

    def cookie(self, session: Session) -> str:
        """Return the value of the cookie."""
        return self._signer.sign(session.id).decode()

    def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie if it goes on; that it is used makes it go on longer."""
        key = self._id_in(cookie)
        if key is None:
            return None
        row = self._store.execute(
            "SELECT name, role, began, used FROM sessions WHERE id = ?", (_hashed(key),)
        ).fetchone()
        if row is None:
            return None
        name, role, began, used = row
        now = self._now()
        if self._is_over(now, began=began, used=used):
            self.end(key)
            return None
        if now - used > min(TOUCH_S, self._idle_s / 4):
            note(self._store, "UPDATE sessions SET used = ? WHERE id = ?", now, _hashed(key))
        return self._session(key, name=name, role=Role(role), began=began)

    def end(self, key: str) -> None:
        """End one."""
        self._store.execute("DELETE FROM sessions WHERE id = ?", (_hashed(key),))

    def end_all(self, name: str) -> int:
        """End all of a person; return how many there were."""
        return self._store.execute("DELETE FROM sessions WHERE name = ?", (name,)).rowcount

    def tidy(self) -> int:
        """Remove those that are over; return how many."""
        now = self._now()
        return self._store.execute(
            "DELETE FROM sessions WHERE began > ?1 OR used > ?1 OR began <= ?2 OR used <= ?3",
            (now, now - self._max_s, now - self._idle_s),
        ).rowcount

    def _is_over(self, now: float, *, began: float, used: float) -> bool:
        """Tell whether a session has ended; one from the future too: a clock was set, and nobody knows its age."""
        return max(began, used) > now or now - used >= self._idle_s or now - began >= self._max_s

    def _session(self, key: str, *, name: str, role: Role, began: float) -> Session:
        return Session(
            id=key,
            person=Person(name=name, role=role, via="session"),
            csrf=hmac.digest(self._csrf_key, key.encode(), "sha256").hex(),
            ends_at=time_of(began + self._max_s),
        )

    def _id_in(self, cookie: str) -> str | None:
        if len(cookie) > _LONGEST_COOKIE:
            return None
        try:
            return self._signer.unsign(cookie.encode()).decode()
        except (BadSignature, UnicodeError):
            return None


def _hashed(key: str) -> str:
    """Return what is kept of a session's id: who reads the file can't go on with anybody's session."""
    return hashlib.sha256(key.encode()).hexdigest()
