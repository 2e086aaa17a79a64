"""How the command line speaks: consoles, colours, ages, lists of names. Never colour alone: the word stands there."""

import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from conche.client.words import natural
from conche.contract import Health, NodeState, Outcome

COLUMNS: Final = 80
"""Width where there is no terminal."""

SHOWN_NAMES: Final = 12
"""Names or runs of names in one list; of the others there is a number."""

STATE_STYLES: Final = {
    NodeState.STARTED: "green",
    NodeState.STOPPED: "yellow",
    NodeState.SYNCING: "bright_blue",
    NodeState.DOWN: "red",
    NodeState.UNKNOWN: "bright_black",
    NodeState.FAILED: "magenta",
}
HEALTH_STYLES: Final = {Health.NORMAL: "green", Health.WARNING: "yellow", Health.ERROR: "bold red"}
OUTCOME_STYLES: Final = {
    Outcome.OK: "green",
    Outcome.FAILED: "red",
    Outcome.UNREACHABLE: "red",
    Outcome.HELD: "yellow",
    Outcome.SKIPPED: "bright_black",
}
MAINTENANCE_STYLE: Final = "cyan"
ERROR_STYLE: Final = "red"

_ADDRESS: Final = re.compile(r"(?<![\w./-])(?!\S+\.(?:ya?ml|j2|json):)[\w.-]+:\d+: ")
_NUMBERED: Final = re.compile(r"(.*?)(\d+)")


class Trouble(click.ClickException):
    """One line on standard error, with the remedy, and an exit code."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(plain(message))
        self.exit_code = exit_code  # type: ignore[misc]  # click declares one per class and reads the instance's


def console() -> Console:
    """Return where results go; 80 columns wide and without colour where that is no terminal."""
    return Console(width=None if sys.stdout.isatty() else COLUMNS, highlight=False, emoji=False)


def error_console() -> Console:
    """Return where progress and hints go."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else COLUMNS, highlight=False, emoji=False)


def show(blocks: Iterable[RenderableType], *, stderr: bool = False) -> None:
    """Print results, or remarks on them, without the spaces that a table leaves at the ends of its lines."""
    out = error_console() if stderr else console()
    with out.capture() as captured:
        for block in blocks:
            out.print(block)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    if lines:
        click.echo("\n".join(lines), err=stderr, color=out.color_system is not None)


def plain(words: str) -> str:
    """Return somebody else's words in one line that can do nothing to a terminal."""
    return "".join(c if c.isprintable() else "·" for c in " ".join(words.split()))


def without_address(words: str) -> str:
    """Return somebody's words without the address that they begin with: what nodes that are alike have in common."""
    return _ADDRESS.sub("", words)


def text(words: str, style: str = "") -> Text:
    """Return somebody else's words for the console."""
    return Text(plain(words), style=style)


def fitted(words: Text, columns: int) -> Text:
    """Return one line, cut where it is too long."""
    words.truncate(columns, overflow="ellipsis")
    return words


def labelled(label: Text, words: Text) -> Table:
    """Return words beside their label, wrapped so that the label stands out."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(label, words)
    return grid


def age(since: datetime | None, now: datetime) -> str:
    """Return how long ago something was, short: 12 s, 5 min, 3 h, 2 d; empty where that is not known."""
    return "" if since is None else span(now - since)


def span(length: timedelta) -> str:
    """Return a length of time, short; a negative one is none: clocks differ."""
    seconds = max(0, int(length.total_seconds()))
    for limit, size, unit in ((60, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86400} d"


def moment(at: datetime, now: datetime) -> str:
    """Return a time in words: ``05:30 UTC``, with the day where it is not today's."""
    utc = at.astimezone(UTC)
    return f"{utc:%H:%M} UTC" if utc.date() == now.astimezone(UTC).date() else f"{utc:%Y-%m-%d %H:%M} UTC"


def clock(at: datetime) -> str:
    """Return the time of day in UTC."""
    return f"{at.astimezone(UTC):%H:%M:%SZ}"


def count(number: int, what: str) -> str:
    """Return a number of things: ``1 node``, ``2 nodes``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def names_of(names: Iterable[str], *, limit: int = SHOWN_NAMES) -> str:
    """Return names as people read them: sorted by number, runs drawn together, cut with a count.

    ``cx1, cx2, cx3, cx10`` are ``cx1…cx3, cx10``.
    """
    runs = _runs(sorted(set(names), key=natural))
    rest = sum(len(run) for run in runs[limit:])
    return ", ".join(_run_words(run) for run in runs[:limit]) + (f" and {rest} more" if rest else "")


def _run_words(run: list[str]) -> str:
    """Return ``cx/cx1…cx3`` for three in a row; two are not shorter so."""
    return ", ".join(run) if len(run) < 3 else f"{run[0]}…{run[-1].rpartition('/')[2]}"


def _runs(names: list[str]) -> list[list[str]]:
    runs: list[list[str]] = []
    for name in names:
        if runs and _follows(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    return runs


def _follows(before: str, name: str) -> bool:
    first, second = _NUMBERED.fullmatch(before), _NUMBERED.fullmatch(name)
    if first is None or second is None or first[1] != second[1]:
        return False
    padded = len(first[2]) == len(second[2]) or not (first[2].startswith("0") or second[2].startswith("0"))
    return padded and int(second[2]) == int(first[2]) + 1
