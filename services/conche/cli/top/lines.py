"""What stands on a line of the table, for a screen of any width."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from conche.cli.output import ERROR_STYLE, HEALTH_STYLES, MAINTENANCE_STYLE, STATE_STYLES, moment, plain
from conche.cli.overview import row_in
from conche.cli.rows import Row
from conche.cli.watch.live import Live
from conche.contract import Health, NodeState, NodeStatus

from .items import Item
from .view import View

NAME_COLUMNS: Final = 28
"""Longer names are cut; at most a quarter of the screen."""

GROUP_COLUMNS: Final = 16
"""Longer names of groups are cut."""

MAINTENANCE_COLUMNS: Final = 24
"""Who and until when; at most a quarter of the screen."""

_GAP: Final = "  "
_LEAD: Final = 4
"""Columns before a node's name: whether it is chosen, whether it is marked, and that it belongs to a group."""

_HEADINGS: Final = "bright_black"


@dataclass(frozen=True, slots=True)
class Columns:
    """Widths; a column of no width is left out."""

    name: int
    state: int
    should: int
    since: int
    maintenance: int


def columns_of(live: Live, items: Sequence[Item], *, total: int, now: datetime) -> Columns:
    """Return the widths for all lines, so that nothing moves when they are scrolled."""
    names = [cell_len(entry.node) for item in items for entry in item.entries]
    states = [len(entry.alike.state_words) for item in items for entry in item.entries]
    held = [cell_len(keeper(entry.status, now)) for item in items for entry in item.entries]
    old = len("was ") + max(map(len, NodeState)) if live.lost else 0
    widest = max(held, default=0)
    return Columns(
        name=max(4, min(max(names, default=4), NAME_COLUMNS, total // 4)),
        state=max(7, old, *states) if states else 7,
        should=6 if total >= 64 else 0,
        since=6 if total >= 48 else 0,
        maintenance=min(max(widest, len("maintenance")), MAINTENANCE_COLUMNS, total // 4)
        if widest and total >= 64
        else 0,
    )


def keeper(status: NodeStatus | None, now: datetime) -> str:
    """Return who has a node in maintenance and until when, or nothing."""
    if status is None or not status.maintenance.on:
        return ""
    until = status.maintenance.until
    words = [status.maintenance.by or "on"]
    words += ["until", moment(until, now).replace(" UTC", "Z")] if until else []
    return plain(" ".join(words))


def headings(columns: Columns) -> Text:
    """Return the line above the table."""
    cells = _cells(columns, "node", "state", "should", "since", "maintenance")
    return Text(f"{'':{_LEAD}}{''.join(cells)}what is wrong", _HEADINGS)


def line_of(live: Live, view: View, item: Item, columns: Columns, *, now: datetime) -> Text:
    """Return a line of the table, whether it is chosen or not."""
    return _node(live, view, item, columns, now) if item.is_node else _group(live, view, item)


def _group(live: Live, view: View, item: Item) -> Text:
    health, trouble = live.group_health(item.group), live.trouble_of(item.group)
    nodes, shown = live.tallies[item.group].nodes, len(item.entries)
    width = min(GROUP_COLUMNS, max(map(cell_len, live.tallies)))
    marked = "*" if item.entries and view.marked.issuperset(item.keys) else " "
    return Text.assemble(
        f" {marked}{'+' if item.folded else '-'} ",
        (_cut(plain(item.group), width), "bold"),
        _GAP,
        (health.value.ljust(max(map(len, Health))), HEALTH_STYLES[health]),
        _GAP,
        f"{shown} of {nodes} nodes; " if shown != nodes else "",
        (f"{trouble}; " if trouble else "", ERROR_STYLE),
        live.tallies[item.group].words,
    )


def _node(live: Live, view: View, item: Item, columns: Columns, now: datetime) -> Text:
    entry = item.entries[0]
    row = row_in(live.picture, entry.group, entry.node, now)
    row = replace(row, known=False) if live.lost else row
    name, state, should, since, held = _cells(
        columns, plain(entry.node), row.state_words, row.should, row.since, keeper(entry.status, now)
    )
    return Text.assemble(
        f" {'*' if entry.key in view.marked else ' '}{'':{_LEAD - 2}}",
        name,
        (state, STATE_STYLES[row.state] if row.known else ""),
        should,
        since,
        (held, MAINTENANCE_STYLE if row.known else ""),
        _words(row, entry.status, switch=not columns.maintenance),
        style="" if row.known else "dim",
    )


def _words(row: Row, status: NodeStatus | None, *, switch: bool) -> Text:
    """Return all that there is to say in one line, the most important first: it may be cut."""
    parts = [Text(note.words, note.style if row.known else "") for note in row.notes]
    if row.timing:
        parts.append(Text(row.timing))
    if row.switch and status:
        words = row.switch.words if switch else plain(status.maintenance.reason or "")
        parts += [Text(words, MAINTENANCE_STYLE if row.known else "")] if words else []
    return Text("; ").join(parts)


def _cells(columns: Columns, name: str, state: str, should: str, since: str, held: str) -> list[str]:
    return [
        _cut(name, columns.name) + _GAP,
        state.ljust(columns.state) + _GAP,
        should.ljust(columns.should) + _GAP if columns.should else "",
        since.rjust(columns.since) + _GAP if columns.since else "",
        _cut(held, columns.maintenance) + _GAP if columns.maintenance else "",
    ]


def _cut(words: str, columns: int) -> str:
    if cell_len(words) <= columns:
        return set_cell_size(words, columns)
    return f"{set_cell_size(words, columns - 1)}…"


def pointed(line: Text, *, columns: int) -> Text:
    """Return the chosen line: it stands out without colour too."""
    shown = Text.assemble(">", line[1:])
    shown.truncate(columns, overflow="ellipsis")
    shown.pad_right(max(0, columns - shown.cell_len))
    shown.stylize("reverse")
    return shown
