"""The screen of a live status: what stands on it, line by line, for a terminal of any size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from conche.cli.output import MAINTENANCE_STYLE, STATE_STYLES, fitted, names_of, plain
from conche.cli.rows import Row

from .header import header, title
from .keys import View
from .live import Live
from .pane import pane
from .table import Line

NAME_COLUMNS: Final = 28
"""Longer names are cut; at most a third of the screen."""

WITH_HEADINGS: Final = 7
WITH_FOOT: Final = 4
"""Lines of a screen on which there is room for this."""

_GAP: Final = "  "
_KEYS: Final = (
    "j k PgUp PgDn  Enter words  w wrong  a all  q quit",
    "Enter words  w wrong  a all  q quit",
    "w wrong  a all  q quit",
    "q quit",
)
"""As many as there is room for."""

_UNFOLDED_KEYS: Final = ("a all", "a fold")


@dataclass(frozen=True, slots=True)
class Size:
    """Of a terminal."""

    columns: int = 80
    rows: int = 24


@dataclass(frozen=True, slots=True)
class _Columns:
    """Widths; a column of no width is left out."""

    name: int
    state: int
    should: int
    since: int


def frame(live: Live, view: View, *, size: Size, now: datetime, where: str) -> list[Text]:
    """Return the lines of the screen, as many as it has; the view adapts to what there is.

    Parameters
    ----------
    live
        What is shown.
    view
        How.
    size
        Of the terminal.
    now
        Wall clock.
    where
        The broker, in words.
    """
    lines = live.lines(wrong=view.wrong, folded=view.folded)
    headings = int(size.rows >= WITH_HEADINGS)
    feet = int(size.rows >= WITH_FOOT)
    room = max(0, size.rows - 1 - headings - feet)
    top = header(live, room=room // 2, now=now)
    body = _body(live, view, lines, _Room(size.columns, room - len(top), headings), now)
    above = [title(live, where=where, columns=size.columns, now=now), *top, *body]
    above += [Text()] * (size.rows - feet - len(above))
    shown = [fitted(line, size.columns) for line in above[: size.rows - feet]]
    return [*shown, *([_foot(view, len(lines), size.columns)] if feet else [])]


@dataclass(frozen=True, slots=True)
class _Room:
    columns: int
    rows: int
    headings: int


def _body(live: Live, view: View, lines: Sequence[Line], room: _Room, now: datetime) -> list[Text]:
    """Return the table and, below it, all the words about the chosen line."""
    if not lines:
        return [Text(), Text(_nothing(live, view), "bright_black")]
    keys = [line.key for line in lines]
    scroll = view.scroll
    scroll.settle(keys, room.rows)
    words: list[Text] = []
    if view.words:
        chosen = lines[scroll.index]
        words = pane(live, chosen, now=now, columns=room.columns, room=room.rows // 2)
        scroll.settle(keys, room.rows - len(words))
    shown = lines[scroll.offset : scroll.offset + scroll.page]
    rows = [_aged(line.row(live.picture, now), old=live.lost is not None) for line in shown]
    columns = _columns(lines, rows, room.columns)
    table = [_headings(columns)] * room.headings
    for index, (line, row) in enumerate(zip(shown, rows, strict=True), scroll.offset):
        table.append(_line(line, row, columns, chosen=index == scroll.index, total=room.columns))
    if words:
        table += [Text()] * (room.rows + room.headings - len(words) - len(table))
    return [*table, *words]


def _nothing(live: Live, view: View) -> str:
    if not live.entries:
        return " no nodes"
    return f" none of {len(live.entries)} nodes is to be looked at: w shows them" if view.wrong else ""


def _aged(row: Row, *, old: bool) -> Row:
    return replace(row, known=False) if old else row


def _columns(lines: Sequence[Line], rows: Sequence[Row], total: int) -> _Columns:
    names = max(cell_len(_label(line)) for line in lines)
    return _Columns(
        name=max(4, min(names, NAME_COLUMNS, total // 3)),
        state=max(7, *(len(row.state_words) for row in rows)),
        should=6 if total >= 64 else 0,
        since=6 if total >= 48 else 0,
    )


def _label(line: Line) -> str:
    first = line.entries[0]
    return plain(first.key if len(line.entries) == 1 else f"{first.group}: {len(line.entries)} nodes")


def _headings(columns: _Columns) -> Text:
    return Text(" " + "".join(_cells(columns, "node", "state", "should", "since")), "bright_black")


def _cells(columns: _Columns, name: str, state: str, should: str, since: str) -> list[str]:
    cut = name if cell_len(name) <= columns.name else f"{set_cell_size(name, columns.name - 1)}…"
    cells = [set_cell_size(cut, columns.name) + _GAP, state.ljust(columns.state) + _GAP]
    cells.append(should.ljust(columns.should) + _GAP if columns.should else "")
    cells.append(since.rjust(columns.since) + _GAP if columns.since else "")
    return cells


def _line(line: Line, row: Row, columns: _Columns, *, chosen: bool, total: int) -> Text:
    name, state, should, since = _cells(columns, _label(line), row.state_words, row.should, row.since)
    text = Text.assemble(
        ">" if chosen else " ",
        name,
        (state, STATE_STYLES[row.state] if row.known else ""),
        should,
        since,
        _words(line, row),
        style="" if row.known else "dim",
    )
    if chosen:
        text.pad_right(max(0, total - text.cell_len))
        text.stylize("reverse")
    return text


def _words(line: Line, row: Row) -> Text:
    """Return all that there is to say in one line, the most important first: it may be cut."""
    parts = [Text(note.words, note.style if row.known else "") for note in row.notes]
    if row.timing:
        parts.append(Text(row.timing))
    if row.switch:
        parts.append(Text(row.switch.words, MAINTENANCE_STYLE if row.known else ""))
    if len(line.entries) > 1:
        parts.append(Text(names_of(line.names), "bright_black"))
    return Text("; ").join(parts)


def _foot(view: View, lines: int, columns: int) -> Text:
    scroll = view.scroll
    last = min(lines, scroll.offset + scroll.page)
    words = f" {scroll.offset + 1}-{last} of {lines}" if lines else " 0 of 0"
    words += ", only what is wrong" if view.wrong else ""
    keys = next((keys for keys in _KEYS if len(words) + len(keys) + 3 <= columns), "")
    keys = keys if view.folded else keys.replace(*_UNFOLDED_KEYS)
    return fitted(Text(f"{words}{keys:>{max(0, columns - len(words) - 1)}} ", "reverse"), columns)
