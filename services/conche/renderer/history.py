"""The history of the config directory: every change is a git commit, with who made it and why.

The directory is a repository of its own; one that is none yet becomes one. A directory inside another repository is
left alone, unless that ignores it: its commits would be mixed with others'.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

import pygit2
from pygit2.enums import FileMode, FileStatus, RepositoryState, SortMode

from .commits import Commit, diff_of, told, trailers_in
from .configfiles import is_config_file
from .gittrees import blob_of, files_of, has_changed, id_of, itself_and_above
from .gitwords import HistoryError, in_words, listed, message_of, signature_of
from .nodes import FILE as NODES_FILE

BY_HAND: Final = "by hand"
"""Author of what somebody wrote into the directory past conche."""

CONCHE: Final = "conche"
"""Committer of everything."""

BRANCH: Final = "main"

LOOKED_THROUGH: Final = 10_000
"""Commits that are looked through for something; a guess: years of changes."""

_UNCHANGED: Final = FileStatus.CURRENT | FileStatus.IGNORED


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
        self._identity: object = None

    def take_edits(self) -> Commit | None:
        """Commit what was changed past conche; return the commit, or None where nothing was.

        Raises
        ------
        HistoryError
            Nothing was committed.
        """
        with in_words(self._root):
            changed = {
                path: flags
                for path, flags in self._open().status(untracked_files="all").items()
                if not flags & _UNCHANGED and is_config_file(path)
            }
            if not changed:
                return None
            names = sorted(changed)
            message = message_of(f"Edited by hand: {listed(names)}", "", {"edited": BY_HAND})
            return self._commit(names, author=BY_HAND, message=message)

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
            What to find it by, at least one: ``command_id`` becomes ``Command-Id``.

        Raises
        ------
        HistoryError
            Nothing was committed.
        """
        if not trailers:
            raise ValueError("a commit needs a trailer, so that nothing in its reason is taken for one")
        with in_words(self._root):
            return self._commit(sorted(paths), author=author, message=message_of(subject, reason, trailers))

    def log(self, *, path: str | None = None) -> Iterator[Commit]:
        """Yield the last commits, the newest first; with a path those that changed it, or anything below it.

        Raises
        ------
        HistoryError
            It can't be read.
        """
        with in_words(self._root):
            wanted = str(PurePosixPath(path or ""))
            for commit in islice(self._walk(), LOOKED_THROUGH):
                if has_changed(commit, wanted):
                    yield told(commit)

    def find(self, revision: str) -> Commit:
        """Return the commit of a git revision, such as the first digits of its name, or ``HEAD~2``.

        Raises
        ------
        HistoryError
            There is no such commit.
        """
        with in_words(self._root):
            repository = self._open()
            return told(_resolved(repository, revision))

    def known_commands(self) -> dict[str, tuple[str, dict[str, str]]]:
        """Return by id the commit of each command among the last commits, and its trailers.

        Raises
        ------
        HistoryError
            It can't be read.
        """
        return {
            trailers["Command-Id"]: (commit, trailers)
            for commit, trailers in self._trailers(LOOKED_THROUGH)
            if "Command-Id" in trailers
        }

    def _trailers(self, at_most: int) -> list[tuple[str, dict[str, str]]]:
        """Return the last commits of ours and their trailers, the oldest first."""
        with in_words(self._root):
            commits = [c for c in islice(self._walk(), at_most) if c.committer.name == CONCHE]
            return [(str(commit.id), trailers_in(commit.message)) for commit in reversed(commits)]

    def changed_since(self, revision: str) -> list[str]:
        """Return those of the files of a commit that are others by now.

        Raises
        ------
        HistoryError
            There is no such commit.
        """
        with in_words(self._root):
            then = _resolved(self._open(), revision)
            now = _resolved(self._open(), "HEAD")
            return [path for path in told(then).paths if id_of(then, path) != id_of(now, path)]

    def head(self) -> str | None:
        """Return the newest commit, or None where there is none yet.

        Raises
        ------
        HistoryError
            It can't be read.
        """
        with in_words(self._root):
            repository = self._open()
            return None if repository.head_is_unborn else str(repository.head.target)

    def earlier(
        self, paths: Iterable[str], *, fits: Callable[[str, bytes | None], bool], at_most: int
    ) -> dict[str, bytes | None]:
        """Return for each of some files the newest version that fits, None for no file; one that has none is left out.

        Parameters
        ----------
        paths
            The files.
        fits
            Asked of each version of each file, the newest first.
        at_most
            Commits that are looked through.

        Raises
        ------
        HistoryError
            It can't be read.
        """
        with in_words(self._root):
            left: dict[str, object] = dict.fromkeys(paths, self)
            found: dict[str, bytes | None] = {}
            for commit in islice(self._walk(), at_most):
                for path, last in list(left.items()):
                    blob = blob_of(commit, path)
                    name = None if blob is None else blob.id
                    if name == last:
                        continue
                    left[path] = name
                    data = None if blob is None else blob.data
                    if fits(path, data):
                        found[path] = data
                        del left[path]
                if not left:
                    break
            return found

    def files_at(self, revision: str, *, paths: Sequence[str] = ()) -> dict[str, bytes | None]:
        """Return the config files as they were at a commit, None for one that came later.

        Parameters
        ----------
        paths
            Only these, or what lies below them; none for all.

        Raises
        ------
        HistoryError
            There is no such commit.
        """
        with in_words(self._root):
            repository = self._open()
            commits = [_resolved(repository, name) for name in (revision, "HEAD")]
            chosen_paths = {str(PurePosixPath(path)) for path in paths}
            then, now = (dict(files_of(repository, commit.tree)) for commit in commits)
            chosen = {
                name: then.get(name)
                for name in sorted(then.keys() | now.keys())
                if not paths or not chosen_paths.isdisjoint(itself_and_above(name))
            }
            return {name: None if blob is None else blob.data for name, blob in chosen.items()}

    def text_at(self, revision: str, path: str) -> bytes | None:
        """Return a file as it was at a commit, or None where there was none.

        Raises
        ------
        HistoryError
            There is no such commit.
        """
        with in_words(self._root):
            repository = self._open()
            blob = blob_of(_resolved(repository, revision), path)
            return None if blob is None else blob.data

    def patch(self, revision: str) -> str:
        """Return what a commit changed, as a unified diff.

        Raises
        ------
        HistoryError
            There is no such commit.
        """
        with in_words(self._root):
            repository = self._open()
            return diff_of(_resolved(repository, revision)).patch or ""

    def _open(self) -> pygit2.Repository:
        """Return the repository that is there now: the directory may have been replaced by another."""
        if self._repository is None or self._identity != self.identity():
            self._repository = self._found() or pygit2.init_repository(self._root, initial_head=BRANCH)
            self._identity = self.identity()
        return self._repository

    def identity(self) -> object:
        """Return what tells the repository that is there from any other, None where there is none."""
        try:
            return tuple(
                (found.st_dev, found.st_ino) for found in map(os.stat, (self._root, self._root / ".git"))
            )
        except OSError:
            return None

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
        if outer is not None and not _ignores(outer, self._root):
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
        tree = self._tree(repository, list(paths))
        parents = [] if repository.head_is_unborn else [repository.head.target]
        if parents and repository[parents[0]].peel(pygit2.Tree).id == tree:
            return None
        name = repository.create_commit(
            "HEAD", signature_of(author), signature_of(CONCHE), message, tree, parents
        )
        return told(repository[name].peel(pygit2.Commit))

    def _tree(self, repository: pygit2.Repository, paths: list[str]) -> pygit2.Oid:
        """Return the tree of the newest commit with these files as they are on disk.

        The person's index follows for these files alone: what he has staged beside them stays staged.
        """
        index, his = pygit2.Index(), repository.index
        his.read(True)
        if not repository.head_is_unborn:
            index.read_tree(repository.head.peel(pygit2.Tree))
        blobs: dict[bytes, pygit2.Oid] = {}
        for path in paths:
            entry = self._entry(repository, path, blobs)
            for one in (index, his):
                if entry is not None:
                    one.add(entry)
                elif path in one:
                    one.remove(path)
        his.write()
        return index.write_tree(repository)

    def _entry(
        self, repository: pygit2.Repository, path: str, blobs: dict[bytes, pygit2.Oid]
    ) -> pygit2.IndexEntry | None:
        """Return what stands in a tree for a file; equal files share a blob, which is written once."""
        file = self._root / path
        if file.is_symlink():
            return pygit2.IndexEntry(path, repository.create_blob_fromworkdir(path), FileMode.LINK)
        try:
            data, mode = file.read_bytes(), file.stat().st_mode
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        if data not in blobs:
            blobs[data] = repository.create_blob(data)
        kind = FileMode.BLOB_EXECUTABLE if mode & 0o100 else FileMode.BLOB
        return pygit2.IndexEntry(path, blobs[data], kind)

    def _walk(self) -> Iterator[pygit2.Commit]:
        repository = self._open()
        if not repository.head_is_unborn:
            yield from repository.walk(repository.head.target, SortMode.TOPOLOGICAL | SortMode.TIME)


def _resolved(repository: pygit2.Repository, revision: str) -> pygit2.Commit:
    try:
        return repository.revparse_single(revision).peel(pygit2.Commit)
    except (KeyError, ValueError, pygit2.GitError):
        raise HistoryError(f"there is no commit {revision!r}; 'conche log' lists them") from None


def _ignores(repository: str, folder: Path) -> bool:
    """Return whether a repository takes no note of a folder in it."""
    outer = pygit2.Repository(repository)
    if outer.is_bare:
        return False
    inside = folder.resolve().relative_to(Path(outer.workdir).resolve())
    return outer.path_is_ignored(f"{inside}/")
