"""A program on a pseudo-terminal, and what stands on its screen."""

import asyncio
import codecs
import contextlib
import fcntl
import os
import re
import struct
import subprocess
import termios
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeVar

from tests.terminals import open_terminal

from .harness import Mosquitto
from .stack import CONCHE, PATIENCE_S, environment_of

ROWS: Final = 24
COLUMNS: Final = 80

_SEQUENCE: Final = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])")
_BEGUN: Final = re.compile(r"\x1b(\[[?<>=\d;]*[ -/]*)?$")
_PAINTED: Final = re.compile(r"(\x1b\[([?<>=]*[\d;]*)[ -/]*([@-~])|\x1b[^\[])|(.)", re.DOTALL)


class Watched:
    """A program on a terminal, and its screen as somebody sees it."""

    def __init__(self, process: asyncio.subprocess.Process, terminal: int, keyboard: int) -> None:
        self.process = process
        self.other_screen = False
        self._terminal = terminal
        self._keyboard = keyboard
        self._modes = termios.tcgetattr(keyboard)
        self._rows = ROWS
        self._lines: defaultdict[int, str] = defaultdict(str)
        self._row = 1
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._rest = ""
        self._seen = asyncio.Event()
        asyncio.get_running_loop().add_reader(terminal, self._read)

    def _read(self) -> None:
        text = self._rest + self._decoder.decode(os.read(self._terminal, 65536))
        begun = _BEGUN.search(text)
        self._rest = begun[0] if begun else ""
        self._take(text.removesuffix(self._rest))
        self._seen.set()

    def _take(self, text: str) -> None:
        """Follow what is written: it moves to the begin of a line, erases it, and writes it."""
        for number, part in enumerate(_SEQUENCE.split(text)):
            match number % 3:
                case 0:
                    self._lines[self._row] += part
                case 1:
                    self._arguments = part
                case _:
                    self._obey(part, self._arguments)

    def _obey(self, command: str, arguments: str) -> None:
        match command:
            case "H":
                self._row = int(arguments.partition(";")[0])
            case "K":
                self._lines[self._row] = ""
            case "J":
                self._lines.clear()
            case "h" | "l" if arguments == "?1049":
                self.other_screen = command == "h"

    @property
    def screen(self) -> str:
        return "\n".join(self._lines[row].rstrip() for row in range(1, self._rows + 1))

    @property
    def is_as_it_was(self) -> bool:
        """Whether the terminal is as it was found."""
        return termios.tcgetattr(self._keyboard) == self._modes and not self.other_screen

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        self._rows = rows
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    async def until(self, condition: Callable[[str], bool]) -> str:
        """Wait for a screen and return it."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition(self.screen):
                    self._seen.clear()
                    await self._seen.wait()
        except TimeoutError:
            raise AssertionError(f"never came; there is:\n{self.screen}") from None
        return self.screen

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._terminal)
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        os.close(self._terminal)
        os.close(self._keyboard)


WatchedT = TypeVar("WatchedT", bound=Watched)


class Painted(Watched):
    """A program that writes anywhere on its screen, as a library does that draws what has changed."""

    def __init__(self, *arguments: Any) -> None:
        self._cells: dict[tuple[int, int], str] = {}
        self._column = 1
        self.written = ""
        super().__init__(*arguments)

    def _take(self, text: str) -> None:
        self.written += text
        for sequence, arguments, command, character in _PAINTED.findall(text):
            if character == "\r":
                self._column = 1
            elif character == "\n":
                self._row += 1
            elif character:
                self._cells[self._row, self._column] = character
                self._column += 1
            elif sequence and command:
                self._obey(command, arguments)

    def _obey(self, command: str, arguments: str) -> None:
        match command:
            case "H":
                row, _, column = arguments.partition(";")
                self._row, self._column = int(row or 1), int(column or 1)
            case "J":
                self._cells.clear()
            case _:
                super()._obey(command, arguments)

    @property
    def screen(self) -> str:
        width = max((column for _, column in self._cells), default=0)
        rows = (
            "".join(self._cells.get((r, c), " ") for c in range(1, width + 1))
            for r in range(1, self._rows + 1)
        )
        return "\n".join(row.rstrip() for row in rows)

    def resize(self, columns: int, rows: int) -> None:
        self._cells.clear()
        super().resize(columns, rows)


def on_terminal(*arguments: str, broker: Mosquitto) -> AbstractAsyncContextManager[Watched]:
    """Run the command line on a terminal of 80 columns and 24 rows."""
    return _run(Watched, *arguments, broker=broker, stderr=subprocess.PIPE)


def painting(*arguments: str, broker: Mosquitto, **environment: str) -> AbstractAsyncContextManager[Painted]:
    """Run the command line on such a terminal, which has its errors too."""
    return _run(Painted, *arguments, broker=broker, stderr=None, **environment)


@asynccontextmanager
async def _run(
    kind: type[WatchedT], *arguments: str, broker: Mosquitto, stderr: int | None, **environment: str
) -> AsyncIterator[WatchedT]:
    terminal, keyboard = open_terminal()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = await asyncio.create_subprocess_exec(
        CONCHE,
        *arguments,
        stdin=keyboard,
        stdout=keyboard,
        stderr=keyboard if stderr is None else stderr,
        start_new_session=True,
        # A session leader that opens no terminal has none: this one is to get the signals of its keys.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        env=environment_of(broker) | {"TERM": "xterm-256color"} | environment,
    )
    watched = kind(process, terminal, keyboard)
    try:
        yield watched
    finally:
        await watched.close()
