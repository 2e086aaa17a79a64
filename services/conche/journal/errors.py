"""What can go wrong with the journal's database, told apart."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

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


class StoreDamaged(Exception):
    """The file is no database of the journal's, or not any more."""


class QueryImpossible(Exception):
    """SQLite can't answer that question, or not in time; says why."""


def code_of(error: sqlite3.Error) -> int:
    """Return what an error is, as SQLite numbers them."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY


@contextmanager
def said_in_words(path: Path) -> Iterator[None]:
    """Tell damage, and what may be over in a while, from mistakes of our own."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if code_of(error) in _DAMAGED:
            raise StoreDamaged(str(error)) from None
        if code_of(error) in _UNAVAILABLE:
            raise StoreUnavailable(f"{path}: {error}") from None
        raise
