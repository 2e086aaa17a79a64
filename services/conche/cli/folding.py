"""Rows that are alike, drawn together, and words that many of them share, said once."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from conche.client.words import natural

from .output import count, names_of, without_address
from .rows import SEVERITY, Row, Switch

FOLD_OVER: Final = 20
"""In a group with more nodes, those that are alike share one row."""

SAID_OFTEN: Final = 5
"""Nodes of a small group that have the same to say share one row from this number on."""

ItemT = TypeVar("ItemT")


def fold(rows: Sequence[Row]) -> list[Row]:
    """Return rows with those that are alike drawn together.

    In a large group all of them, the worst first and those with nothing to say last. In a small one only those
    that would say the same words many times over.
    """
    folded = [together(members) for members in bundles((likeness(row), row) for row in rows)]
    if len(rows) > FOLD_OVER:
        return sorted(folded, key=lambda row: (-SEVERITY.index(row.health), not row.has_words, _place(row)))
    return sorted(folded, key=_place)


def bundles(items: Iterable[tuple[Row, ItemT]]) -> list[list[ItemT]]:
    """Return things by the row that they share.

    Parameters
    ----------
    items
        The things of one group, each with its likeness.
    """
    alike: dict[Row, list[ItemT]] = {}
    for key, item in items:
        alike.setdefault(key, []).append(item)
    total = sum(map(len, alike.values()))
    result: list[list[ItemT]] = []
    for key, members in alike.items():
        if total > FOLD_OVER or (key.has_words and len(members) >= SAID_OFTEN):
            result.append(members)
        else:
            result.extend([member] for member in members)
    return result


def likeness(row: Row) -> Row:
    """Return what is the same in rows that are alike."""
    notes = tuple(replace(note, words=without_address(note.words)) for note in row.notes)
    return replace(row, names=(), since="", timing="", notes=notes)


def together(rows: Sequence[Row]) -> Row:
    """Return one row for rows that are alike; where they differ in time it has none."""
    first = rows[0]
    if len(rows) == 1:
        return first
    return replace(
        likeness(first),
        names=tuple(sorted((name for row in rows for name in row.names), key=natural)),
        since=first.since if all(row.since == first.since for row in rows) else "",
        timing=first.timing if all(row.timing == first.timing for row in rows) else "",
    )


def said_once(rows: Sequence[Row]) -> tuple[list[str], list[Row]]:
    """Return words about maintenance that several rows share, with whom they concern, and rows without them.

    Where they concern some nodes only, a row of these keeps a hint.
    """
    by_switch: dict[Switch, list[Row]] = {}
    for row in rows:
        if row.switch is not None:
            by_switch.setdefault(row.switch, []).append(row)
    shared = {switch: members for switch, members in by_switch.items() if len(members) > 1}
    words = [_shared_words(switch, members, rows) for switch, members in shared.items()]
    hints = {
        s: None if len(members) == len(rows) else Switch(s.mark, s.mark) for s, members in shared.items()
    }
    return words, [replace(row, switch=hints[row.switch]) if row.switch in shared else row for row in rows]


def _shared_words(switch: Switch, members: Sequence[Row], rows: Sequence[Row]) -> str:
    names = [name for row in members for name in row.names]
    number = count(len(names), "node")
    if len(members) == len(rows):
        return f"all {number}: {switch.words}"
    return f"{number}: {switch.words} ({names_of(names)})"


def _place(row: Row) -> list[tuple[str, int]]:
    return natural(row.names[0])
