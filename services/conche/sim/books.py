"""The books: everything that arrived at each node and what became of it. The chaos tests judge by them."""

import time
from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from .values import Json

RING: Final = 100_000
"""Entries kept, in each process and in the parent (a guess: some hours of a bad day; 50 MB)."""

Entry = dict[str, Json]


class What(StrEnum):
    """What an entry tells."""

    START = "start"
    KILL = "kill"
    STOP = "stop"
    UPDATE = "update"
    WAITING = "waiting"
    """A write arrived and could not be carried out at once; its own entry follows, or `lost`."""
    LOST = "lost"
    """A write that waited when its process ended: never carried out."""
    LISTENING = "listening"
    RUNNING = "running"
    DIED = "died"
    FAILED = "failed"
    """The start limit was hit: the unit stays down."""
    ORDER = "order"
    FAULT = "fault"


WRITES: Final = (What.START, What.KILL, What.STOP, What.UPDATE)


class Journal:
    """The entries that a process has not handed over yet, oldest dropped first."""

    def __init__(self, *, ring: int = RING) -> None:
        self._entries: deque[Entry] = deque(maxlen=ring)
        self.dropped = 0

    def record(
        self, node: str, what: What, *, process: int, connection: int | None = None, **told: Json
    ) -> None:
        """Add an entry with the present time."""
        if len(self._entries) == self._entries.maxlen:
            self.dropped += 1
        entry: Entry = {"at": time.time(), "node": node, "process": process, "connection": connection}
        self._entries.append({**entry, "what": what.value, **told})

    def take(self) -> tuple[list[Entry], int]:
        """Hand over all entries and the number of those dropped since the last time."""
        entries, dropped = list(self._entries), self.dropped
        self._entries.clear()
        self.dropped = 0
        return entries, dropped


class Ledger:
    """The books of the whole cluster; entries get their serial numbers here."""

    def __init__(self, *, ring: int = RING) -> None:
        self._entries: deque[Entry] = deque(maxlen=ring)
        self.last = 0
        self.dropped = 0

    def enter(self, batch: Sequence[Entry], *, dropped: int = 0) -> None:
        """Add entries handed over by the processes, in the order of their times."""
        self.dropped += dropped
        for entry in sorted(batch, key=_at):
            self.last += 1
            if len(self._entries) == self._entries.maxlen:
                self.dropped += 1
            self._entries.append({"serial": self.last, **entry})

    def since(self, serial: int, *, node: str | None = None, limit: int = RING) -> list[Entry]:
        """Return up to `limit` entries with a higher serial number, of one node or of all."""
        oldest = self.last - len(self._entries) + 1
        skip = max(0, serial + 1 - oldest)
        found: list[Entry] = []
        for index, entry in enumerate(self._entries):
            if index >= skip and (node is None or entry["node"] == node):
                found.append(entry)
                if len(found) == limit:
                    break
        return found


def _at(entry: Entry) -> float:
    at = entry["at"]
    return at if isinstance(at, float) else 0.0
