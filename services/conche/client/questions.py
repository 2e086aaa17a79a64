"""What questions to renderer and journal are answered with."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from conche.contract import Events, JournalEntry, LoggedCommit

PAGE: Final = 1000
"""Entries in one answer of the journal, at most."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A commit of the config directory, and what it changed as a unified diff."""

    commit: LoggedCommit
    patch: str


@dataclass(frozen=True, slots=True)
class Files:
    """Files of the config directory.

    Parameters
    ----------
    texts
        By name; None where there is no such file.
    commit
        At which they stand: what an edit of them starts from. None where no history is kept.
    """

    texts: Mapping[str, str | None]
    commit: str | None


@dataclass(frozen=True, slots=True)
class Digests:
    """What the texts of files of the config directory are known by.

    Parameters
    ----------
    by_name
        As `conche.contract.text_digest` has it; None where there is no such file.
    commit
        At which they stand: what an edit of them starts from. None where no history is kept.
    """

    by_name: Mapping[str, str | None]
    commit: str | None


async def newest(
    ask: Callable[[Events], Awaitable[Sequence[JournalEntry]]], wish: Events, *, limit: int
) -> list[JournalEntry]:
    """Return the newest entries of the journal, the oldest of them first, page by page."""
    found: list[JournalEntry] = []
    while len(found) < limit:
        before = found[-1].number if found else wish.before
        page = await ask(replace(wish, before=before, limit=min(PAGE, limit - len(found))))
        if not page:
            break
        found += page
    return found[::-1]
