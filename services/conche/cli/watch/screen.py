"""A live status on a terminal: drawn when something has changed, driven by keys."""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from enum import Enum
from typing import Final, Protocol

from rich.text import Text

from .frame import Size, frame
from .keys import Key, Keyboard, View
from .live import Live


class Pace(float, Enum):
    """How long after the last drawing the next one may come, by what asks for it [s]."""

    TYPED = 0.03
    CHANGED = 0.25
    TICK = 2.0
    """Ages, and the time of day."""


_SIGNALLED: Final = 128
"""A shell adds the number of the signal that ended a program."""


class Display(AbstractContextManager["Display"], Protocol):
    """What is drawn on, and typed into; as long as it is entered, it is ours."""

    @property
    def keyboard(self) -> int | None:
        """File descriptor on which keys come, if any."""

    @property
    def size(self) -> Size:
        """How large it is now."""

    def keys(self) -> bytes:
        """Return what was typed; nothing when the terminal is gone."""

    def draw(self, lines: Sequence[Text], size: Size) -> None:
        """Show lines."""

    def forget(self) -> None:
        """Show everything anew the next time."""

    def suspend(self) -> None:
        """Stop, until somebody says go on."""


class Screen:
    """Draws until somebody leaves.

    Parameters
    ----------
    live
        What is shown.
    view
        How.
    terminal
        Where.
    where
        The broker, in words.
    """

    def __init__(self, live: Live, view: View, *, terminal: Display, where: str) -> None:
        self._live = live
        self._view = view
        self._terminal = terminal
        self._where = where
        self._keyboard = Keyboard()
        self._pace = Pace.TYPED
        self._wake = asyncio.Event()
        self._exit_code: int | None = None

    def on_change(self) -> None:
        """Take that something may have changed; several changes share a drawing."""
        self._hurry(Pace.CHANGED)

    async def run(self, following: asyncio.Task[None]) -> int:
        """Draw until somebody leaves; return the exit code.

        Parameters
        ----------
        following
            What brings the changes; its end is the end.
        """
        loop = asyncio.get_running_loop()
        following.add_done_callback(lambda _: self._hurry(Pace.TYPED))
        with self._terminal, self._signals(), self._keys():
            while self._exit_code is None:
                if following.done():
                    following.result()
                drawn = loop.time()
                self._draw(drawn)
                await self._pause(drawn)
        return self._exit_code

    def _draw(self, now_s: float) -> None:
        self._pace = Pace.TICK
        self._live.settle(now_s)
        size = self._terminal.size
        lines = frame(self._live, self._view, size=size, now=datetime.now(UTC), where=self._where)
        self._terminal.draw(lines, size)

    async def _pause(self, drawn: float) -> None:
        """Wait until it is time to draw again."""
        loop = asyncio.get_running_loop()
        while self._exit_code is None and (left := drawn + self._pace - loop.time()) > 0:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._wake.wait()

    def _hurry(self, pace: Pace) -> None:
        if pace < self._pace:
            self._pace = pace
            self._wake.set()

    # --- what a person does

    @contextmanager
    def _keys(self) -> Iterator[None]:
        keyboard, loop = self._terminal.keyboard, asyncio.get_running_loop()
        if keyboard is None:
            yield
            return
        loop.add_reader(keyboard, self._on_keys)
        try:
            yield
        finally:
            loop.remove_reader(keyboard)

    def _on_keys(self) -> None:
        try:
            data = self._terminal.keys()
        except OSError:
            data = b""
        if not data:
            self._leave(_SIGNALLED + signal.SIGHUP)
        for key in self._keyboard.typed(data):
            if key is Key.LEAVE:
                self._leave(0)
            elif key is Key.REDRAW:
                self._terminal.forget()
            else:
                self._view.press(key)
        self._hurry(Pace.TYPED)

    def _leave(self, code: int) -> None:
        self._exit_code = code
        self._wake.set()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers = {
            signal.SIGWINCH: self._on_resize,
            signal.SIGTSTP: self._on_suspend,
            signal.SIGTERM: lambda: self._leave(_SIGNALLED + signal.SIGTERM),
            signal.SIGHUP: lambda: self._leave(_SIGNALLED + signal.SIGHUP),
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _on_resize(self) -> None:
        self._hurry(Pace.TYPED)

    def _on_suspend(self) -> None:
        self._terminal.suspend()
        self._hurry(Pace.TYPED)
