"""What is typed while a live status is shown, and what it does to the view."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final


class Key(Enum):
    """What a key means."""

    UP = auto()
    DOWN = auto()
    PAGE_UP = auto()
    PAGE_DOWN = auto()
    HOME = auto()
    END = auto()
    WRONG = auto()
    ALL = auto()
    WORDS = auto()
    BACK = auto()
    REDRAW = auto()
    LEAVE = auto()


_SEQUENCES: Final = {
    b"\x1b[A": Key.UP, b"\x1bOA": Key.UP, b"\x1b[B": Key.DOWN, b"\x1bOB": Key.DOWN,
    b"\x1b[5~": Key.PAGE_UP, b"\x1b[6~": Key.PAGE_DOWN,
    b"\x1b[H": Key.HOME, b"\x1bOH": Key.HOME, b"\x1b[1~": Key.HOME, b"\x1b[7~": Key.HOME,
    b"\x1b[F": Key.END, b"\x1bOF": Key.END, b"\x1b[4~": Key.END, b"\x1b[8~": Key.END,
}  # fmt: skip
"""What terminals send, those of xterm, the Linux console, screen and rxvt."""

_LETTERS: Final = {
    b"k": Key.UP, b"j": Key.DOWN, b"b": Key.PAGE_UP, b" ": Key.PAGE_DOWN, b"g": Key.HOME, b"G": Key.END,
    b"w": Key.WRONG, b"a": Key.ALL, b"\r": Key.WORDS, b"\n": Key.WORDS, b"\x0c": Key.REDRAW,
    b"q": Key.LEAVE, b"Q": Key.LEAVE,
}  # fmt: skip
"""Letters, those of less and vi; the last but two is Ctrl-L."""

_TO_THE_END: Final = 10**9
"""Lines; more than there ever are."""

_ESCAPE: Final = 0x1B
_LONGEST: Final = 16
"""Bytes of a sequence; what is longer is none."""


class Keyboard:
    """Makes keys of bytes; a sequence may come in parts."""

    def __init__(self) -> None:
        self._rest = b""

    def typed(self, data: bytes) -> list[Key]:
        """Return the keys that some bytes complete; those that mean nothing are passed over."""
        rest, found = self._rest + data, []
        while rest:
            length = _length(rest)
            if length > len(rest) and len(rest) < _LONGEST:
                break
            one, rest = rest[:length], rest[length:]
            key = Key.BACK if one == b"\x1b" else _SEQUENCES.get(one) or _LETTERS.get(one)
            if key is not None:
                found.append(key)
        self._rest = rest
        return found


def _length(data: bytes) -> int:
    """Return how long the key is with which some bytes begin, one more than there are if it is not complete."""
    if data[0] != _ESCAPE or len(data) == 1 or data[1:2] not in (b"[", b"O"):
        return 1
    if data[1:2] == b"O":
        return 3
    for index in range(2, len(data)):
        if 0x40 <= data[index] <= 0x7E:  # the last byte of a control sequence, by ECMA-48
            return index + 1
    return len(data) + 1


@dataclass
class Scroll:
    """Which line is chosen, and which are on the screen.

    The first line stays chosen, whatever it comes to be, until somebody moves; after that, what was chosen stays so
    and keeps its place on the screen while others come and go above it.
    """

    index: int = 0
    offset: int = 0
    page: int = 1
    _anchor: Hashable = None

    def move(self, by: int) -> None:
        """Choose another line, counted from the present one."""
        self.index = max(0, self.index + by)
        self._anchor = None

    def turn(self, pages: int) -> None:
        """Go to another page, and choose what stands at the same place there."""
        self.move(pages * self.page)
        self.offset = max(0, self.offset + pages * self.page)

    def settle(self, keys: Sequence[Hashable], page: int) -> None:
        """Adapt to the lines that there are now, and to how many fit.

        Parameters
        ----------
        keys
            What each line is about.
        page
            Lines on the screen.
        """
        if self._anchor is not None and self._anchor in keys:
            moved = keys.index(self._anchor) - self.index
            self.index += moved
            self.offset += moved
        self.page = max(1, page)
        self.index = max(0, min(self.index, len(keys) - 1))
        self.offset = max(0, min(self.offset, self.index, len(keys) - self.page))
        self.offset = max(self.offset, self.index - self.page + 1)
        self._anchor = keys[self.index] if self.index else None


@dataclass
class View:
    """What somebody wants to see.

    Parameters
    ----------
    wrong
        Only what somebody should look at.
    folded
        Nodes of a large group that are alike share a line.
    words
        All that there is to say of the chosen line.
    scroll
        Where.
    """

    wrong: bool = False
    folded: bool = True
    words: bool = False
    scroll: Scroll = field(default_factory=Scroll)

    def press(self, key: Key) -> None:
        """Take a key."""
        scroll = self.scroll
        match key:
            case Key.WRONG:
                self.wrong = not self.wrong
            case Key.ALL:
                self.folded = not self.folded
            case Key.WORDS:
                self.words = not self.words
            case Key.BACK:
                self.words = False
            case Key.PAGE_UP | Key.PAGE_DOWN:
                scroll.turn(1 if key is Key.PAGE_DOWN else -1)
            case Key.UP | Key.DOWN:
                scroll.move(1 if key is Key.DOWN else -1)
            case Key.HOME | Key.END:
                scroll.move(_TO_THE_END if key is Key.END else -_TO_THE_END)
