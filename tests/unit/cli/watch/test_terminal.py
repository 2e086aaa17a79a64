"""A terminal, and how it is left."""

import os
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from conche.cli.watch.frame import Size
from conche.cli.watch.terminal import Terminal
from tests.terminals import open_terminal

SIZE = Size(20, 3)


class Paper:
    """A file instead of a screen."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = 0
        self.file = path.open("w")

    def terminal(self, keyboard: int | None = None) -> Terminal:
        out = Console(file=self.file, force_terminal=True, width=20, highlight=False)
        return Terminal(out, keyboard=keyboard)

    def written(self) -> str:
        """What was written since the last time."""
        text = self._path.read_text()[self._seen :]
        self._seen += len(text)
        return text


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[Paper]:
    one = Paper(tmp_path / "screen")
    yield one
    one.file.close()


@pytest.fixture
def pty() -> Iterator[tuple[int, int]]:
    person, program = open_terminal()
    yield person, program
    os.close(person)
    os.close(program)


def test_it_is_taken_over_and_given_back(paper: Paper, pty: tuple[int, int]):
    _, keyboard = pty
    found = termios.tcgetattr(keyboard)
    with paper.terminal(keyboard):
        assert paper.written() == "\x1b[?1049h\x1b[?25l\x1b[2J"
        assert termios.tcgetattr(keyboard) != found
    assert paper.written() == "\x1b[?25h\x1b[?1049l"
    assert termios.tcgetattr(keyboard) == found


def test_it_is_given_back_whatever_happens(paper: Paper, pty: tuple[int, int]):
    _, keyboard = pty
    found = termios.tcgetattr(keyboard)
    with pytest.raises(ZeroDivisionError), paper.terminal(keyboard):
        raise ZeroDivisionError
    assert paper.written().endswith("\x1b[?25h\x1b[?1049l")
    assert termios.tcgetattr(keyboard) == found


def test_what_is_typed_comes_at_once(paper: Paper, pty: tuple[int, int]):
    person, keyboard = pty
    with paper.terminal(keyboard) as one:
        os.write(person, b"w")
        assert one.keys() == b"w"


def test_only_lines_that_have_changed_are_written(paper: Paper):
    with paper.terminal() as one:
        one.draw([Text("one"), Text("two"), Text("three")], SIZE)
        assert paper.written().endswith("\x1b[1;1H\x1b[Kone\x1b[2;1H\x1b[Ktwo\x1b[3;1H\x1b[Kthree")
        one.draw([Text("one"), Text("two"), Text("three")], SIZE)
        assert paper.written() == ""
        one.draw([Text("one"), Text("2"), Text("three")], SIZE)
        assert paper.written() == "\x1b[2;1H\x1b[K2"
        one.draw([Text("one"), Text(""), Text("three")], SIZE)
        assert paper.written() == "\x1b[2;1H\x1b[K"


def test_after_something_else_was_there_everything_is_written(paper: Paper):
    with paper.terminal() as one:
        one.draw([Text("one"), Text("two"), Text("three")], SIZE)
        paper.written()
        one.forget()
        one.draw([Text("one"), Text("two"), Text("three")], SIZE)
        assert paper.written().startswith("\x1b[2J\x1b[1;1H\x1b[Kone")
        one.draw([Text("one"), Text("two")], Size(20, 2))
        assert paper.written().startswith("\x1b[2J\x1b[1;1H\x1b[Kone")


def test_a_terminal_that_tells_no_size_has_the_usual_one(paper: Paper):
    assert paper.terminal().size == Size(80, 24)
