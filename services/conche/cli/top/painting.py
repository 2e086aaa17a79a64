"""Everything that is shown, worked out and put on its part of the screen."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from rich.text import Text
from textual.geometry import Size
from textual.widgets import Input

from conche.cli.watch.live import Live

from .arrangement import Arrangement, arrange
from .detail import detail, rule
from .eventlog import EventLog
from .head import foot, head
from .items import Item, items_of
from .lines import Columns, columns_of, headings, line_of, pointed
from .sent import History
from .surfaces import Scrolling, Surface
from .view import Pane, View

TOLD: Final = timedelta(seconds=30)
"""How long the outcome of a command stands at the foot; a guess."""


class Parts:
    """The parts of the screen, from top to bottom."""

    def __init__(self) -> None:
        self.head = Surface(id="head")
        self.table = Surface(id="table")
        self.pane = Scrolling(id="pane")
        self.events = Scrolling(id="events", at_end=True)
        self.find = Input(id="find", compact=True, placeholder="words; Enter keeps them, Esc ends it")
        self.foot = Surface(id="foot")

    @property
    def are_there(self) -> bool:
        """Whether all are on the screen: while it is left, one goes after the other."""
        parts = (self.head, self.table, self.pane, self.events, self.find, self.foot)
        return all(part.is_attached for part in parts)


class Painting:
    """Draws what has changed.

    Parameters
    ----------
    live
        The picture.
    events
        What has happened.
    history
        What was commanded.
    view
        What is wanted.
    where
        The broker, in words.
    """

    def __init__(self, live: Live, events: EventLog, *, history: History, view: View, where: str) -> None:
        self.items: list[Item] = []
        """The lines of the table."""
        self._live = live
        self._events = events
        self._history = history
        self._view = view
        self._where = where
        self._columns: Columns | None = None

    @property
    def chosen(self) -> Item | None:
        """The chosen line of the table."""
        return self.items[self._view.scroll.index] if self.items else None

    def moved(self, parts: Parts) -> Scrolling | None:
        """Return the pane that has the whole screen, if one has."""
        if not self._view.zoomed or self._view.pane is Pane.NONE:
            return None
        return parts.events if self._view.pane is Pane.EVENTS else parts.pane

    def draw(self, parts: Parts, *, size: Size, now: datetime, now_s: float, anew: bool) -> None:
        """Draw what has changed.

        Parameters
        ----------
        parts
            Of the screen.
        size
            Of the screen.
        now, now_s
            Wall clock, and monotonic time [s].
        anew
            Whether other lines may be wanted than before, or their columns be others.
        """
        columns = self._columns
        if self._live.settle(now_s) or anew or columns is None:
            self.items = items_of(self._live, self._view)
            columns = self._columns = columns_of(self._live, self.items, total=size.width, now=now)
            self._view.marked &= self._live.entries.keys()
        finding = int(parts.find.display)
        lines = head(self._live, where=self._where, columns=size.width, now=now)
        part = arrange(self._view, columns=size.width, rows=size.height - finding, head=len(lines))
        _place(parts, part)
        parts.head.show(lines[: part.head], columns=size.width)
        parts.table.show(self._table(part, columns, size.width, now), columns=size.width)
        self._draw_panes(parts, part, now)
        shown = foot(self._view, lines=len(self.items), news=self._news(now), columns=size.width)
        parts.foot.show(shown[-part.foot :], columns=size.width)

    def _table(self, part: Arrangement, columns: Columns, total: int, now: datetime) -> Sequence[Text]:
        scroll = self._view.scroll
        scroll.settle([item.key for item in self.items], part.page)
        shown = self.items[scroll.offset : scroll.offset + part.page]
        lines = [line_of(self._live, self._view, item, columns, now=now) for item in shown]
        if shown:
            chosen = scroll.index - scroll.offset
            lines[chosen] = pointed(lines[chosen], columns=total)
        return [headings(columns), *(lines or [Text(self._nothing, "bright_black")])]

    @property
    def _nothing(self) -> str:
        total = len(self._live.entries)
        return f" none of {total} nodes: Esc shows them" if total else " no nodes"

    def _draw_panes(self, parts: Parts, part: Arrangement, now: datetime) -> None:
        if part.events:
            lines = self._events.lines(columns=part.events, now=now)
            parts.events.tell([rule("events", part.events), *lines], rows=part.panes, columns=part.events)
        if not part.pane:
            return
        columns = part.pane - (1 if part.events else 0)
        about: object = None
        if self._view.pane is Pane.COMMANDS:
            lines = self._history.lines(self._live.entries, columns=columns, now=now)
            lines, about = [rule("commands", columns), *lines], self._history.last
        elif (item := self.chosen) is not None:
            lines, about = detail(self._live, item, now=now, columns=columns), item.key
        else:
            lines = [rule("detail", columns)]
        parts.pane.tell(lines, rows=part.panes, columns=columns, about=about)

    def _news(self, now: datetime) -> str:
        """Return what has become of the last command, where that does not stand in its pane."""
        last = self._history.last
        if last is None or self._view.pane is Pane.COMMANDS:
            return ""
        if last.over_at is not None and now - last.over_at > TOLD:
            return ""
        return last.news(self._live.entries, now)


def _place(parts: Parts, part: Arrangement) -> None:
    for surface, height in ((parts.head, part.head), (parts.table, part.table), (parts.foot, part.foot)):
        surface.styles.height = height
    for pane, width in ((parts.pane, part.pane), (parts.events, part.events)):
        pane.display = bool(width)
        pane.styles.width, pane.styles.height = width, part.panes
