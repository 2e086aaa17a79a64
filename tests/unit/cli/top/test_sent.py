"""What has become of commands, in words."""

from datetime import timedelta

from conche.cli.top.sent import KEPT, History, Sent
from conche.cli.top.wishes import Kind, Wish
from conche.client import Report
from conche.contract import Inspection, Outcome, Reach, Result
from tests.unit.cli.samples import NOW, result
from tests.unit.cli.watch.samples import live_of

from .samples import FEW

STOP = Wish(Kind.STOP, ("cx/cx1", "cx/cx2"), ("cx/cx1", "cx/cx2"))
ENTRIES = live_of(FEW).entries


def lines(sent: Sent) -> list[str]:
    return [line.plain for line in sent.lines(ENTRIES, columns=80, now=NOW + timedelta(seconds=4))]


def test_while_answers_are_awaited_it_is_told_of_whom_and_how_the_nodes_are():
    sent = Sent(STOP, at=NOW, awaited=["cx/cx2"])
    assert lines(sent) == [" 03:00:00Z  stop 2 nodes: waiting for cx/cx2, 4 s; 1 down, 1 started"]
    assert not sent.is_over


def test_before_anything_is_heard_the_broker_is_awaited():
    assert "waiting for the broker, 4 s" in lines(Sent(STOP, at=NOW))[0]


def test_the_outcome_of_each_node_is_told():
    report = Report(results={"cx/cx1": result(), "cx/cx2": result("held", "in maintenance by leonie")})
    assert lines(Sent(STOP, at=NOW, report=report, over_at=NOW)) == [
        " 03:00:00Z  stop 2 nodes: 1 ok, 1 held",
        "   cx/cx1  ok",
        "   cx/cx2  held  in maintenance by leonie",
        "   1 ok, 1 held",
        "   to have it done: conche maintenance off cx/cx2",
    ]


def test_a_ping_tells_how_fast_they_answer():
    seen = Inspection(reach=Reach.OK, latency_s=0.0042, running=True)
    report = Report(results={"cx/cx1": Result(ok=True, outcome=Outcome.OK, inspection=seen)})
    told = lines(Sent(Wish(Kind.PING, ("cx/cx1",), ("cx/cx1",)), at=NOW, report=report, over_at=NOW))
    assert told == [" 03:00:00Z  ping cx/cx1: 1 ok", "   cx/cx1  ok  4.2 ms  runs"]


def test_what_kept_a_command_from_being_done_is_told():
    told = lines(Sent(STOP, at=NOW, trouble="the role viewer may not stop", over_at=NOW))
    assert told == [" 03:00:00Z  stop 2 nodes: the role viewer may not stop"]


def test_the_latest_command_comes_first_and_old_ones_are_forgotten():
    history = History()
    assert history.last is None
    assert [line.plain for line in history.lines({}, columns=80, now=NOW)] == [
        " nothing was commanded here yet"
    ]
    for number in range(KEPT + 5):
        history.add(Sent(STOP, at=NOW, trouble=f"trouble {number}", over_at=NOW))
    told = [line.plain for line in history.lines({}, columns=80, now=NOW)]
    assert len(told) == KEPT
    assert told[0].endswith(f"trouble {KEPT + 4}")
    assert not history.is_waiting
    history.add(Sent(STOP, at=NOW))
    assert history.is_waiting
