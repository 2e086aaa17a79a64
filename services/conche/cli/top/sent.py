"""Commands that were sent, and what has become of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from conche.cli import ping
from conche.cli.delivery import SHOWN_TARGETS
from conche.cli.output import ERROR_STYLE, clock, names_of, span
from conche.cli.results import blocks_of, sum_of
from conche.cli.watch.table import Entry, Tally
from conche.client import Report

from .wishes import Kind, Wish

KEPT: Final = 20
"""Commands that are shown; a guess."""


@dataclass
class Sent:
    """One command.

    Parameters
    ----------
    wish
        What was wished for.
    at
        When.
    awaited
        Whose answers are awaited.
    report
        What has become of it.
    trouble
        Why nothing, or nothing that is known, has become of it.
    over_at
        When nothing more was to be heard of it.
    """

    wish: Wish
    at: datetime
    awaited: list[str] = field(default_factory=list)
    report: Report | None = None
    trouble: str | None = None
    over_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be heard of it."""
        return self.over_at is not None

    def news(self, entries: Mapping[str, Entry], now: datetime) -> str:
        """Return how far it is, in a line."""
        if self.trouble is not None:
            return f"{self.wish.title}: {self.trouble}"
        if self.report is not None:
            return f"{self.wish.title}: {sum_of(self.report)}"
        waiting = names_of(self.awaited, limit=SHOWN_TARGETS) if self.awaited else "the broker"
        states = _states(self.wish.keys, entries)
        return f"{self.wish.title}: waiting for {waiting}, {span(now - self.at)}; {states}"

    def lines(self, entries: Mapping[str, Entry], *, columns: int, now: datetime) -> list[Text]:
        """Return all that there is to say of it; of each node how it ended."""
        style = ERROR_STYLE if self.trouble else "bold"
        found = rendered([Text(f"{clock(self.at)}  {self.news(entries, now)}", style)], columns - 1)
        if self.report is not None:
            found += rendered(_blocks(self.wish.kind, self.report), columns - 3, indent="  ")
        return [Text.assemble(" ", line) for line in found]


def _blocks(kind: Kind, report: Report) -> Iterable[RenderableType]:
    if kind is Kind.PING:
        yield from ping.blocks_of(report)
    else:
        yield from blocks_of(kind.value, report)
    yield from map(Text, report.warnings)


def _states(keys: Iterable[str], entries: Mapping[str, Entry]) -> str:
    """Return how many of the nodes are in which state now."""
    states = Counter(entries[key].alike.state for key in keys if key in entries)
    return Tally(nodes=states.total(), states=states).words


def rendered(blocks: Iterable[RenderableType], columns: int, *, indent: str = "") -> list[Text]:
    """Return the lines that something takes on a screen of so many columns."""
    out = Console(width=max(20, columns), highlight=False, emoji=False)
    lines = out.render_lines(Group(*blocks), out.options.update(width=max(20, columns)), pad=False)
    texts = [Text.assemble(indent, *((s.text, s.style or "") for s in line)) for line in lines]
    for text in texts:
        text.rstrip()
    return texts


class History:
    """The latest commands."""

    def __init__(self) -> None:
        self._sent: list[Sent] = []

    def add(self, sent: Sent) -> None:
        """Take a command that is being sent."""
        self._sent = [*self._sent, sent][-KEPT:]

    @property
    def last(self) -> Sent | None:
        """The latest."""
        return self._sent[-1] if self._sent else None

    @property
    def is_waiting(self) -> bool:
        """Whether something is still to be heard of any of them."""
        return any(not one.is_over for one in self._sent)

    def lines(self, entries: Mapping[str, Entry], *, columns: int, now: datetime) -> list[Text]:
        """Return the lines of all, the latest first."""
        found = [
            line for one in reversed(self._sent) for line in one.lines(entries, columns=columns, now=now)
        ]
        return found or [Text(" nothing was commanded here yet")]
