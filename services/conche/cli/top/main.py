"""`conche top`: connected, on a terminal that is left as it was found."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, Protocol

import click

from conche.bus.feed import Feed, News
from conche.cli.confirming import AWAY
from conche.cli.delivery import INTERRUPTED
from conche.cli.output import Trouble, plain
from conche.cli.session import ACCOUNT, NOT_SENT, with_broker, without_number
from conche.cli.targets import ANY_TARGETS, shown_of
from conche.cli.watch.live import KINDS, Live
from conche.cli.watch.main import first_picture
from conche.contract import EVENT
from conche.settings import Broker

from .app import Top
from .eventlog import EventLog
from .telescope import Connected
from .view import View

_SIGNALLED: Final = 128
"""A shell adds the number of the signal that ended a program."""

CRASHED: Final = 1
"""Exit code after a mistake of our own, which stands on the terminal then."""

_NO_TERMINAL: Final = "conche top needs a terminal; into a pipe or a file: conche status --watch"


@click.command()
@ANY_TARGETS
@click.option(
    "--wrong", is_flag=True, help="Only what somebody should look at, at first; w shows the others."
)
@ACCOUNT
def top(*, words: tuple[str, ...], wrong: bool, account: str) -> None:
    """Show everything on one screen, and command nodes by a key; ? there lists the keys.

    TARGET is a node (cx/cx27), a group (cx) or a pattern ('cx/cx1?', in quotes); without one, all are shown.
    The exit code is 0 after q, 2 for an unknown TARGET or without a terminal, 3 if the broker is away.
    """
    if not _is_terminal():
        raise Trouble(_NO_TERMINAL, exit_code=NOT_SENT)
    raise SystemExit(
        with_broker(
            lambda broker: _shown(broker, words, View(wrong=wrong), account), away=AWAY, interrupted=None
        )
    )


def _is_terminal() -> bool:
    """Return whether there is a screen and a keyboard; Textual draws on standard error."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return os.environ.get("TERM") != "dumb" and all(one is not None and one.isatty() for one in streams)


async def _shown(broker: Broker, words: tuple[str, ...], view: View, account: str) -> int:
    ear = Ear(Live(words), EventLog(words), where=f"{broker.host}:{broker.port}")
    feed = Feed(broker, account=account, kinds=(*KINDS, EVENT), listener=ear)
    following = asyncio.create_task(feed.run(), name="follow the broker")
    try:
        await first_picture(following, feed.complete)
        shown_of(words, ear.live.picture)
        app = Top(
            ear.live,
            ear.log,
            telescope=Connected(broker, account=account),
            view=view,
            where=ear.where,
            words=words,
        )
        ear.app = app
        return await _run(app, following)
    finally:
        following.cancel()
        await asyncio.wait([following])


async def _run(app: Top, following: "asyncio.Task[None]") -> int:
    """Show it until somebody leaves, or what brings the changes ends; return the exit code."""
    following.add_done_callback(lambda _: app.exit(AWAY))
    with _signals(app):
        code = await app.run_async(mouse=False)
    if app.is_waiting:
        click.echo(INTERRUPTED, err=True)
    if following.done():
        following.result()
    return (app.return_code or CRASHED) if code is None else code


@contextmanager
def _signals(app: Top) -> Iterator[None]:
    """Leave in good order where somebody wants the process to end, or the terminal is gone."""
    loop, numbers = asyncio.get_running_loop(), (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, app.exit, _SIGNALLED + number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


class Audience(Protocol):
    """Shows what an `Ear` hears."""

    def on_change(self) -> None:
        """Take that something may have changed."""

    def remember(self) -> None:
        """Take that events may have been missed."""


class Ear:
    """Keeps picture and events up to date, and tells the screen.

    Parameters
    ----------
    live
        The picture.
    log
        The events.
    where
        The broker, in words.
    """

    def __init__(self, live: Live, log: EventLog, *, where: str) -> None:
        self.live = live
        self.log = log
        self.where = where
        self.app: Audience | None = None

    def on_news(self, news: News) -> None:
        """Take a message."""
        if news.kind is EVENT:
            if self.log.take(news) and self.app is not None:
                self.app.on_change()
            return
        self.live.take(news, asyncio.get_running_loop().time())
        self._tell()

    def on_complete(self) -> None:
        """Take that the broker has told everything; what happened while it was away, the journal knows."""
        self.live.on_complete(asyncio.get_running_loop().time())
        if self.app is not None:
            self.app.remember()
        self._tell()

    def on_lost(self, words: str) -> None:
        """Take that the broker is away."""
        short = plain(without_number(words)).removeprefix(f"broker {self.where}: ")
        self.live.on_lost(short, datetime.now(UTC))
        self._tell()

    def _tell(self) -> None:
        if self.app is not None:
            self.app.on_change()
