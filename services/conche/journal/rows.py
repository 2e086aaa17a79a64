"""What a note becomes in the database."""

import sqlite3
from typing import Final

from msgspec import DecodeError, ValidationError
from msgspec.json import decode, encode
from msgspec.structs import replace

from conche.contract import Event, EventKind, NodeStatus, Service, ServiceBirth
from conche.happenings import carried, cut, happenings

from .notes import Found, Heard, Said

FOUND: Final = " (found so: the journal was away)"


def insert(database: sqlite3.Connection, heard: Heard) -> None:
    """Store an entry."""
    event = heard.event
    database.execute(
        "INSERT INTO entries (at, service, grp, node, kind, event) VALUES (?, ?, ?, ?, ?, ?)",
        (
            event.at.timestamp(),
            heard.service,
            heard.group,
            heard.node,
            event.kind.value,
            encode(event).decode(),
        ),
    )


def keep_status(database: sqlite3.Connection, said: Said) -> None:
    """Keep a status, and up to which entry its changes are told."""
    database.execute(
        "INSERT OR REPLACE INTO statuses SELECT ?, ?, ?, coalesce(max(number), 0) FROM entries",
        (said.group, said.node, encode(said.status).decode()),
    )


def keep_birth(database: sqlite3.Connection, name: str, birth: ServiceBirth) -> None:
    """Keep a service's birth."""
    database.execute("INSERT OR REPLACE INTO births VALUES (?, ?)", (name, encode(birth).decode()))


def work_out(database: sqlite3.Connection, found: Found) -> list[Heard]:
    """Store what changed while nobody listened, but for what was told all the same."""
    (known,) = database.execute("SELECT count(*) FROM statuses").fetchone()
    result: list[Heard] = []
    for (group, node), status in found.statuses.items():
        before, number = _last_status(database, group, node)
        if before is not None and _is_older(status, before):
            continue  # the broker came back with an old store: its owner says it anew
        now = status if before is None else carried(before, status, beginning=True)
        events = happenings(before, now, at=found.at) if known else ()
        for event in events:
            if not _is_told(database, group, node, number, event):
                told = replace(event, text=cut(event.text + FOUND))
                result.append(Heard(Service.JOURNAL, group, node, told))
                insert(database, result[-1])
        keep_status(database, Said(group, node, status))
    return result


def _last_status(database: sqlite3.Connection, group: str, node: str) -> tuple[NodeStatus | None, int]:
    sql = "SELECT status, number FROM statuses WHERE grp = ? AND node = ?"
    row = database.execute(sql, (group, node)).fetchone()
    if row is None:
        return None, 0
    try:
        return decode(row[0], type=NodeStatus), row[1]
    except (ValidationError, DecodeError):  # of an earlier conche, which had it otherwise
        return None, row[1]


def _is_older(status: NodeStatus, than: NodeStatus) -> bool:
    return status.since is not None and than.since is not None and status.since < than.since


def _is_told(database: sqlite3.Connection, group: str, node: str, after: int, event: Event) -> bool:
    sql = "SELECT event FROM entries WHERE grp = ? AND node = ? AND number > ? AND kind = ?"
    rows = database.execute(sql, (group, node, after, event.kind.value))
    told = [one for (text,) in rows if (one := _event_in(text)) is not None]
    if event.kind is EventKind.STATE:
        return bool(told) and told[-1].after == event.after
    return any(one.text == event.text for one in told)


def _event_in(text: str) -> Event | None:
    """Return an event that was stored, None for one of a later conche, which had it otherwise."""
    try:
        return decode(text, type=Event)
    except (ValidationError, DecodeError):
        return None
