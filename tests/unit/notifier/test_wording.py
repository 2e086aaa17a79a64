"""Messages as somebody reads them at three in the morning."""

from datetime import timedelta
from typing import Any

from conche.contract.alerts import AlertKind
from conche.notifier.conditions import BROKER, Standing
from conche.notifier.message import Message
from conche.notifier.records import Line, Notice
from conche.notifier.wording import MAX_LISTED, MAX_TEXT, MAX_TITLE, message_of

from .samples import AT, down


def line(alert: Standing, lasted_s: float = 60.0, **fields: Any) -> Line:
    return Line(alert, AT - timedelta(seconds=lasted_s), lasted_s, **fields)


def worded(link: str | None = None, **parts: Any) -> Message:
    return message_of(Notice("ops", AT, **parts), link=link)


def storm(count: int, group: str = "cx", words: str = "refused") -> tuple[Line, ...]:
    return tuple(line(down(f"{group}/{group}{i}", words=words)) for i in range(1, count + 1))


def test_one_node_down_is_said_with_since_when_why_and_what_to_do():
    message = worded(raised=(line(down("cx/cx27")),), link="http://grafana/d/overview")
    assert message.title == "ERROR cx: node cx27 down (refused)"
    since, cause, remedy, _, more = message.body.splitlines()
    assert since == "since 2026-11-21 02:59:00Z (60 s)"
    assert cause == "refused"
    assert remedy.startswith("What to do: Look at the host")
    assert "conche maintenance cx/cx27 on" in remedy
    assert more == "More: http://grafana/d/overview"


def test_five_hundred_nodes_down_are_one_line_with_the_first_ten_in_the_order_of_counting():
    message = worded(raised=tuple(reversed(storm(500))))
    assert message.title == (
        "ERROR cx: 500 nodes down: cx1, cx2, cx3, cx4, cx5, cx6, cx7, cx8, cx9, cx10 and 490 more"
    )
    assert "500 × refused" in message.body
    assert "the first since" in message.body
    assert len(message.notification.raised) == 500


def test_several_kinds_are_one_message_the_worst_first():
    drift = line(down("cx/cx1", kind=AlertKind.DRIFT_STAYS))
    message = worded(raised=(drift, *storm(2), *storm(3, "cy")))
    assert message.title == "ERROR cx: 2 nodes down: cx1, cx2; and 4 other alerts"
    heads = [part.splitlines()[0] for part in message.body.split("\n\n")]
    assert heads == [
        "cx: 2 nodes down: cx1, cx2",
        "cy: 3 nodes down: cy1, cy2, cy3",
        "cx: node cx1 is not as desired",
    ]


def test_a_warning_is_no_error():
    assert worded(raised=(line(Standing(AlertKind.EOP_STALE, "")),)).title == (
        "WARNING Earth-orientation table stale"
    )


def test_what_ended_is_said_with_how_long_it_lasted_and_how_things_are():
    message = worded(cleared=(line(down(), 720.0, ended="it is in maintenance by dvw: new PSU"),))
    assert message.title == "CLEARED cx: node cx1 down (it is in maintenance by dvw: new PSU)"
    assert message.body.splitlines()[0] == "cleared after 12 min: cx: node cx1 down"
    assert message.notification.level == "normal"


def test_what_lasts_is_said_to_last():
    message = worded(still=(line(down(), 4 * 3600 + 120),))
    assert message.title == "STILL ERROR cx: node cx1 down (refused)"
    assert "(4 h 2 min)" in message.body


def test_one_that_comes_and_goes_is_said_to():
    assert "stayed away for 15 min" in worded(raised=(line(down(), flaps=True),)).body


def test_what_was_missed_is_said():
    assert "3 alerts that came and went while this channel could not be reached: not told." in (
        worded(raised=(line(down()),), missed=3).body
    )


def test_services_and_the_broker_are_named():
    lost = Standing(AlertKind.SERVICE_LOST, "poller/main", "is lost")
    assert worded(raised=(line(lost),)).title == "ERROR service poller/main lost (is lost)"
    broker = Standing(AlertKind.SERVICE_LOST, BROKER, "no connection")
    assert worded(raised=(line(broker),)).title == "ERROR the broker can't be reached (no connection)"
    worker = Standing(AlertKind.NO_WORKER, "cx", "is lost", "cx")
    assert worded(raised=(line(worker),)).title == "ERROR group cx without worker (is lost)"


def test_a_message_is_bounded_whatever_happens_and_keeps_its_link():
    lines = [one for i in range(300) for one in storm(9, f"{'g' * 60}{i}", words="w" * 300)]
    message = worded(raised=tuple(lines), cleared=tuple(lines), link="http://x/y")
    assert len(message.text) <= MAX_TEXT
    assert len(message.title) <= MAX_TITLE
    assert "it is longer than a message" in message.body
    assert message.body.endswith("More: http://x/y")
    told = message.notification
    assert (len(told.raised), len(told.cleared), told.left_out) == (MAX_LISTED, MAX_LISTED, 3400)
