"""The journal's database. Everything in here blocks, and but for reading is called in one thread."""

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from msgspec import DecodeError, ValidationError
from msgspec.json import decode

from conche.contract import ServiceBirth
from conche.errors import FatalError

from .errors import StoreDamaged, StoreUnavailable, said_in_words
from .notes import Born, Found, Heard, Note, Said
from .queries import Query
from .reading import Page, read_page
from .rows import insert, keep_birth, keep_status, work_out

logger = logging.getLogger(__name__)

FORMAT: Final = 1
"""``user_version`` of the database."""

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
        with said_in_words(self.path):
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
        with said_in_words(self.path), _transaction(database):
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

    def read(self, query: Query) -> Page:
        """Return the entries that a query asks for; in any thread.

        Raises
        ------
        StoreUnavailable, StoreDamaged
            They can't be read.
        QueryImpossible
            They can, but not for this question, or not in time.
        """
        return read_page(self.path, query)

    def births(self) -> dict[str, ServiceBirth]:
        """Return the last birth of each service, by name."""
        with said_in_words(self.path):
            rows = self.open().execute("SELECT name, birth FROM births").fetchall()
        found = {}
        for name, birth in rows:
            with suppress(ValidationError, DecodeError):  # of a later conche
                found[name] = decode(birth, type=ServiceBirth)
        return found

    def last_at(self) -> datetime | None:
        """Return when the last entry was, or None where there is none."""
        with said_in_words(self.path):
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
