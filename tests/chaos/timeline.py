"""What a switch can have stood at, at any time: what is in doubt is said to be in doubt, and nothing more."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

Values = frozenset[bool]

BOTH: Final[Values] = frozenset({True, False})

MOST_AT_ONCE: Final = 5
"""More events than this at the same time leave everything open: 120 orders of them are looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """Something that sets a switch, once or more often, somewhere between two times."""

    begin: float
    end: float
    outcome: Callable[[Values], Values]
    """What the switch can stand at afterwards, of what it can have stood at before."""


@dataclass(slots=True)
class _Span:
    """Events that overlap, and what they leave possible: while they go on, since each of them, and after all."""

    begin: float
    end: float
    during: Values
    since: dict[Event, Values]
    after: Values = frozenset()


class Timeline:
    """One switch of one node.

    Parameters
    ----------
    first
        What it can have stood at in the beginning.
    events
        Everything that set it.
    """

    def __init__(self, first: Values, events: Iterable[Event]) -> None:
        self._first = first
        self._spans: list[_Span] = []
        state = first
        for together in _overlapping(sorted(events, key=lambda event: event.begin)):
            self._spans.append(_span(state, together))
            state = self._spans[-1].after

    def at(self, when: float) -> Values:
        """Return what the switch can stand at; while something is under way, before or after it."""
        for span in reversed(self._spans):
            if span.begin <= when:
                return span.during if when <= span.end else span.after
        return self._first

    def since(self, event: Event) -> Values:
        """Return what the switch can have stood at once an event had set it, until what overlaps it was over."""
        return next((span.since[event] for span in self._spans if event in span.since), self._first)


def _overlapping(events: Sequence[Event]) -> list[list[Event]]:
    found: list[list[Event]] = []
    end = float("-inf")
    for event in events:
        if found and event.begin <= end:
            found[-1].append(event)
        else:
            found.append([event])
        end = max(end, event.end)
    return found


def _span(before: Values, events: Sequence[Event]) -> _Span:
    """Work out what is possible with events that overlap."""
    begin, end = events[0].begin, max(event.end for event in events)
    if len(events) > MOST_AT_ONCE:
        return _Span(begin, end, BOTH, dict.fromkeys(events, BOTH), BOTH)
    span = _Span(begin, end, before, dict.fromkeys(events, frozenset()))
    for order in permutations(events):
        if _can_be(order):
            _follow(span, before, order)
    return span


def _follow(span: _Span, state: Values, order: Sequence[Event]) -> None:
    """Take what is possible if events come in this order."""
    for index, event in enumerate(order):
        state = event.outcome(state)
        span.during |= state
        for earlier in order[: index + 1]:
            span.since[earlier] |= state
    span.after |= state


def _can_be(order: Sequence[Event]) -> bool:
    """Tell whether no event comes after one that began only when it was over."""
    return all(not later.end < earlier.begin for i, earlier in enumerate(order) for later in order[i + 1 :])
