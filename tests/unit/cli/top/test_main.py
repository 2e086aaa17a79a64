"""What is heard, and who is told."""

from conche.cli.top.eventlog import EventLog
from conche.cli.top.main import Ear
from conche.cli.watch.live import Live
from conche.contract import EVENT, NODE_STATUS
from tests.unit.cli.samples import NOW, status
from tests.unit.cli.watch.samples import news

from .samples import entry


class Audience:
    def __init__(self) -> None:
        self.told: list[str] = []

    def on_change(self) -> None:
        self.told.append("change")

    def remember(self) -> None:
        self.told.append("remember")


def listening(*words: str) -> tuple[Ear, Audience]:
    ear, audience = Ear(Live(words), EventLog(words), where="here:1883"), Audience()
    ear.app = audience
    return ear, audience


async def test_a_status_is_for_the_picture():
    ear, audience = listening()
    ear.on_news(news(NODE_STATUS, status(), group="cx", node="cx1"))
    ear.live.settle(0.0)
    assert (list(ear.live.entries), audience.told) == (["cx/cx1"], ["change"])


async def test_an_event_is_for_the_log_and_one_of_others_for_nobody():
    ear, audience = listening("cx")
    ear.on_news(news(EVENT, entry(1, "is down").event, service="sync", group="recv", node="recv1"))
    assert audience.told == []
    ear.on_news(news(EVENT, entry(1, "is down").event, service="sync", group="cx", node="cx1"))
    assert audience.told == ["change"]
    assert ear.log.lines(columns=80, now=NOW)[0].plain.endswith("is down")


async def test_what_the_broker_tells_before_the_screen_is_there_is_kept():
    ear, _ = listening()
    ear.app = None
    ear.on_news(news(NODE_STATUS, status(), group="cx", node="cx1"))
    ear.on_complete()
    ear.live.settle(0.0)
    assert ear.live.complete
    assert list(ear.live.entries) == ["cx/cx1"]


async def test_when_the_broker_is_back_the_journal_is_asked_what_was_missed():
    ear, audience = listening()
    ear.on_lost("broker here:1883: [Errno 111] Connection refused")
    assert ear.live.lost is not None
    assert ear.live.lost.words == "Connection refused"
    ear.on_complete()
    assert ear.live.lost is None
    assert audience.told == ["change", "remember", "change"]
