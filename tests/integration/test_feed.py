"""Everything that the broker says, as the live status hears it."""

import asyncio
import signal
from collections.abc import Callable

import pytest
from msgspec.json import encode

from conche.bus.errors import BusUnavailable
from conche.bus.feed import Feed, News
from conche.bus.link import Link
from conche.bus.login import login_of
from conche.cli.watch.live import KINDS
from conche.contract import Payload
from tests.unit.cli.samples import status, summary

from .harness import Mosquitto


class Listener:
    def __init__(self) -> None:
        self.news: list[tuple[str, Payload | None]] = []
        self.troubles: list[str] = []
        self.completed = 0
        self.lost: list[str] = []

    def on_news(self, news: News) -> None:
        self.news.append((news.topic, news.payload))
        self.troubles += [news.trouble] if news.trouble else []

    def on_complete(self) -> None:
        self.completed += 1

    def on_lost(self, words: str) -> None:
        self.lost.append(words)


async def publish(broker: Mosquitto, **payloads: bytes) -> None:
    """Publish as sync; _ stands for / in a topic."""
    link = Link(login_of(broker.settings, account="sync", client_id="test-sync"), on_message=lambda _: None)
    await link.connect()
    for topic, payload in payloads.items():
        await link.publish(f"conche/{topic.replace('_', '/')}", payload, retain=True)
    await link.disconnect()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture
def heard() -> Listener:
    return Listener()


async def test_what_is_retained_comes_first_then_every_change(mosquitto: Mosquitto, heard: Listener):
    await publish(mosquitto, status_cx_cx1=encode(status()), status_cx_cx2=b"{}")
    feed = Feed(mosquitto.settings, account="operator", kinds=KINDS, listener=heard)
    following = asyncio.create_task(feed.run())
    await until(lambda: heard.completed == 1)
    assert sorted(heard.news, key=lambda one: one[0]) == [
        ("status/cx/cx1", status()),
        ("status/cx/cx2", None),
    ]
    assert "required field" in heard.troubles[0]
    await publish(mosquitto, summary_cx=encode(summary()), status_cx_cx1=b"")
    await until(lambda: len(heard.news) == 4)
    assert heard.news[2:] == [("summary/cx", summary()), ("status/cx/cx1", None)]
    following.cancel()
    await asyncio.wait([following])


async def test_what_does_not_come_back_with_the_broker_is_gone_after_a_while(
    mosquitto: Mosquitto, heard: Listener, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("conche.bus.feed.RETURN_S", 0.5)
    await publish(mosquitto, status_cx_cx1=encode(status()), status_cx_cx2=encode(status()))
    feed = Feed(mosquitto.settings, account="operator", kinds=KINDS, listener=heard)
    following = asyncio.create_task(feed.run())
    await until(lambda: heard.completed == 1)
    mosquitto.stop(signal.SIGKILL)  # it has not saved anything
    await until(lambda: bool(heard.lost))
    await mosquitto.start()
    await until(lambda: heard.completed == 2)
    assert len(heard.news) == 2
    await publish(mosquitto, status_cx_cx1=encode(status("down")))
    await until(lambda: len(heard.news) == 4)
    assert heard.news[2:] == [("status/cx/cx1", status("down")), ("status/cx/cx2", None)]
    following.cancel()
    await asyncio.wait([following])


async def test_the_first_connection_is_not_tried_again(mosquitto: Mosquitto, heard: Listener):
    mosquitto.stop()
    with pytest.raises(BusUnavailable, match="Connection refused"):
        await Feed(mosquitto.settings, account="operator", kinds=KINDS, listener=heard).run()
    assert heard.lost == []
