"""Words for git, and words of git that an operator can act on."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pygit2

from .commits import trailer_name

_LOCK: Final = re.compile(r"'([^']+\.lock)'")

NAMED_FILES: Final = 3

DOMAIN: Final = "conche.invalid"
"""Of the mail addresses that git asks for; nobody is reached there."""


class HistoryError(Exception):
    """The history can't be read or written; says why and what to do."""


@contextmanager
def in_words(root: Path) -> Iterator[None]:
    """Put what git says of a directory into words that an operator can act on.

    Raises
    ------
    HistoryError
        With these words.
    """
    try:
        yield
    except pygit2.GitError as error:
        if "lock" in str(error):
            named = _LOCK.search(str(error))
            lock = named[1] if named else root / ".git/index.lock"
            words = f"{root}: another git works there (if none does, one has died: remove {lock})"
            raise HistoryError(words) from None
        raise HistoryError(f"{root}: git: {error}") from None
    except (OSError, ValueError, LookupError) as error:  # Unicode errors are ValueErrors
        raise HistoryError(f"{root}: git: {error}") from None


def signature_of(name: str) -> pygit2.Signature:
    """Return who stands in a commit."""
    address = "".join(c if c.isalnum() or c in "._-" else "-" for c in name)
    return pygit2.Signature(name, f"{address}@{DOMAIN}")


def message_of(subject: str, reason: str, trailers: Mapping[str, str]) -> str:
    """Return a commit's message: one line, why, and a last paragraph in which nobody else can write."""
    lines = [f"{trailer_name(key)}: {_line(value)}" for key, value in trailers.items()]
    why = "\n".join(_line(line) for line in reason.strip().splitlines())
    return "\n\n".join(part for part in (_line(subject), why, "\n".join(lines)) if part)


def _line(text: str) -> str:
    """Return text without what would end a line, or the message."""
    return "".join(char if char.isprintable() else " " for char in text)


def listed(names: list[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - NAMED_FILES
    shown = [name.encode("utf-8", "backslashreplace").decode() for name in names[:NAMED_FILES]]
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
