"""What is wrong in a config directory, in words that name file, line, key and remedy."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NAMED_NODES: Final = 3
"""Nodes that a problem of many names."""


class Severity(StrEnum):
    """What a problem means for the nodes that it concerns."""

    ERROR = "error"
    """They get no config."""
    WARNING = "warning"
    """They get one, but somebody should look."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Parameters
    ----------
    file
        Path of the file at fault, relative to the config directory.
    words
        What is wrong and what would be right.
    line
        Line in that file, from 1, where known.
    key
        Path of the key at fault, where there is one.
    severity
        What it means.
    nodes
        ``group/node`` of those that it concerns; none for the whole directory.
    """

    file: str
    words: str
    line: int | None = None
    key: str | None = None
    severity: Severity = Severity.ERROR
    nodes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"

    @property
    def where(self) -> str:
        """File and line."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    @property
    def what(self) -> str:
        """Key and words."""
        return self.words if self.key is None else f"{self.key}: {self.words}"


class ProblemError(Exception):
    """Ends the rendering of one node.

    Parameters
    ----------
    problem
        Why.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Return those that are errors."""
    return [problem for problem in problems if problem.severity is Severity.ERROR]


def some_of(names: Iterable[str], *, at_most: int = NAMED_NODES) -> str:
    """Return names for a sentence: the first few, and how many more there are."""
    known = list(names)
    more = len(known) - at_most
    return ", ".join(known[:at_most]) + (f" and {more} more" if more > 0 else "")
