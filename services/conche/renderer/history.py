"""The history of the config directory: every change is a git commit, with who made it and why.

The directory is a repository of its own; one that is none yet becomes one. A directory inside another repository is
left alone: its commits would be mixed with others'.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final

import pygit2
from pygit2.enums import DeltaStatus, FileStatus, RepositoryState, SortMode

from .nodes import FILE as NODES_FILE

BY_HAND: Final = "by hand"
"""Author of what somebody wrote into the directory past conche."""

CONCHE: Final = "conche"
"""Committer of everything."""

DOMAIN: Final = "conche.invalid"
"""Of the mail addresses that git asks for; nobody is reached there."""

SUFFIXES: Final = (".yaml", ".yml", ".j2")
STORED_FOLDER: Final = ".updatable"
BRANCH: Final = "main"
NAMED_FILES: Final = 3

_UNCHANGED: Final = FileStatus.CURRENT | FileStatus.IGNORED


class HistoryError(Exception):
    """The history can't be read or written; says why and what to do."""


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


class History:
    """The git repository in a config directory.

    Not for several threads at once.

    Parameters
    ----------
    root
        The config directory.
    """

    def __init__(self, root: Path) -> None:
        # Who may write here is the file system's to say; in a container the directory is often another user's.
        pygit2.settings.owner_validation = False
        self._root = root
        self._repository: pygit2.Repository | None = None

    def take_edits(self) -> Commit | None:
        """Commit what was changed past conche; return the commit, or None where nothing was.

        Raises
        ------
        HistoryError
            Nothing was committed.
        """
        with _words(self._root):
            changed = {
                path: flags
                for path, flags in self._open().status(untracked_files="all").items()
                if not flags & _UNCHANGED and is_config_file(path)
            }
            if not changed:
                return None
            names = sorted(changed)
            return self._commit(names, author=BY_HAND, message=f"Edited by hand: {_listed(names)}")

    def commit(
        self, paths: Iterable[str], *, author: str, subject: str, reason: str = "", **trailers: str
    ) -> Commit | None:
        """Commit files that conche has written; return the commit, or None where nothing differs.

        Parameters
        ----------
        paths
            Relative to the directory.
        author
            The person or account that wanted it.
        subject
            What was done, in one line.
        reason
            Why.
        trailers
            What to find it by: ``command_id`` becomes ``Command-Id``.

        Raises
        ------
        HistoryError
            Nothing was committed.
        """
        parts = [subject, reason.strip(), "\n".join(f"{_trailer(k)}: {v}" for k, v in trailers.items())]
        with _words(self._root):
            return self._commit(
                sorted(paths), author=author, message="\n\n".join(part for part in parts if part)
            )

    def log(self, *, path: str | None = None) -> Iterator[Commit]:
        """Yield commits, the newest first; with a path those that changed it, or anything below it.

        Raises
        ------
        HistoryError
            It can't be read.
        """
        with _words(self._root):
            repository = self._open()
            if repository.head_is_unborn:
                return
            for commit in repository.walk(repository.head.target, SortMode.TOPOLOGICAL | SortMode.TIME):
                told = _told(commit)
                if path is None or any(PurePosixPath(p).is_relative_to(path) for p in told.paths):
                    yield told

    def find(self, revision: str) -> Commit:
        """Return the commit of a git revision, such as the first digits of its name, or ``HEAD~2``.

        Raises
        ------
        HistoryError
            There is no such commit.
        """
        with _words(self._root):
            repository = self._open()
            return _told(_resolved(repository, revision))

    def text_at(self, revision: str, path: str) -> bytes | None:
        """Return a file as it was at a commit, or None where there was none.

        Raises
        ------
        HistoryError
            There is no such commit.
        """
        with _words(self._root):
            repository = self._open()
            try:
                found = _resolved(repository, revision).tree / path
            except KeyError:
                return None
            return found.data if isinstance(found, pygit2.Blob) else None

    def patch(self, revision: str) -> str:
        """Return what a commit changed, as a unified diff.

        Raises
        ------
        HistoryError
            There is no such commit.
        """
        with _words(self._root):
            repository = self._open()
            return _diff(_resolved(repository, revision)).patch or ""

    def _open(self) -> pygit2.Repository:
        if self._repository is None or not (self._root / ".git").exists():
            self._repository = self._found() or pygit2.init_repository(self._root, initial_head=BRANCH)
        return self._repository

    def _found(self) -> pygit2.Repository | None:
        if not self._root.is_dir():
            raise HistoryError(f"the config directory {self._root} is not there")
        if (self._root / ".git").exists():
            return pygit2.Repository(str(self._root))
        if not (self._root / NODES_FILE).is_file():
            raise HistoryError(
                f"{self._root} has no {NODES_FILE}: it gets a history once it is a config directory"
            )
        outer = pygit2.discover_repository(str(self._root))
        if outer is not None:
            raise HistoryError(
                f"{self._root} lies inside the git repository {Path(outer).parent}: make it one of its own "
                "('git init' in it), then conche keeps its history there"
            )
        return None

    def _commit(self, paths: Iterable[str], *, author: str, message: str) -> Commit | None:
        repository = self._open()
        if repository.state() is not RepositoryState.NONE:
            state = repository.state().name.lower().replace("_", " ")
            raise HistoryError(f"{self._root}: a git {state} is under way there; finish or abort it first")
        index = repository.index
        index.read(True)
        for path in paths:
            file = self._root / path
            if file.is_symlink() or file.is_file():
                index.add(path)
            elif path in index:
                index.remove(path)
        index.write()
        parents = [] if repository.head_is_unborn else [repository.head.target]
        tree = index.write_tree()
        if parents and repository[parents[0]].peel(pygit2.Tree).id == tree:
            return None
        name = repository.create_commit(
            "HEAD", _signature(author), _signature(CONCHE), message, tree, parents
        )
        return _told(repository[name].peel(pygit2.Commit))


def is_config_file(path: str) -> bool:
    """Return whether a file belongs to a config directory, and is none that an editor or a download left."""
    *folders, name = PurePosixPath(path).parts
    if name.startswith(".") or any(f.startswith(".") and f != STORED_FOLDER for f in folders):
        return False
    if folders[:1] == [STORED_FOLDER]:
        return name.endswith(".json")
    return name.endswith(SUFFIXES)


class _words:
    """Puts what git says into words that an operator can act on."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, pygit2.GitError):
            lock = self._root / ".git/index.lock"
            if "lock" in str(error):
                raise HistoryError(
                    f"{self._root}: another git works there (if none does, one has died: remove {lock})"
                ) from None
            raise HistoryError(f"{self._root}: git: {error}") from None
        if isinstance(error, OSError | ValueError | LookupError):  # Unicode errors are ValueErrors
            raise HistoryError(f"{self._root}: git: {error}") from None


def _signature(name: str) -> pygit2.Signature:
    address = "".join(c if c.isalnum() or c in "._-" else "-" for c in name)
    return pygit2.Signature(name, f"{address}@{DOMAIN}")


def _resolved(repository: pygit2.Repository, revision: str) -> pygit2.Commit:
    try:
        return repository.revparse_single(revision).peel(pygit2.Commit)
    except (KeyError, ValueError, pygit2.GitError):
        raise HistoryError(f"there is no commit {revision!r}; 'conche log' lists them") from None


def _diff(commit: pygit2.Commit) -> pygit2.Diff:
    """Return what a commit changed against its first parent."""
    if commit.parents:
        return commit.parents[0].tree.diff_to_tree(commit.tree)
    return commit.tree.diff_to_tree(swap=True)


def _told(commit: pygit2.Commit) -> Commit:
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
            for delta in _diff(commit).deltas
        ),
    )


def _trailers(paragraph: str) -> dict[str, str]:
    pairs = [line.partition(": ") for line in paragraph.splitlines()]
    if not all(separator and " " not in key for key, separator, _ in pairs):
        return {}
    return {key: value for key, _, value in pairs}


def _trailer(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("_"))


def _listed(names: list[str]) -> str:
    more = len(names) - NAMED_FILES
    shown = [name.encode("utf-8", "backslashreplace").decode() for name in names[:NAMED_FILES]]
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
