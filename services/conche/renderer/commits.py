"""One commit of the config directory's history, as people read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pygit2
from pygit2.enums import DeltaStatus


@dataclass(frozen=True, slots=True)
class Commit:
    """One change.

    Parameters
    ----------
    id
        Its name in git, 40 hexadecimal digits.
    at
        When it was made.
    author
        Who wanted it.
    subject
        First line of its message.
    reason
        The rest of it, without trailers.
    trailers
        What conche noted, such as the id of the command.
    paths
        Files that it changed.
    """

    id: str
    at: datetime
    author: str
    subject: str
    reason: str = ""
    trailers: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()


def diff_of(commit: pygit2.Commit) -> pygit2.Diff:
    """Return what a commit changed against its first parent."""
    if commit.parents:
        return commit.parents[0].tree.diff_to_tree(commit.tree)
    return commit.tree.diff_to_tree(swap=True)


def told(commit: pygit2.Commit) -> Commit:
    """Return what a commit says, and which files it changed."""
    subject, _, rest = commit.message.partition("\n")
    paragraphs = [p for p in rest.strip().split("\n\n") if p]
    trailers = _trailers(paragraphs[-1]) if paragraphs else {}
    return Commit(
        id=str(commit.id),
        at=datetime.fromtimestamp(commit.commit_time, UTC),
        author=commit.author.name,
        subject=subject,
        reason="\n\n".join(paragraphs[:-1] if trailers else paragraphs),
        trailers=trailers,
        paths=tuple(
            delta.old_file.path if delta.status is DeltaStatus.DELETED else delta.new_file.path
            for delta in diff_of(commit).deltas
        ),
    )


def trailers_in(message: str) -> dict[str, str]:
    """Return the trailers of a commit's message: its last paragraph, where that has nothing else."""
    paragraphs = [p for p in message.partition("\n")[2].strip().split("\n\n") if p]
    return _trailers(paragraphs[-1]) if paragraphs else {}


def _trailers(paragraph: str) -> dict[str, str]:
    pairs = [line.partition(": ") for line in paragraph.splitlines()]
    if not all(separator and " " not in key for key, separator, _ in pairs):
        return {}
    return {key: value for key, _, value in pairs}


def trailer_name(name: str) -> str:
    """Return how a trailer is called in git: ``command_id`` becomes ``Command-Id``."""
    return "-".join(part.capitalize() for part in name.split("_"))
