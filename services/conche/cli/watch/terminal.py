"""A terminal as a screen and a keyboard, that is left as it was found."""

import contextlib
import os
import signal
import termios
import tty
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.text import Text

from .frame import Size

_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[2J"
"""The other screen, no cursor, nothing on it."""

_LEAVE: Final = "\x1b[?25h\x1b[?1049l"


class Terminal(AbstractContextManager["Terminal"]):
    """A terminal.

    Parameters
    ----------
    out
        Writes there, and knows its colours.
    keyboard
        File descriptor on which keys come, if any.
    """

    def __init__(self, out: Console, *, keyboard: int | None) -> None:
        self.keyboard = keyboard
        self._out = out
        self._screen = out.file.fileno()
        self._modes: list[Any] | None = None
        self._shown: list[str] = []
        self._size = Size()

    def __enter__(self) -> Self:
        """Take the terminal over."""
        try:
            self._take()
        except BaseException:
            self._give_back()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Leave it as it was, whatever has happened."""
        self._give_back()

    def _take(self) -> None:
        if self.keyboard is not None:
            self._modes = termios.tcgetattr(self.keyboard)
            tty.setcbreak(self.keyboard)
        self._write(_ENTER)
        self.forget()

    def _give_back(self) -> None:
        with contextlib.suppress(OSError):  # it may be gone
            self._write(_LEAVE)
        if self.keyboard is not None and self._modes is not None:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(self.keyboard, termios.TCSADRAIN, self._modes)

    def suspend(self) -> None:
        """Give the terminal back and stop, until the shell says ``fg``."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()

    def keys(self) -> bytes:
        """Return what was typed; nothing when the terminal is gone."""
        return os.read(self.keyboard, 1024) if self.keyboard is not None else b""

    @property
    def size(self) -> Size:
        """How large it is now."""
        try:
            columns, rows = os.get_terminal_size(self._screen)
        except OSError:
            columns, rows = 0, 0
        return Size(columns, rows) if columns and rows else Size()

    def forget(self) -> None:
        """Write everything at the next time, whatever stands there."""
        self._shown = []

    def draw(self, lines: Sequence[Text], size: Size) -> None:
        """Write the lines that are not there already."""
        rendered = [self._rendered(line) for line in lines]
        if size != self._size or len(rendered) != len(self._shown):
            self._size, self._shown = size, [""] * len(rendered)
            changes = ["\x1b[2J"]
        else:
            changes = []
        # Erased first: after a line that is as wide as the screen, some terminals would erase its last character.
        changes += [
            f"\x1b[{row};1H\x1b[K{new}"
            for row, (old, new) in enumerate(zip(self._shown, rendered, strict=True), 1)
            if old != new
        ]
        self._shown = rendered
        if changes:
            self._write("".join(changes))

    def _rendered(self, line: Text) -> str:
        with self._out.capture() as captured:
            self._out.print(line, end="", soft_wrap=True)
        return captured.get()

    def _write(self, codes: str) -> None:
        self._out.file.write(codes)
        self._out.file.flush()
