"""Messages in words, for somebody who was asleep: what is wrong, since when, why, and what to do."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from conche.contract import Health
from conche.contract.alerts import ALERTS, AlertKind

from .conditions import BROKER, Standing
from .message import Message, Notification, NotifiedAlert
from .names import natural, some_names
from .records import CALM_S, Line, Notice
from .rules import RANK
from .times import duration_words, time_words

MAX_TEXT: Final = 3_000
"""Characters of a message: what a chat shows and a person reads."""

MAX_TITLE: Final = 250
"""Characters of its first line: some mail programs show no more."""

MAX_BRIEF: Final = 80
"""Characters of the cause in the first line."""

MAX_CAUSES: Final = 5
"""Different causes that are listed for one kind of alert."""

MAX_LISTED: Final = 1_000
"""Alerts of each list that a program is told of one by one: some 300 bytes each."""

_SHORTENED: Final = "… it is longer than a message; conche status shows all"

_PHRASES: Final[Mapping[AlertKind, tuple[str, str]]] = {
    AlertKind.NODE_DOWN: ("node {names} down", "{count} nodes down: {names}"),
    AlertKind.NODE_FAILED: ("node {names} failed", "{count} nodes failed: {names}"),
    AlertKind.DRIFT_STAYS: (
        "node {names} is not as desired",
        "{count} nodes are not as desired: {names}",
    ),
    AlertKind.NO_WORKER: ("group {names} without worker", "{count} groups without worker: {names}"),
    AlertKind.POLLER_OVERRUN: ("poller {names} overrun", "{count} pollers overrun: {names}"),
    AlertKind.FPGA_TIMING: ("FPGA timing", "FPGA timing"),
    AlertKind.EOP_STALE: ("Earth-orientation table stale", "Earth-orientation table stale"),
    AlertKind.EOP_RUNS_OUT: ("Earth-orientation table runs out", "Earth-orientation table runs out"),
    AlertKind.SERVICE_LOST: ("service {names} lost", "{count} services lost: {names}"),
    AlertKind.BROKER_DROPS: ("the broker drops messages", "the broker drops messages"),
}
"""What is said of one and of several."""

_OF_GROUPS: Final = (AlertKind.NODE_DOWN, AlertKind.NODE_FAILED, AlertKind.DRIFT_STAYS)
"""Kinds of which the alerts of each group are told together."""


@dataclass(frozen=True, slots=True)
class _Bundle:
    """Alerts of one kind and group."""

    kind: AlertKind
    group: str | None
    lines: tuple[Line, ...]

    @property
    def phrase(self) -> str:
        """What they are, and whom they concern."""
        names = [_name(line.alert) for line in self.lines]
        if self.kind is AlertKind.SERVICE_LOST and names == [BROKER]:
            return "the broker can't be reached"
        said = _PHRASES[self.kind][len(names) > 1].format(names=some_names(names), count=len(names))
        return f"{self.group}: {said}" if self.group is not None else said

    @property
    def since(self) -> str:
        """Since when, and for how long."""
        first = min(self.lines, key=lambda line: line.since)
        earliest = "the first " if len(self.lines) > 1 else ""
        return f"{earliest}since {time_words(first.since)} ({duration_words(first.lasted_s)})"

    @property
    def remedy(self) -> str:
        """What to do, with the name of the first in the commands."""
        alert = self.lines[0].alert
        words = ALERTS[self.kind].remedy.replace("GROUP/NODE", alert.subject)
        return words.replace("GROUP", alert.group) if alert.group else words

    def causes(self) -> Iterator[str]:
        """Yield what their owners say, the most frequent first."""
        counted = Counter(line.alert.words for line in self.lines if line.alert.words)
        for words, count in counted.most_common(MAX_CAUSES):
            yield f"{count} × {words}" if len(self.lines) > 1 else words
        if len(counted) > MAX_CAUSES:
            yield f"and {len(counted) - MAX_CAUSES} other causes"


def message_of(notice: Notice, *, link: str | None) -> Message:
    """Return what a channel is told.

    Parameters
    ----------
    notice
        Of what.
    link
        Page that shows more.
    """
    title = _cut(_title(notice), MAX_TITLE)
    tail = [f"More: {link}"] if link else []
    room = MAX_TEXT - len(title) - len("\n\n".join(["", "", *tail]))
    body = "\n\n".join([*_fitting(list(_paragraphs(notice)), room), *tail])
    return Message(title, body, _notification(notice, title, f"{title}\n\n{body}", link))


def _notification(notice: Notice, title: str, text: str, link: str | None) -> Notification:
    lists = (notice.raised, notice.still, notice.cleared)
    raised, still, cleared = ([_notified(line) for line in lines[:MAX_LISTED]] for lines in lists)
    return Notification(
        at=notice.at,
        level=_level(notice),
        title=title,
        text=text,
        raised=raised,
        still=still,
        cleared=cleared,
        left_out=sum(max(0, len(lines) - MAX_LISTED) for lines in lists),
        missed=notice.missed,
        link=link,
    )


# --- the first line


def _level(notice: Notice) -> Health:
    levels = [ALERTS[line.alert.kind].level for line in (*notice.raised, *notice.still)]
    return max(levels, key=lambda level: RANK[level], default=Health.NORMAL)


def _title(notice: Notice) -> str:
    if notice.raised:
        word, lines = _level(notice).upper(), notice.raised
    elif notice.still:
        word, lines = f"STILL {_level(notice).upper()}", notice.still
    else:
        word, lines = "CLEARED", notice.cleared
    bundles = _bundles(lines)
    first = bundles[0]
    if len(bundles) > 1:
        others = len(lines) - len(first.lines)
        return f"{word} {first.phrase}; and {others} {'other alert' if others == 1 else 'other alerts'}"
    return f"{word} {first.phrase}{_brief(first)}"


def _brief(bundle: _Bundle) -> str:
    """Return the cause of a single alert, or how it ended."""
    if len(bundle.lines) > 1:
        return ""
    (line,) = bundle.lines
    if line.ended:
        return f" ({_cut(line.ended, MAX_BRIEF)})"
    return f" ({_cut(line.alert.words, MAX_BRIEF)})" if line.alert.words else ""


# --- what follows it


def _paragraphs(notice: Notice) -> Iterator[str]:
    raised, still = _bundles(notice.raised), _bundles(notice.still)
    alone = len(raised) + len(still) == 1  # the first line has said it
    for bundle in raised:
        yield _told(bundle, head="" if alone else bundle.phrase)
    for bundle in still:
        yield _told(bundle, head="" if alone else f"still {bundle.phrase}")
    for bundle in _bundles(notice.cleared):
        yield _cleared(bundle)
    if notice.missed:
        what = "alert that came and went" if notice.missed == 1 else "alerts that came and went"
        yield f"{notice.missed} {what} while this channel could not be reached: not told."


def _told(bundle: _Bundle, *, head: str) -> str:
    flaps = any(line.flaps for line in bundle.lines)
    away = f"It comes and goes: that it ended is told when it has stayed away for {duration_words(CALM_S)}."
    parts = [head, bundle.since, *bundle.causes(), away if flaps else "", f"What to do: {bundle.remedy}"]
    return "\n".join(part for part in parts if part)


def _cleared(bundle: _Bundle) -> str:
    longest = max(line.lasted_s for line in bundle.lines)
    upto = "up to " if len(bundle.lines) > 1 else ""
    ended = Counter(line.ended for line in bundle.lines if line.ended).most_common(MAX_CAUSES)
    words = (f"{count} × {how}" if len(bundle.lines) > 1 else how for how, count in ended)
    return "\n".join([f"cleared after {upto}{duration_words(longest)}: {bundle.phrase}", *words])


def _bundles(lines: Iterable[Line]) -> list[_Bundle]:
    """Return lines put together by kind and group, the worst first, the others in the order of the catalogue."""
    kinds = list(AlertKind)

    def order(line: Line) -> tuple[int, int, str]:
        kind = line.alert.kind
        return -RANK[ALERTS[kind].level], kinds.index(kind), _group(line.alert) or ""

    found = groupby(sorted(lines, key=order), key=lambda line: (line.alert.kind, _group(line.alert)))
    return [_Bundle(kind, group, _sorted(part)) for (kind, group), part in found]


def _sorted(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: natural(line.alert.subject)))


def _group(alert: Standing) -> str | None:
    return alert.group if alert.kind in _OF_GROUPS else None


def _name(alert: Standing) -> str:
    return alert.subject.removeprefix(f"{alert.group}/") if alert.kind in _OF_GROUPS else alert.subject


def _fitting(paragraphs: Sequence[str], room: int) -> Iterator[str]:
    """Yield paragraphs as long as there is room, and that there are more."""
    for number, paragraph in enumerate(paragraphs):
        last = number == len(paragraphs) - 1
        rest = 0 if last else len(_SHORTENED) + 2
        if len(paragraph) + rest > room:
            yield _cut(paragraph, room - len(_SHORTENED) - 2)
            yield _SHORTENED
            return
        yield paragraph
        room -= len(paragraph) + 2


def _cut(words: str, longest: int) -> str:
    return words if len(words) <= longest else f"{words[: max(0, longest - 1)]}…"


def _notified(line: Line) -> NotifiedAlert:
    alert = line.alert
    return NotifiedAlert(
        kind=alert.kind,
        level=ALERTS[alert.kind].level,
        subject=alert.subject,
        group=alert.group,
        words=alert.words,
        remedy=ALERTS[alert.kind].remedy,
        since=line.since,
        lasted_s=round(line.lasted_s, 1),
        ended=line.ended,
    )
