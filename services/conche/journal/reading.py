"""Questions to the journal's database, each on a connection of its own: storing goes on meanwhile."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from msgspec import DecodeError, ValidationError
from msgspec.json import decode

from conche.contract import Event, JournalEntry

from .errors import QueryImpossible, code_of, said_in_words
from .queries import Query

MAX_ANSWER: Final = 1_000_000
"""Bytes of events in one answer; the shipped broker takes 20 MB."""

READ_WITHIN_S: Final = 2.0
"""A question that takes longer is given up: others wait [s]. A guess: a search of a million entries
for a pattern takes a tenth of a second."""

_STEPS: Final = 10_000
"""Of SQLite's virtual machine between two looks at the clock: about a millisecond."""

_ENDS: Final = {True: 0, False: 2**63 - 1}
"""The number at which a page begins, by whether the oldest come first."""


@dataclass(slots=True)
class Page:
    """What a question is answered with.

    Parameters
    ----------
    entries
        Fewer than asked for where they are long.
    unreadable
        Entries that were left out: of a later conche, which had them otherwise.
    """

    entries: list[JournalEntry] = field(default_factory=list)
    unreadable: int = 0


def read_page(path: Path, query: Query) -> Page:
    """Return the entries that a query asks for.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        They can't be read.
    QueryImpossible
        They can, but not for this question, or not in time.
    """
    try:
        with said_in_words(path), _connected(path) as database:
            return _read(database, query)
    except (sqlite3.Error, OverflowError) as error:
        late = isinstance(error, sqlite3.Error) and code_of(error) == sqlite3.SQLITE_INTERRUPT
        words = f"it takes longer than {READ_WITHIN_S:g} s" if late else str(error)
        raise QueryImpossible(words) from error


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database that is there, for one question that must not take long."""
    deadline = time.monotonic() + READ_WITHIN_S
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=2.0)) as database:
        database.execute("PRAGMA query_only = ON")
        database.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
        yield database


def _read(database: sqlite3.Connection, query: Query) -> Page:
    page = Page()
    last, size = _ENDS[query.ascending], 0
    while len(page.entries) < query.limit:
        wanted = query.limit - len(page.entries)
        rows = _rows(database, query, last=last, limit=wanted)
        for number, service, group, node, text in rows:
            size += len(text)
            if size > MAX_ANSWER and page.entries:
                return page
            last = number
            try:
                event = decode(text, type=Event)
            except (ValidationError, DecodeError):
                page.unreadable += 1
                continue
            page.entries.append(
                JournalEntry(number=number, service=service, group=group, node=node, event=event)
            )
        if len(rows) < wanted:
            break
    return page


def _rows(
    database: sqlite3.Connection, query: Query, *, last: int, limit: int
) -> list[tuple[int, str, str, str, str]]:
    order, beyond = ("ASC", ">") if query.ascending else ("DESC", "<")
    sql = (
        f"SELECT number, service, grp, node, event FROM entries WHERE ({query.where}) AND number {beyond} ? "
        f"ORDER BY number {order} LIMIT ?"
    )
    return database.execute(sql, (*query.values, last, limit)).fetchall()
