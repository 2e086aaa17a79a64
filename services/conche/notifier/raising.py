"""The life of alerts: from what stands to what is told, and to whom, at one reading of the clocks.

What is told is worked out when a channel can take it, from what stands by then. So nothing queues up: what waits for
a channel that is away is one message, and what ended meanwhile is none.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from .conditions import Findings, Key, Standing
from .records import CALM_S, FLAP_ENDS, FLAP_WINDOW_S, Line, Notice, Record, Told
from .rules import Plan
from .times import Now

CLEARED_GATHERS: Final = 6
"""That something has ended is gathered for so many times as long: it is less urgent, and nodes come back one by one."""

PACE_WINDOW_S: Final = 600.0
"""Each message to a channel within this time doubles the wait before its next one [s]."""

LONGEST_PACE_S: Final = 300.0
"""The longest such wait [s]."""


@dataclass(slots=True)
class _Desk:
    """One channel's side.

    Parameters
    ----------
    raised_s, cleared_s
        Since when there is something new, or something that ended, which it was not told [s].
    sent
        When it was told something, within the last minutes [s].
    tried
        What a message that did not arrive would have told as new.
    under_way
        The message that is being sent.
    missed
        Of `tried`, what has ended.
    """

    raised_s: float | None = None
    cleared_s: float | None = None
    sent: list[float] = field(default_factory=list)
    tried: set[Key] = field(default_factory=set)
    under_way: Notice | None = None
    missed: int = 0


class Ledger:
    """Keeps the alerts, and says what each channel is to be told.

    Parameters
    ----------
    plan
        Who is told what, and when.
    records
        What is known from before.
    """

    def __init__(self, plan: Plan, records: Iterable[Record] = ()) -> None:
        self._plan = plan
        self._records = {record.alert.key: record for record in records}
        self._desks = {channel: _Desk() for channel in plan.channels}
        self.changes = 0
        """Counts up whenever there is something that a successor should know."""

    @property
    def records(self) -> Iterable[Record]:
        """All that is known."""
        return self._records.values()

    def step(self, findings: Findings, now: Now) -> None:
        """Take what stands now."""
        for key, alert in findings.standing.items():
            self._take_standing(key, alert, now)
            self._take_doubt(key, findings, now)
        for key, record in list(self._records.items()):
            record.sure = not findings.unsure(key)
            if record.sure and key not in findings.standing:
                self._take_gone(key, record, findings.ended(key), now)

    def is_due(self, channel: str, now: Now) -> bool:
        """Return whether a channel is to be told something now; to be asked after each step, for news gathers."""
        return not self._due(channel, now).is_empty

    def begin(self, channel: str, now: Now) -> Notice | None:
        """Return what a channel is to be told now, and take that it is being sent; None for nothing."""
        desk = self._desks[channel]
        desk.under_way = None
        self._count_missed(desk)
        notice = self._due(channel, now)
        if notice.is_empty:
            return None
        desk.under_way = notice
        return notice

    def arrived(self, notice: Notice, now: Now) -> None:
        """Take that a channel was told."""
        desk = self._desks[notice.channel]
        desk.missed -= notice.missed
        self._settle(desk, notice, now, heard=True)
        desk.sent = [*desk.sent, now.s]

    def refused(self, notice: Notice, now: Now) -> None:
        """Take that a channel does not want to be told that: it is given up."""
        self._settle(self._desks[notice.channel], notice, now, heard=False)

    def failed(self, notice: Notice) -> None:
        """Take that a channel could not be reached: it is told later what stands by then."""
        desk = self._desks[notice.channel]
        desk.under_way = None
        desk.tried |= {line.alert.key for line in notice.raised}

    # --- what comes and goes

    def _take_standing(self, key: Key, alert: Standing, now: Now) -> None:
        record = self._records.get(key)
        if record is None:
            self._records[key] = Record(alert, now.s)
            self.changes += 1
            return
        record.alert = alert
        if record.gone_s is not None:
            if not record.told:
                record.since_s = now.s
            record.gone_s, record.ended = None, ""
            self.changes += 1

    def _take_doubt(self, key: Key, findings: Findings, now: Now) -> None:
        """Have what an owner said who is away begin anew when he is back."""
        record = self._records[key]
        if findings.unsure(key) and not record.told:
            record.since_s = now.s

    def _take_gone(self, key: Key, record: Record, ended: str, now: Now) -> None:
        record.ended = ended
        if record.gone_s is None:
            record.gone_s = now.s
            if record.told:
                record.ends = [*record.ends, now.s][-FLAP_ENDS:]
            self.changes += 1
        for channel in [name for name, told in record.told.items() if not told.heard]:
            del record.told[channel]
        remembered = bool(record.ends) and now.s - record.ends[-1] < FLAP_WINDOW_S
        if not record.told and not remembered and not self._is_under_way(key):
            del self._records[key]
            self.changes += 1

    def _is_under_way(self, key: Key) -> bool:
        notices = (desk.under_way for desk in self._desks.values())
        return any(line.alert.key == key for notice in notices if notice for line in notice.raised)

    # --- what is to be told

    def _due(self, channel: str, now: Now) -> Notice:
        """Return what a channel is to be told, empty while that still gathers."""
        desk, news = self._desks[channel], self._news(channel, now)
        self._open(desk, news, now)
        pace_s = self._pace_s(desk, now)
        slow_s = max(pace_s, CLEARED_GATHERS * self._plan.gather_s)
        ripe = (
            (desk.raised_s is not None and now.s - desk.raised_s >= pace_s)
            or (desk.cleared_s is not None and now.s - desk.cleared_s >= slow_s)
            or news.still
        )
        return news if ripe else Notice(channel, now.at)

    def _open(self, desk: _Desk, news: Notice, now: Now) -> None:
        desk.raised_s = _opened(desk.raised_s, bool(news.raised), now.s)
        desk.cleared_s = _opened(desk.cleared_s, bool(news.cleared), now.s)

    def _pace_s(self, desk: _Desk, now: Now) -> float:
        """Return how long news gathers: the longer, the more was told a short while ago."""
        desk.sent = [sent for sent in desk.sent if now.s - sent < PACE_WINDOW_S]
        gather_s = self._plan.gather_s
        if not desk.sent:
            return gather_s
        return max(gather_s, min(max(gather_s, 1.0) * 2.0 ** len(desk.sent), LONGEST_PACE_S))

    def _news(self, channel: str, now: Now) -> Notice:
        """Return all that a channel does not know yet, and what it is told again."""
        return Notice(
            channel,
            now.at,
            raised=tuple(self._raised(channel, now)),
            still=tuple(self._still(channel, now)),
            cleared=tuple(self._cleared(channel, now)),
            missed=self._desks[channel].missed,
        )

    def _raised(self, channel: str, now: Now) -> Iterator[Line]:
        for record in self._lasting():
            ripe = now.s - record.since_s >= self._plan.after_s[record.alert.kind]
            if ripe and channel not in record.told and self._plan.may_tell(channel, record.alert, now.at):
                yield _line(record, now)

    def _still(self, channel: str, now: Now) -> Iterator[Line]:
        """Yield all that lasts on a channel, once the oldest word about it is old."""
        repeat_s = self._plan.repeat_s
        if repeat_s is None:
            return
        lasting = [record for record in self._lasting() if channel in record.told]
        old = (record for record in lasting if now.s - record.told[channel].s >= repeat_s)
        if any(self._plan.may_tell(channel, record.alert, now.at) for record in old):
            told = (record for record in lasting if self._plan.may_tell(channel, record.alert, now.at))
            yield from (_line(record, now) for record in told)

    def _lasting(self) -> Iterator[Record]:
        return (record for record in self._records.values() if record.gone_s is None and record.sure)

    def _cleared(self, channel: str, now: Now) -> Iterator[Line]:
        for record in self._records.values():
            told = record.told.get(channel)
            if record.gone_s is None or told is None or not told.heard or not record.sure:
                continue
            calm = now.s - record.gone_s >= CALM_S if record.flaps(now.s) else True
            if calm and self._plan.may_clear(channel, record.alert, now.at):
                yield _line(record, now)

    # --- what was told

    def _settle(self, desk: _Desk, notice: Notice, now: Now, *, heard: bool) -> None:
        desk.under_way = desk.raised_s = desk.cleared_s = None
        desk.tried.clear()
        for line in (*notice.raised, *notice.still):
            record = self._records.get(line.alert.key)
            if record is not None and (record.gone_s is None or line in notice.raised):
                before = record.told.get(notice.channel)
                record.told[notice.channel] = Told(now.s, heard or (before is not None and before.heard))
        for line in notice.cleared:
            record = self._records.get(line.alert.key)
            if record is not None:
                record.told.pop(notice.channel, None)
                record.since_s = record.since_s if record.gone_s is not None else now.s
        self.changes += 1

    def _count_missed(self, desk: _Desk) -> None:
        gone = {
            key for key in desk.tried if key not in self._records or self._records[key].gone_s is not None
        }
        desk.missed += len(gone)
        desk.tried -= gone


def _opened(before: float | None, there: bool, now_s: float) -> float | None:
    """Return since when there is something to be told."""
    if not there:
        return None
    return now_s if before is None else before


def _line(record: Record, now: Now) -> Line:
    until = now.wall(record.gone_s) if record.gone_s is not None else now.at
    since = now.wall(record.since_s)
    if record.alert.since is not None:
        since = min(since, record.alert.since)
    lasted_s = (until - since).total_seconds()
    return Line(record.alert, since, lasted_s, record.ended, record.will_flap(now.s))
