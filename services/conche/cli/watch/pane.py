"""All that there is to say of one line of a live status."""

import textwrap
from collections.abc import Iterable
from datetime import datetime

from rich.text import Text

from conche.cli.output import MAINTENANCE_STYLE, age, names_of, plain
from conche.contract import NodeStatus

from .live import Live
from .table import Line


def pane(live: Live, line: Line, *, now: datetime, columns: int, room: int) -> list[Text]:
    """Return a heading and words, wrapped; what there is no room for is left out, and that is said.

    Parameters
    ----------
    live
        What is shown.
    line
        The line.
    now
        Wall clock.
    columns
        Of the screen.
    room
        Lines that there are for it.
    """
    if room < 2:
        return []
    lines = [
        Text(words, style)
        for paragraph, style in _paragraphs(live, line, now)
        for words in textwrap.wrap(paragraph, max(10, columns - 2), subsequent_indent="  ")
    ]
    if len(lines) > room - 1:
        lines = [*lines[: room - 2], Text(f"and more: conche status {_target(line)}", "bright_black")]
    heading = Text(f"── {_target(line)} ".ljust(columns, "─"), "bright_black")
    return [heading, *(Text.assemble(" ", words) for words in lines)]


def _target(line: Line) -> str:
    return plain(line.entries[0].key if len(line.entries) == 1 else line.group)


def _paragraphs(live: Live, line: Line, now: datetime) -> Iterable[tuple[str, str]]:
    row = line.row(live.picture, now)
    if len(line.entries) > 1:
        yield f"{len(line.names)} nodes: {names_of(line.names, limit=len(line.names))}", ""
    since = f" for {row.since}" if row.since else ""
    should = {"run": ", should run", "stop": ", should be stopped"}.get(row.should, "")
    yield f"{row.state_words}{since}{should}", ""
    for note in row.notes:
        yield note.words, note.style
    if row.timing:
        yield row.timing, ""
    if row.switch:
        yield row.switch.words, MAINTENANCE_STYLE
    status = line.entries[0].status
    if status is not None and len(line.entries) == 1:
        yield from ((words, "") for words in _details(status, now))


def _details(status: NodeStatus, now: datetime) -> Iterable[str]:
    """Yield what the table has no room for."""
    yield from (plain(path) for path in status.drift.paths)
    push = status.last_push
    if push is not None:
        outcome = {True: ", ok", False: ", failed", None: ""}[push.ok]
        words = f": {plain(push.error)}" if push.error else ""
        yield f"last {push.kind} {age(push.at, now)} ago{outcome}{words}"
    if status.live and status.desired and status.live != status.desired:
        yield f"runs {status.live}, should run {status.desired}"
