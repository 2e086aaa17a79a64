"""Events as they come: after those of the past, without one of them twice, as long as somebody reads."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import click

from conche.bus.feed import Feed, News
from conche.contract import EVENT, Event, Events, JournalEntry
from conche.happenings import bounded
from conche.settings import Broker

from .eventlines import Happened, Layout
from .output import plain
from .session import without_number
from .watch.lines import echo_while_read
from .watch.main import first_picture

MAX_WAITING: Final = 10_000
"""Events that wait to be printed; more are counted, and said. A guess."""


class Tail:
    """Gathers what comes, of what is wanted.

    Parameters
    ----------
    wish
        As the journal is asked.
    """

    def __init__(self, wish: Events) -> None:
        self._wish = wish
        self._waiting: list[Happened] = []
        self._known: set[tuple[str, str, str, Event]] = set()
        self._left_out = 0
        self._lost = False
        self.wake = asyncio.Event()

    def on_news(self, news: News) -> None:
        """Take an event."""
        if not isinstance(news.payload, Event):
            return
        service, group, node = (news.params[name] for name in ("service", "group", "node"))
        happened = Happened(service, group, node, bounded(news.payload))
        kinds = self._wish.kinds
        if (kinds and happened.event.kind not in kinds) or not happened.concerns(self._wish.targets):
            return
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(happened)
        else:
            self._left_out += 1
        self.wake.set()

    def on_complete(self) -> None:
        """Take that the broker is there."""
        if self._lost:
            click.echo("the broker is back; conche events shows what happened meanwhile", err=True)
        self._lost = False

    def on_lost(self, words: str) -> None:
        """Take that the broker is away."""
        if not self._lost:
            click.echo(f"the broker is away: {plain(without_number(words))}", err=True)
        self._lost = True

    def forget(self, entries: Iterable[JournalEntry]) -> None:
        """Leave out what was printed already, of what came while the journal was asked."""
        self._known = {(entry.service, entry.group, entry.node, entry.event) for entry in entries}

    def take(self) -> list[Happened]:
        """Return what came since the last time."""
        waiting, self._waiting = self._waiting, []
        if self._left_out:
            click.echo(f"{self._left_out} events came too fast and are left out here", err=True)
            self._left_out = 0
        return [one for one in waiting if (one.service, one.group, one.node, one.event) not in self._known]


async def follow(broker: Broker, *, account: str, tail: Tail, past: Callable[[], Awaitable[Layout]]) -> int:
    """Print what comes, until nobody reads it any more; return the exit code.

    Parameters
    ----------
    broker
        Where it comes from.
    account
        Who is looking.
    tail
        Gathers it.
    past
        Prints what is past, and returns how events are printed; it is called when nothing can be missed any more.
    """
    feed = Feed(broker, account=account, kinds=(EVENT,), listener=tail)
    following = asyncio.create_task(feed.run(), name="follow events")
    try:
        await first_picture(following, feed.complete)
        layout = await past()
        return await echo_while_read(
            lambda: [line for happened in tail.take() for line in layout.lines(happened)],
            wake=tail.wake,
            following=following,
        )
    finally:
        following.cancel()
        await asyncio.wait([following])
