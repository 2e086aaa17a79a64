"""A status that is watched without a terminal: a line for each change, as long as somebody reads them."""

import asyncio
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Final

import click

from .changes import Changes
from .live import Live

TICK_S: Final = 1.0
"""How often it is looked whether time alone has changed something [s]."""


class Lines:
    """Prints changes.

    Parameters
    ----------
    live
        What is shown.
    changes
        How they are told.
    """

    def __init__(self, live: Live, changes: Changes) -> None:
        self._live = live
        self._changes = changes
        self._pending: list[str] = []
        self._wake = asyncio.Event()

    def on_change(self) -> None:
        """Take note of each change by itself, so that of two that come together both are told."""
        moved = self._live.settle(asyncio.get_running_loop().time())
        if moved:
            self._pending += self._changes.lines(moved, datetime.now(UTC))
            self._wake.set()

    async def run(self, following: asyncio.Task[None]) -> int:
        """Print until nobody reads any more; return the exit code.

        Parameters
        ----------
        following
            What brings the changes; its end is the end.
        """
        return await echo_while_read(self._take, wake=self._wake, following=following)

    def _take(self) -> list[str]:
        self.on_change()
        lines, self._pending = self._pending, []
        return lines


async def echo_while_read(
    take: Callable[[], Sequence[str]], *, wake: asyncio.Event, following: asyncio.Task[None]
) -> int:
    """Print lines as they come, until nobody reads any more; return the exit code.

    Parameters
    ----------
    take
        Returns the lines that are to be printed; asked now and then, and when ``wake`` is set.
    wake
        Set when there are some.
    following
        What brings the changes; its end is the end.
    """
    following.add_done_callback(lambda _: wake.set())
    with _reader(wake) as reader, suppress(BrokenPipeError):
        while not reader.is_set():
            if lines := take():
                click.echo("\n".join(lines))
            if following.done():
                following.result()
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await wake.wait()
                    wake.clear()
        return 0
    # What is left in the buffer can't be written either, and Python would complain of that when it ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


@contextmanager
def _reader(wake: asyncio.Event) -> Iterator[asyncio.Event]:
    """Notice that whoever reads a pipe has gone, without writing to it: there may be nothing to write for hours."""
    gone = asyncio.Event()

    def on_end() -> None:
        loop.remove_reader(out)
        gone.set()
        wake.set()

    loop, out = asyncio.get_running_loop(), sys.stdout.fileno()
    if not stat.S_ISFIFO(os.fstat(out).st_mode):
        yield gone
        return
    loop.add_reader(out, on_end)
    try:
        yield gone
    finally:
        loop.remove_reader(out)
