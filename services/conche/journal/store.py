"""The journal's database. Everything in here blocks, and is called in one thread."""

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from msgspec.json import decode

from conche.contract import Event, JournalEntry, ServiceBirth
from conche.errors import FatalError

from .notes import Born, Found, Heard, Note, Said
from .queries import Query
from .rows import insert, keep_birth, keep_status, work_out

logger = logging.getLogger(__name__)

FORMAT: Final = 1
"""``user_version`` of the database."""

MAX_ANSWER: Final = 1_000_000
"""Bytes of events in one answer; the shipped broker takes 20 MB."""

_SCHEMA: Final = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    service TEXT NOT NULL,
    grp TEXT NOT NULL,
    node TEXT NOT NULL,
    kind TEXT NOT NULL,
    event TEXT NOT NULL
) STRICT;
CREATE INDEX entries_by_node ON entries (grp, node);
CREATE INDEX entries_by_kind ON entries (kind);
CREATE INDEX entries_by_time ON entries (at);
CREATE TABLE statuses (
    grp TEXT NOT NULL,
    node TEXT NOT NULL,
    status TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (grp, node)
) STRICT, WITHOUT ROWID;
CREATE TABLE births (name TEXT PRIMARY KEY, birth TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""

_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNAVAILABLE: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PERM,
    }
)
_PRIMARY: Final = 0xFF
"""The part of SQLite's error codes that says what, and not how."""


class StoreUnavailable(Exception):
    """Nothing can be stored or read now, as when the disk is full; says why."""


class QueryImpossible(Exception):
    """SQLite can't answer that question; says why."""


class StoreDamaged(Exception):
    """The file is no database of the journal's, or not any more."""


class StoreTooNew(FatalError):
    """A later conche wrote the file."""


class Store:
    """Entries, and what was heard last of each node and service.

    Parameters
    ----------
    path
        The database; made where there is none.
    max_entries, max_age_days
        The oldest entries go when there are more, or when they are older, if that is bounded.
    """

    def __init__(self, path: Path, *, max_entries: int, max_age_days: float | None = None) -> None:
        self.path = path
        self._max_entries = max_entries
        self._max_age = None if max_age_days is None else timedelta(days=max_age_days)
        self._open: sqlite3.Connection | None = None

    # --- the file

    def open(self) -> sqlite3.Connection:
        """Return the open database; one that is damaged is set aside and a new one begun.

        Raises
        ------
        StoreUnavailable
            It can't be opened now.
        StoreTooNew
            A later conche wrote it.
        """
        if self._open is None:
            try:
                self._open = self._connect()
            except StoreDamaged as damage:
                self.set_aside(str(damage))
                self._open = self._connect()
        return self._open

    def close(self) -> None:
        """Let go of the file."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def set_aside(self, why: str) -> None:
        """Rename a damaged database, so that a new one is begun.

        Raises
        ------
        StoreUnavailable
            It can't be renamed.
        """
        self.close()
        aside = f"{self.path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
        logger.warning("%s: damaged (%s): set aside as %s, a new one is begun", self.path, why, aside)
        try:
            for suffix in ("-wal", "-shm", ""):
                part = self.path.with_name(f"{self.path.name}{suffix}")
                if part.exists():
                    part.rename(self.path.with_name(f"{aside}{suffix}"))
        except OSError as error:
            raise StoreUnavailable(
                f"{self.path}: damaged, and can't be set aside: {error.strerror}"
            ) from None

    def _connect(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"{self.path.parent}: can't be made: {error.strerror}") from None
        with self._said_in_words():
            database = sqlite3.connect(self.path, isolation_level=None, timeout=2.0)
            try:
                self._prepare(database)
            except BaseException:
                database.close()
                raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        """Set up what a new file lacks.

        Each commit reaches the disk: what a person did must not be gone with the power. There are at most a few in
        a second.
        """
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > FORMAT:
            raise StoreTooNew(
                f"{self.path}: a later conche wrote it (format {version}, this one knows {FORMAT}): install that, or "
                "move the file away"
            )
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if version == 0 and not tables:
            database.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {FORMAT};COMMIT;")
        elif not {"entries", "statuses", "births"} <= tables:
            raise StoreDamaged("it is another program's database")

    @contextmanager
    def _said_in_words(self) -> Iterator[None]:
        """Tell damage, and what may be over in a while, from mistakes of our own."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
            if code in _DAMAGED:
                raise StoreDamaged(str(error)) from None
            if code in _UNAVAILABLE:
                raise StoreUnavailable(f"{self.path}: {error}") from None
            raise

    # --- writing

    def write(self, notes: Iterable[Note]) -> list[Heard]:
        """Store notes, all or none; return what was worked out of those that were found.

        Raises
        ------
        StoreUnavailable
            Nothing was stored.
        StoreDamaged
            Nor will anything be.
        """
        database = self.open()
        worked_out: list[Heard] = []
        with self._said_in_words(), _transaction(database):
            for note in notes:
                match note:
                    case Heard():
                        insert(database, note)
                    case Said():
                        keep_status(database, note)
                    case Born(name, birth):
                        keep_birth(database, name, birth)
                    case Found():
                        worked_out += work_out(database, note)
            self._trim(database)
        return worked_out

    def _trim(self, database: sqlite3.Connection) -> None:
        database.execute(
            "DELETE FROM entries WHERE number <= (SELECT max(number) FROM entries) - ?", (self._max_entries,)
        )
        if self._max_age is not None:
            oldest = (datetime.now(UTC) - self._max_age).timestamp()
            database.execute("DELETE FROM entries WHERE at < ?", (oldest,))

    # --- reading

    def read(self, query: Query) -> list[JournalEntry]:
        """Return the entries that a query asks for, fewer where they are long.

        Raises
        ------
        StoreUnavailable, StoreDamaged
            It can't be read.
        QueryImpossible
            It can, but not for this question.
        """
        try:
            return self._read(query)
        except (sqlite3.Error, OverflowError) as error:
            raise QueryImpossible(str(error)) from error

    def _read(self, query: Query) -> list[JournalEntry]:
        order = "ASC" if query.ascending else "DESC"
        sql = (
            f"SELECT number, service, grp, node, event FROM entries WHERE {query.where} "
            f"ORDER BY number {order} LIMIT ?"
        )
        found: list[JournalEntry] = []
        size = 0
        with self._said_in_words(), closing(self.open().execute(sql, (*query.values, query.limit))) as rows:
            for number, service, group, node, text in rows:
                size += len(text)
                if size > MAX_ANSWER and found:
                    break
                event = decode(text, type=Event)
                found.append(
                    JournalEntry(number=number, service=service, group=group, node=node, event=event)
                )
        return found

    def births(self) -> dict[str, ServiceBirth]:
        """Return the last birth of each service, by name."""
        with self._said_in_words():
            rows = self.open().execute("SELECT name, birth FROM births").fetchall()
        return {name: decode(birth, type=ServiceBirth) for name, birth in rows}

    def last_at(self) -> datetime | None:
        """Return when the last entry was, or None where there is none."""
        with self._said_in_words():
            row = self.open().execute("SELECT at FROM entries ORDER BY number DESC LIMIT 1").fetchone()
        return None if row is None else datetime.fromtimestamp(row[0], UTC)


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
