"""What has happened lately: as it comes, and what the journal remembers of before."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from rich.text import Text

from conche.bus.feed import News
from conche.cli.eventlines import Happened, OnTerminal
from conche.contract import Event, JournalEntry
from conche.happenings import bounded

KEPT: Final = 200
"""Events that are kept; a guess."""


class EventLog:
    """The latest events.

    Parameters
    ----------
    words
        TARGETs; none for everything.
    """

    def __init__(self, words: tuple[str, ...] = ()) -> None:
        self._words = words
        self._happened: list[Happened] = []
        self._made: tuple[object, list[Text]] = (None, [])
        """For what lines were made last, and they: with hundreds of events that takes some time."""

    def take(self, news: News) -> bool:
        """Take an event as it comes; return whether it is one that is wanted."""
        if not isinstance(news.payload, Event):
            return False
        service, group, node = (news.params[name] for name in ("service", "group", "node"))
        return self._add([Happened(service, group, node, bounded(news.payload))])

    def remember(self, entries: Iterable[JournalEntry]) -> bool:
        """Take what the journal knows; return whether there is anything new."""
        return self._add([Happened(e.service, e.group, e.node, e.event) for e in entries])

    def _add(self, happened: list[Happened]) -> bool:
        new = [one for one in happened if one.concerns(self._words) and one not in self._happened]
        if new:
            self._happened = sorted([*self._happened, *new], key=lambda one: one.event.at)[-KEPT:]
        return bool(new)

    def lines(self, *, columns: int, now: datetime) -> list[Text]:
        """Return the lines of all, the latest last."""
        asked = (tuple(map(id, self._happened)), columns, now.astimezone(UTC).date())
        if self._made[0] != asked:
            self._made = (asked, self._lines(columns, now))
        return self._made[1]

    def _lines(self, columns: int, now: datetime) -> list[Text]:
        width = max((len(one.key) for one in self._happened), default=8)
        layout = OnTerminal(min(width, columns // 4), columns=columns - 1, coloured=True, today=now)
        lines = [line for one in self._happened for line in layout.lines(one)]
        return [Text.assemble(" ", Text.from_ansi(line)) for line in lines] or [Text(" nothing yet")]
