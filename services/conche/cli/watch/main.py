"""`conche status --watch`: every change as it comes, on a screen or line by line."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from conche.bus.feed import Feed, News
from conche.cli.output import console, plain
from conche.cli.session import with_broker, without_number
from conche.cli.targets import shown_of
from conche.settings import Broker

from .changes import JsonChanges, TextChanges
from .keys import View
from .lines import Lines
from .live import KINDS, Live
from .screen import Screen
from .terminal import Terminal


def watch(words: tuple[str, ...], view: View, *, as_json: bool, account: str, away: int) -> int:
    """Show changes until somebody has seen enough; return the exit code.

    Parameters
    ----------
    words
        TARGETs.
    view
        What is wanted at first.
    as_json
        For programs.
    account
        Who is looking.
    away
        Exit code where the broker can't be reached.

    Raises
    ------
    Trouble
        Nothing can be shown; says why.
    """

    async def work(broker: Broker) -> int:
        ear = Ear(Live(words), where=f"{broker.host}:{broker.port}")
        feed = Feed(broker, account=account, kinds=KINDS, listener=ear)
        following = asyncio.create_task(feed.run(), name="follow the broker")
        try:
            await first_picture(following, feed.complete)
            shown_of(words, ear.live.picture)
            return await _shown(ear, view, following, as_json=as_json)
        finally:
            following.cancel()
            await asyncio.wait([following])

    return with_broker(work, away=away, interrupted=None)


async def first_picture(following: asyncio.Task[None], complete: asyncio.Event) -> None:
    """Wait for the first picture, or for what kept it from coming."""
    waiting = asyncio.ensure_future(complete.wait())
    try:
        await asyncio.wait([following, waiting], return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            following.result()
    finally:
        waiting.cancel()


async def _shown(ear: "Ear", view: View, following: asyncio.Task[None], *, as_json: bool) -> int:
    out = console()
    if as_json or not out.is_terminal or out.is_dumb_terminal:
        changes = (JsonChanges if as_json else TextChanges)(ear.live, wrong=view.wrong)
        lines = Lines(ear.live, changes)
        ear.changed = lines.on_change
        return await lines.run(following)
    keyboard = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else None
    terminal = Terminal(out, keyboard=keyboard)
    screen = Screen(ear.live, view, terminal=terminal, where=ear.where)
    ear.changed = screen.on_change
    return await screen.run(following)


class Ear:
    """Keeps the live picture up to date, and tells whoever shows it.

    Parameters
    ----------
    live
        The picture.
    where
        The broker, in words.
    """

    def __init__(self, live: Live, *, where: str) -> None:
        self.live = live
        self.where = where
        self.changed: Callable[[], None] = lambda: None

    def on_news(self, news: News) -> None:
        """Take a message."""
        self.live.take(news, asyncio.get_running_loop().time())
        self.changed()

    def on_complete(self) -> None:
        """Take that the broker has told everything."""
        self.live.on_complete(asyncio.get_running_loop().time())
        self.changed()

    def on_lost(self, words: str) -> None:
        """Take that the broker is away."""
        short = plain(without_number(words)).removeprefix(f"broker {self.where}: ")
        self.live.on_lost(short, datetime.now(UTC))
        self.changed()
