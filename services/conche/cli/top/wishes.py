"""What somebody wants done with nodes, whom it concerns, and what is asked before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from conche.cli.consequences import counted, in_words
from conche.cli.output import count
from conche.cli.watch.live import Live
from conche.cli.watch.table import Entry

from .items import Item


class Kind(StrEnum):
    """What is wished for, as it is typed on the command line."""

    START = "start"
    STOP = "stop"
    MAINTENANCE_ON = "maintenance on"
    MAINTENANCE_OFF = "maintenance off"
    RESYNC = "resync"
    PING = "ping"


_DOES: Final = {
    Kind.START: "This starts",
    Kind.STOP: "This stops",
    Kind.RESYNC: "This restarts",
    Kind.MAINTENANCE_OFF: "This gives conche",
    Kind.MAINTENANCE_ON: "This takes out of conche's hands",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """One command.

    Parameters
    ----------
    kind
        What.
    keys
        The nodes: ``group/node``.
    words
        The same as TARGETs, whole groups by their name.
    reason
        Why.
    until
        When maintenance ends by itself.
    """

    kind: Kind
    keys: tuple[str, ...]
    words: tuple[str, ...]
    reason: str | None = None
    until: datetime | None = None

    @property
    def title(self) -> str:
        """What and for whom, short."""
        whom = self.words[0] if len(self.words) == 1 else count(len(self.keys), "node")
        return f"{self.kind} {whom}"


def entries_for(live: Live, item: Item | None, marked: Iterable[str]) -> list[Entry]:
    """Return the nodes that a command is for: the marked ones, else those of the chosen line."""
    found = [live.entries[key] for key in marked if key in live.entries]
    return found or (list(item.entries) if item else [])


def wish_for(live: Live, kind: Kind, entries: Sequence[Entry]) -> Wish:
    """Return a wish for some nodes."""
    keys = [entry.key for entry in entries]
    registry = live.picture.registry
    return Wish(kind, tuple(keys), words_of(keys, registry.groups if registry else {}))


def words_of(keys: Iterable[str], groups: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the fewest TARGETs for nodes: a group by its name where all of it is meant."""
    by_group: dict[str, list[str]] = {}
    for key in keys:
        by_group.setdefault(key.partition("/")[0], []).append(key)
    found: list[str] = []
    for group, members in by_group.items():
        whole = {f"{group}/{node}" for node in groups.get(group, ())}
        found += [group] if len(whole) > 1 and whole <= set(members) else members
    return tuple(found)


def whom(entries: Sequence[Entry]) -> str:
    """Return how many nodes of which groups, or the name of the one."""
    if len(entries) == 1:
        return f"1 node ({entries[0].key})"
    numbers: dict[str, int] = {}
    for entry in entries:
        numbers[entry.group] = numbers.get(entry.group, 0) + 1
    groups = ", ".join(f"{number} of {group}" for group, number in numbers.items())
    return f"{count(len(entries), 'node')} ({groups})"


def question(kind: Kind, entries: Sequence[Entry]) -> str | None:
    """Return what is asked before a command, with what it stops or restarts; None where nothing is asked.

    A start of one node stops nothing, and a ping changes nothing.
    """
    words = [f"{_DOES.get(kind, '')} {whom(entries)}"]
    consequences = (
        list(in_words(counted(entry.status for entry in entries))) if kind is Kind.MAINTENANCE_OFF else []
    )
    if kind is Kind.PING or (len(entries) == 1 and not consequences and kind not in (Kind.STOP, Kind.RESYNC)):
        return None
    held = sum(entry.alike.switch is not None for entry in entries)
    if held and kind in (Kind.START, Kind.STOP, Kind.RESYNC):
        are = "it is" if len(entries) == 1 else f"{held} of them {'is' if held == 1 else 'are'}"
        consequences.append(f"{are} in maintenance, where nothing is done")
    return "; ".join([*words, *consequences])
