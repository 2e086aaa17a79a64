"""What has happened lately."""

from conche.bus.feed import News
from conche.cli.top.eventlog import KEPT, EventLog
from conche.contract import EVENT, JournalEntry
from tests.unit.cli.samples import NOW
from tests.unit.cli.watch.samples import news

from .samples import entry


def as_news(one: JournalEntry) -> News:
    return news(EVENT, one.event, service=one.service, group=one.group, node=one.node)


def lines(log: EventLog, columns: int = 80) -> list[str]:
    return [line.plain for line in log.lines(columns=columns, now=NOW)]


def test_without_events_that_is_said():
    assert lines(EventLog()) == [" nothing yet"]


def test_the_latest_comes_last_whatever_came_first():
    log = EventLog()
    assert log.take(as_news(entry(3, "is down")))
    assert log.remember([entry(2, "is to run"), entry(1, "out of maintenance")])
    assert lines(log) == [
        " 02:01:00Z  cx/cx1  out of maintenance",
        " 02:02:00Z  cx/cx1  is to run",
        " 02:03:00Z  cx/cx1  is down",
    ]


def test_what_came_and_is_remembered_too_is_told_once():
    log = EventLog()
    log.take(as_news(entry(1, "is down")))
    assert not log.remember([entry(1, "is down")])
    assert len(lines(log)) == 1


def test_only_what_concerns_the_targets_is_taken():
    log = EventLog(("recv",))
    assert not log.take(as_news(entry(1, "is down")))
    assert log.take(as_news(entry(1, "is down", group="recv", node="recv1")))


def test_what_can_not_be_understood_is_no_event():
    assert not EventLog().take(news(EVENT, None, service="sync", group="cx", node="cx1"))


def test_old_events_are_forgotten():
    log = EventLog()
    log.remember([entry(number, f"event {number}") for number in range(KEPT + 10)])
    assert len(lines(log)) >= KEPT
    assert "event 9" not in "\n".join(lines(log)).split()


def test_long_events_are_wrapped_to_the_pane():
    log = EventLog()
    log.remember([entry(1, "word " * 50)])
    assert max(map(len, lines(log, 50))) <= 50
