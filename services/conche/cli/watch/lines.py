"""A status that is watched without a terminal: a line for each change, as long as somebody reads them."""

import asyncio
import os
import stat
import sys
from collections.abc import Iterator
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
        following.add_done_callback(lambda _: self._wake.set())
        with _reader(self._wake) as reader, suppress(BrokenPipeError):
            while not reader.is_set():
                self.on_change()
                self._print()
                if following.done():
                    following.result()
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._wake.wait()
                        self._wake.clear()
            return 0
        # What is left in the buffer can't be written either, and Python would complain of that when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0

    def _print(self) -> None:
        if self._pending:
            click.echo("\n".join(self._pending))
            self._pending.clear()


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
