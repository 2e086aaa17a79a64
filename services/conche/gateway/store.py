"""The file with sessions, tokens and local users: SQLite, for its owner only."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from conche.errors import FatalError

logger = logging.getLogger(__name__)

FILE: Final = "gateway.db"
BUSY_S: Final = 2.0
"""How long it is waited for another process, such as `conche tokens`, which writes for some milliseconds [s]."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, began REAL NOT NULL, used REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_of ON sessions (name);
CREATE TABLE IF NOT EXISTS tokens (
    name TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, role TEXT NOT NULL, made REAL NOT NULL, ends REAL, used REAL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY COLLATE NOCASE, hash TEXT NOT NULL, role TEXT NOT NULL, made REAL NOT NULL
) STRICT, WITHOUT ROWID;
"""


class StoreBroken(FatalError):
    """The file can't be used; says which, and why."""


@contextmanager
def opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the file, made where there is none.

    Every statement is a transaction of its own. A journal that is written ahead lets `conche tokens` write while the
    gateway reads; what is committed is on the disk.

    Parameters
    ----------
    folder
        The gateway's ``state_dir``; nobody else may look into it.

    Raises
    ------
    StoreBroken
        It can't be made, or is no such file.
    """
    path = private_folder(folder) / FILE
    try:
        path.touch(mode=0o600)
        path.chmod(0o600)
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise StoreBroken(f"{path}: {error}") from None
    with closing(connection):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise StoreBroken(f"{path}: {error}; set it aside: everybody has to log in again") from None
        yield connection


def note(store: sqlite3.Connection, statement: str, *values: Any) -> None:
    """Write something down that may as well be lost, such as when a token was used: nobody is refused for it."""
    try:
        store.execute(statement, values)
    except sqlite3.OperationalError as error:  # a full disk, or somebody who holds the file
        logger.warning("gateway: can't note when something was used: %s", error)


def private_folder(folder: Path) -> Path:
    """Return a folder that only its owner may look into, made where there is none.

    Raises
    ------
    StoreBroken
        It can't be had.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise StoreBroken(f"gateway.state_dir: {folder}: {error.strerror}") from None
    return folder


def time_of(seconds: float) -> datetime:
    """Return a time that the file has as seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)
