"""What happened, as it is printed: a line for each event, like a log."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final, Protocol

import click
from msgspec.json import encode

from conche.contract import ALL, NO_NAME, OF_EVERYBODY, Event, EventKind, JournalEntry, NodeState

from .output import plain

KEY_COLUMNS: Final = 20
"""Longer names push their text aside."""

_BAD_STATES: Final = (NodeState.DOWN, NodeState.FAILED)
_BY_PEOPLE: Final = (EventKind.COMMAND, EventKind.SWITCH, EventKind.CONFIG)


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, of whom it tells, and its number in the journal if it comes from there."""

    service: str
    group: str
    node: str
    event: Event
    number: int | None = None

    @classmethod
    def of(cls, entry: JournalEntry) -> "Happened":
        """Return an entry of the journal."""
        return cls(entry.service, entry.group, entry.node, entry.event, entry.number)

    @property
    def key(self) -> str:
        """The node, the group, or the service, as an operator would write it."""
        if self.group == NO_NAME:
            return "service" if self.event.kind is EventKind.SERVICE else self.service
        return self.group if self.node == NO_NAME else f"{self.group}/{self.node}"

    def concerns(self, targets: Iterable[str]) -> bool:
        """Return whether it happened to one of the targets, as the journal has it; none stand for all."""
        patterns = [word.strip("/").partition("/") for word in targets]
        return not patterns or any(self._fits(group, node) for group, _, node in patterns)

    def _fits(self, group: str, node: str) -> bool:
        of_everybody = self.group == NO_NAME and self.event.kind in OF_EVERYBODY
        if not of_everybody and not fnmatchcase(self.group, "*" if group == ALL else group):
            return False
        return node in ("", ALL) or self.node == NO_NAME or fnmatchcase(self.node, node)


class Layout(Protocol):
    """Makes lines of events."""

    def lines(self, happened: Happened) -> Iterable[str]:
        """Yield the lines of an event."""


class Plain:
    """One line for each, with the whole time: for files and pipes.

    Parameters
    ----------
    width
        Of the names.
    """

    def __init__(self, width: int) -> None:
        self._width = width

    def lines(self, happened: Happened) -> Iterator[str]:
        """Yield the line of an event."""
        at = f"{happened.event.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        yield f"{at}  {plain(happened.key):<{self._width}}  {plain(happened.event.text)}".rstrip()


class OnTerminal:
    """Wrapped to the terminal, the time without the day, which has a line of its own where it changes.

    Parameters
    ----------
    width
        Of the names.
    columns
        Of the terminal.
    coloured
        Whether it has colours.
    today
        Of this day nothing is said at the beginning.
    """

    def __init__(self, width: int, *, columns: int, coloured: bool, today: datetime) -> None:
        self._width = width
        self._columns = columns
        self._coloured = coloured
        self._day = today.astimezone(UTC).date()

    def lines(self, happened: Happened) -> Iterator[str]:
        """Yield the lines of an event."""
        at = happened.event.at.astimezone(UTC)
        if at.date() != self._day:
            self._day = at.date()
            yield self._styled(f"{at:%Y-%m-%d}", "bright_black")
        head = f"{at:%H:%M:%SZ}  {plain(happened.key):<{self._width}}  "
        indent = " " * (len("00:00:00Z") + self._width + 4)
        wrapped = textwrap.wrap(
            plain(happened.event.text),
            max(self._columns, len(head) + 20),
            initial_indent=head,
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
        colour = _colour(happened.event)
        for line in wrapped or [head.rstrip()]:
            words = line[len(head) :] if line.startswith(head) else line
            yield line[: len(line) - len(words)] + self._styled(words, colour)

    def _styled(self, words: str, colour: str | None) -> str:
        return click.style(words, fg=colour) if colour is not None and self._coloured else words


class Json:
    """One object for each."""

    def lines(self, happened: Happened) -> Iterator[str]:
        """Yield the line of an event."""
        values: dict[str, Any] = {
            "number": happened.number,
            "service": happened.service,
            "group": happened.group,
            "node": happened.node,
            "event": happened.event,
        }
        yield encode(values).decode()


def key_width(happened: Sequence[Happened]) -> int:
    """Return how wide the names are drawn."""
    return min(KEY_COLUMNS, max((len(one.key) for one in happened), default=8))


def _colour(event: Event) -> str | None:
    if event.ok is False or (event.kind is EventKind.STATE and event.after in _BAD_STATES):
        return "red"
    return "cyan" if event.kind in _BY_PEOPLE else None
