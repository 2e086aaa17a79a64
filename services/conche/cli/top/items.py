"""The lines of the table: groups, and under each its nodes, chosen and sorted as somebody wants them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from conche.cli.rows import SEVERITY
from conche.cli.watch.live import Live
from conche.cli.watch.table import Entry
from conche.client.words import natural
from conche.contract import Health

from .view import Order, View

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Item:
    """One line: a group, or a node of it.

    Parameters
    ----------
    group
        Its name.
    entries
        The node; of a group those that are shown, or would be if it were not folded.
    is_node
        Whether it is a node.
    folded
        Whether the nodes of this group are hidden.
    """

    group: str
    entries: tuple[Entry, ...]
    is_node: bool = False
    folded: bool = False

    @property
    def key(self) -> str:
        """What stays the same while the line is about the same thing."""
        return self.entries[0].key if self.is_node else self.group

    @property
    def keys(self) -> list[str]:
        """The nodes that are meant: ``group/node``."""
        return [entry.key for entry in self.entries]


def items_of(live: Live, view: View) -> list[Item]:
    """Return the lines of the table, from top to bottom."""
    words = view.needle.casefold().split()
    chosen: dict[str, list[Entry]] = {group: [] for group in live.tallies}
    for entry in live.entries.values():
        if (entry.is_wrong or not view.wrong) and _has(entry, words):
            chosen[entry.group].append(entry)
    if words:
        chosen = {group: entries for group, entries in chosen.items() if entries}
    elif view.wrong:
        chosen = {
            g: found for g, found in chosen.items() if found or live.group_health(g) is not Health.NORMAL
        }
    found: list[Item] = []
    for group in _groups(live, chosen, view.order):
        found += _of_group(group, chosen[group], view)
    return found


def _of_group(group: str, entries: Sequence[Entry], view: View) -> Iterable[Item]:
    ordered = tuple(sorted(entries, key=lambda entry: _place(entry, view.order)))
    folded = group in view.folded
    yield Item(group, ordered, folded=folded)
    if not folded:
        yield from (Item(group, (entry,), is_node=True) for entry in ordered)


def _has(entry: Entry, words: Sequence[str]) -> bool:
    """Return whether a node is called so, or something so is said of it."""
    if not words:
        return True
    row, status = entry.alike, entry.status
    switch = row.switch.words if row.switch else ""
    reason = (status.maintenance.reason or "") if status and status.maintenance.on else ""
    notes = " ".join(note.words for note in row.notes)
    said = f"{entry.key} {row.state_words} {switch} {reason} {notes}".casefold()
    return all(word in said for word in words)


def _groups(live: Live, chosen: dict[str, list[Entry]], order: Order) -> list[str]:
    match order:
        case Order.STATE:
            return sorted(
                chosen, key=lambda group: (-SEVERITY.index(live.group_health(group)), natural(group))
            )
        case Order.SINCE:
            return sorted(chosen, key=lambda group: (_age(_latest(chosen[group])), natural(group)))
    return sorted(chosen, key=natural)


def _latest(entries: Iterable[Entry]) -> datetime:
    return max(map(_since, entries), default=_NEVER)


def _place(entry: Entry, order: Order) -> tuple[Any, ...]:
    match order:
        case Order.STATE:
            return entry.rank
        case Order.SINCE:
            return _age(_since(entry)), natural(entry.node)
    return (natural(entry.node),)


def _since(entry: Entry) -> datetime:
    return (entry.status.since if entry.status else None) or _NEVER


def _age(at: datetime) -> float:
    """Return what sorts the latest first."""
    return -at.timestamp()
