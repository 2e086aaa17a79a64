"""What has changed, one line for each change: a status that is watched without a terminal."""

from collections.abc import Collection, Hashable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from msgspec.json import encode

from conche.cli.output import moment, plain
from conche.cli.rows import Row
from conche.contract import Service

from .live import Live, Moved
from .table import Entry

STATE_COLUMNS: Final = 7
"""As long as most states are."""

_SELF: Final = "conche"
"""What problems outside the groups are put down to."""

_LEFT: Final = "not in the registry any more"


class Changes(Protocol):
    """Tells changes; the first time, how everything stands."""

    def lines(self, moved: Moved, now: datetime) -> Iterable[str]:
        """Yield a line for each change since the last time."""


class _Said:
    """What was said last of each thing."""

    def __init__(self) -> None:
        self._last: dict[Hashable, Any] = {}

    def is_new(self, name: Hashable, value: Any) -> bool:
        """Return whether nothing, or something else, was said of it before; remember it."""
        before = self._last.get(name, self)
        self._last[name] = value
        return bool(before != value)

    def forget_others(self, names: Collection[Any]) -> list[Any]:
        """Return the things of which something was said and that are not any more."""
        gone = [name for name in self._last if name not in names]
        for name in gone:
            del self._last[name]
        return gone


class _Attention:
    """Which nodes are spoken of: all, or those that somebody should look at, and once more when that is over."""

    def __init__(self, live: Live, *, only_wrong: bool) -> None:
        self._live = live
        self._only_wrong = only_wrong
        self._wrong: set[str] = set()

    def deserves(self, key: str) -> bool:
        """Return whether a node is spoken of that has changed."""
        entry = self._live.entries.get(key)
        is_wrong, was_wrong = entry is not None and entry.is_wrong, key in self._wrong
        (self._wrong.add if is_wrong else self._wrong.discard)(key)
        return is_wrong or was_wrong or not self._only_wrong


class TextChanges:
    """Changes in words: time, node or group, state, what there is to say.

    The first time it says how the groups stand, and of single nodes nothing: a thousand lines would hide the rest.

    Parameters
    ----------
    live
        What is shown.
    wrong
        Of nodes, only what somebody should look at, and that it is over.
    """

    def __init__(self, live: Live, *, wrong: bool = False) -> None:
        self._live = live
        self._begun = False
        self._lost = False
        self._problems = _Said()
        self._fpga = _Said()
        self._eop = _Said()
        self._groups = _Said()
        self._nodes = _Said()
        self._attention = _Attention(live, only_wrong=wrong)

    def lines(self, moved: Moved, now: datetime) -> Iterator[str]:
        """Yield a line for each change; see `Changes`."""
        width = max((len(key) for key in self._live.entries), default=0)
        at = f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        for subject, state, words in self._changes(moved, now):
            yield f"{at}  {plain(subject):<{width}}  {state:<{STATE_COLUMNS}}  {words}".rstrip()
        self._begun = True

    def _changes(self, moved: Moved, now: datetime) -> Iterator[tuple[str, str, str]]:
        if moved.others:
            yield from self._of_broker()
            yield from self._of_problems()
            yield from self._of_fpga()
            yield from self._of_eop()
            yield from self._of_groups()
        for key in moved.nodes:
            yield from self._of_node(key, now)

    def _of_broker(self) -> Iterator[tuple[str, str, str]]:
        lost = self._live.lost
        if (lost is not None) != self._lost:
            self._lost = lost is not None
            yield ("broker", "away", plain(lost.words)) if lost else ("broker", "back", "")

    def _of_problems(self) -> Iterator[tuple[str, str, str]]:
        problems = {problem.words: problem.health for problem in self._live.problems()}
        for words in self._problems.forget_others(problems):
            yield _SELF, "over", words
        for words, health in problems.items():
            if self._problems.is_new(words, health):
                yield _SELF, health, words

    def _of_fpga(self) -> Iterator[tuple[str, str, str]]:
        status = self._live.fpga.status if self._live.fpga else None
        if status is None:
            if self._fpga.forget_others(()):
                yield Service.FPGA, "gone", ""
        elif self._fpga.is_new("", (status.state, status.error, status.frame0_ns)):
            frame0 = f"frame0 {status.frame0_ns} ns" if status.frame0_ns is not None else ""
            error = plain(status.error) if status.error else ""
            yield Service.FPGA, status.state, "; ".join(part for part in (error, frame0) if part)

    def _of_eop(self) -> Iterator[tuple[str, str, str]]:
        status = self._live.eop.status if self._live.eop else None
        if status is None:
            if self._eop.forget_others(()):
                yield Service.EOP, "gone", ""
        elif self._eop.is_new("", (status.state, status.error, status.warning, status.last_success_at)):
            told = (status.error, status.warning)
            yield Service.EOP, status.state, "; ".join(plain(words) for words in told if words)

    def _of_groups(self) -> Iterator[tuple[str, str, str]]:
        for group in self._groups.forget_others(self._live.tallies):
            yield group, "gone", _LEFT
        for group, tally in self._live.tallies.items():
            trouble = self._live.trouble_of(group)
            if self._groups.is_new(group, (trouble,)):
                words = "; ".join(part for part in (trouble, tally.words) if part)
                yield group, self._live.group_health(group), words

    def _of_node(self, key: str, now: datetime) -> Iterator[tuple[str, str, str]]:
        entry = self._live.entries.get(key)
        is_new = self._nodes.is_new(key, _of_itself(entry.alike) if entry else None)
        if is_new and self._attention.deserves(key) and self._begun:
            yield (key, entry.alike.state, _words(entry, now)) if entry else (key, "gone", _LEFT)


def _of_itself(row: Row) -> tuple[Any, ...]:
    """Return what a line says of a node, without what is its worker's: where that went, its group has a line."""
    return row.state, row.should, row.switch, [note.words for note in row.notes]


def _words(entry: Entry, now: datetime) -> str:
    words = [note.words for note in entry.alike.notes]
    status = entry.status
    if entry.alike.switch is not None and status is not None:
        until = status.maintenance.until
        reason = f": {status.maintenance.reason}" if status.maintenance.reason else ""
        end = f", until {moment(until, now)}" if until else ""
        words.append(plain(f"{entry.alike.switch.mark}{reason}{end}"))
    return "; ".join(words)


class JsonChanges:
    """Changes for programs: one object a line, payloads as they are on the broker; the first time, everything.

    Parameters
    ----------
    live, wrong
        As for `TextChanges`.
    """

    def __init__(self, live: Live, *, wrong: bool = False) -> None:
        self._live = live
        self._others = _Said()
        self._nodes = _Said()
        self._attention = _Attention(live, only_wrong=wrong)

    def lines(self, moved: Moved, now: datetime) -> Iterator[str]:
        """Yield a line for each change; see `Changes`."""
        for kind, name, value in self._changes(moved):
            one = {"at": now.astimezone(UTC), "kind": kind, "name": name}
            yield encode(one | ({"gone": True} if value is None else value)).decode()

    def _changes(self, moved: Moved) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
        value: dict[str, Any] | None
        if moved.others:
            others = self._how_others_are()
            for kind, name in self._others.forget_others(others):
                yield kind, name, None
            for (kind, name), value in others.items():
                if self._others.is_new((kind, name), value):
                    yield kind, name, value
        for key in moved.nodes:
            entry = self._live.entries.get(key)
            value = {"health": entry.alike.health, "status": entry.status} if entry else None
            if self._nodes.is_new(key, entry.status if entry else None) and self._attention.deserves(key):
                yield "node", key, value

    def _how_others_are(self) -> dict[tuple[str, str], dict[str, Any]]:
        live, picture = self._live, self._live.picture
        lost = live.lost
        found: dict[tuple[str, str], dict[str, Any]] = {
            ("broker", ""): {"state": "away" if lost else "online", "error": lost.words if lost else None},
            ("registry", ""): {"registry": picture.registry},
        }
        found |= {("service", name): {"birth": birth} for name, birth in sorted(picture.births.items())}
        found |= {("topic", topic): {"error": why} for topic, why in sorted(picture.unreadable.items())}
        if live.fpga:
            found["fpga", ""] = {"status": live.fpga.status}
        if live.eop:
            found["eop", ""] = {"status": live.eop.status}
        for group in live.tallies:
            served, polled = picture.is_served(group), group not in picture.unpolled
            found["group", group] = {"served": served, "polled": polled, "error": live.trouble_of(group)}
        return found
