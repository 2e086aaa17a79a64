"""The files of the config directory: each is read once and kept until its content changes.

Whoever renders reads through here, so that every file and every absence that mattered is known, and a later
look at just those tells what has changed, with or without a word from the file system.
"""

import contextlib
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Self

from .problems import Problem, ProblemError

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""Size of one file; a guess, far above any real one."""

UNTRUSTED_NS: Final = 2_000_000_000
"""A file that changed less than this before it was read is read again at the next look: it may change once more
within the same tick of its clock, which is up to 2 s on some file systems."""

Stamp = tuple[int, ...]
"""What tells one state of a file from another without reading it."""


_LAID: Final[Stamp] = (0, 0)
"""Of a file that is not on disk."""

_DANGLING: Final[Stamp] = (0,)
"""Of a link to nothing."""


@dataclass(frozen=True, slots=True)
class _Entry:
    stamp: Stamp | None
    data: bytes | None = None
    trouble: str | None = None
    trusted: bool = True

    @property
    def content(self) -> tuple[bool, bytes | None, str | None]:
        """What matters to a reader."""
        return self.stamp is None, self.data, self.trouble


@dataclass(frozen=True, slots=True)
class Changes:
    """What a look at the files found.

    Parameters
    ----------
    names
        Files whose content has changed, that are new or are gone.
    unripe
        Whether one was written to a moment ago, so that it may be half written, and others with it still to
        come; all count as they were.
    """

    names: frozenset[str]
    unripe: bool = False


def check_inside(name: str) -> str | None:
    """Return why a name can't be that of a file in the config directory, or None."""
    path = PurePosixPath(name)
    if not name or "\0" in name or "\\" in name:
        return "is not a file name"
    if path.is_absolute() or ".." in path.parts:
        return "leads out of the config directory; names start at its top"
    if any(part.startswith(".") for part in path.parts):
        return "is a hidden file"
    return None


class Files:
    """Reads the files of one directory.

    Not for several threads at once.

    Parameters
    ----------
    root
        The config directory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, _Entry] = {}
        self._laid: dict[str, _Entry] = {}
        """By its real path, what stands in place of what is on disk."""
        self._recorded: set[str] = set()

    @property
    def root(self) -> Path:
        """The config directory."""
        return self._root

    def overlaid(self, files: Mapping[str, bytes | None]) -> Self:
        """Return the directory as it would be if some files had other content, None for one that is gone."""
        other, places = type(self)(self._root), RealPaths(self._root)
        other._laid = {places.of(name): _laid(data) for name, data in files.items()}
        touched = self.names_of(files)
        other._known = {name: entry for name, entry in self._known.items() if name not in touched}
        return other

    def names_of(self, files: Iterable[str]) -> frozenset[str]:
        """Return files with all names by which they were read or looked for: those of links to them too."""
        places, wanted = RealPaths(self._root), set(files)
        paths = {places.of(name) for name in wanted}
        return frozenset(wanted | {name for name in self._known if places.of(name) in paths})

    def real_name(self, name: str) -> str:
        """Return the name in the directory of the file to which a name leads, links followed.

        Raises
        ------
        ProblemError
            It leads out of the directory.
        """
        path, root = RealPaths(self._root).of(name), os.path.realpath(self._root)
        if not path.startswith(f"{root}{os.sep}"):
            words = f"is a link to {path}, outside of the config directory"
            raise ProblemError(Problem(name, words))
        return os.path.relpath(path, root)

    def take_over(self, files: Mapping[str, bytes | None]) -> frozenset[str]:
        """Take in what was just written to files, and nothing that somebody else has written; return what changed.

        Where somebody has written to one of them since, the next `refresh` finds that.
        """
        changed, places = set(), RealPaths(self._root)
        wanted = {places.of(name): data for name, data in files.items()}
        for name, before in list(self._known.items()):
            if (path := places.of(name)) in wanted:
                found, data = self._load(name), wanted[path]
                after = found if not found.trouble and found.data == data else _laid(data)
                self._known[name] = after
                if before.content != after.content:
                    changed.add(name)
        return frozenset(changed)

    @contextlib.contextmanager
    def recording(self) -> Iterator[set[str]]:
        """Collect the names that are read or looked for meanwhile."""
        outer, self._recorded = self._recorded, set()
        try:
            yield self._recorded
        finally:
            outer |= self._recorded
            self._recorded = outer

    def exists(self, name: str) -> bool:
        """Tell whether there is anything of that name, be it a directory or a dangling link."""
        return self._entry(name).stamp is not None

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None where there is none.

        Raises
        ------
        ProblemError
            There is something, but it can't be read.
        """
        entry = self._entry(name)
        if entry.trouble:
            raise ProblemError(Problem(name, entry.trouble))
        return entry.data

    def text(self, name: str) -> str | None:
        """Return the text of a file, or None where there is none.

        Raises
        ------
        ProblemError
            There is something, but it can't be read as UTF-8.
        """
        data = self.read(name)
        try:
            return data if data is None else data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            words = f"is not UTF-8 (byte 0x{error.object[error.start]:02x}); save it as UTF-8"
            raise ProblemError(Problem(name, words, line=line)) from None

    def refresh(self, *, ripe_s: float = 0.0) -> Changes:
        """Look again at everything that was read or looked for.

        Parameters
        ----------
        ripe_s
            Take nothing in while a changed file was written to within this time [s].
        """
        now = time.time_ns()
        stamps = {name: _stamp(self._root / name) for name in self._known}
        moved = {name for name, entry in self._known.items() if stamps[name] != entry.stamp}
        if any(_age_ns(stamps[name], now) < ripe_s * 1e9 for name in moved):
            return Changes(frozenset(), unripe=True)
        doubtful = {name for name, entry in self._known.items() if not entry.trusted}
        return Changes(frozenset(name for name in moved | doubtful if self._reload(name)))

    def _reload(self, name: str) -> bool:
        """Read a file again; return whether it says something else."""
        before, after = self._known[name], self._load(name)
        self._known[name] = after
        return before.content != after.content

    def keep(self, names: set[str]) -> None:
        """Forget all files but these."""
        self._known = {name: entry for name, entry in self._known.items() if name in names}

    def _entry(self, name: str) -> _Entry:
        self._recorded.add(name)
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._load(name)
        return found

    def _load(self, name: str) -> _Entry:
        path = self._root / name
        if self._laid and (laid := self._laid.get(RealPaths(self._root).of(name))) is not None:
            is_dangling = laid.stamp is None and path.is_symlink()
            return _Entry(_DANGLING, trouble=_gone(path)) if is_dangling else laid
        stamp = _stamp(path)  # before reading: what changes meanwhile is seen at the next look
        if stamp is None:
            return _Entry(None)
        trusted = _age_ns(stamp, time.time_ns()) > UNTRUSTED_NS
        try:
            return _Entry(stamp, data=_read(self._root, path), trusted=trusted)
        except _Unreadable as error:
            return _Entry(stamp, trouble=str(error), trusted=trusted)


class RealPaths:
    """Where names of a directory lead, links followed; each folder is looked up once.

    Parameters
    ----------
    root
        The directory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Return the path of a file, be it there or not."""
        folder, base = os.path.split(os.path.join(self._root, name))
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        path = os.path.join(self._folders[folder], base)
        return os.path.realpath(path) if os.path.islink(path) else path


def _laid(data: bytes | None) -> _Entry:
    """Return the entry of a file that has, or lacks, other content than the disk says."""
    return _Entry(None if data is None else _LAID, data)


class _Unreadable(Exception):
    """There is something of that name which is no readable file."""


def _stamp(path: Path) -> Stamp | None:
    """Return the state of a file, or None where there is none; a dangling link is something."""
    try:
        found = os.stat(path)
    except NotADirectoryError:
        return None
    except FileNotFoundError:
        return _DANGLING if path.is_symlink() else None
    except OSError as error:
        return (error.errno or 0,)
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)


def _age_ns(stamp: Stamp | None, now: int) -> float:
    """Return how long ago a file was written; one from the future is taken to be old."""
    if stamp is None or len(stamp) == 1 or stamp[0] > now:
        return float("inf")
    return now - stamp[0]


def _read(root: Path, path: Path) -> bytes:
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root.resolve()):
            raise _Unreadable(f"is a link to {real}, outside of the config directory: copy the file")
        found = real.stat()
        if stat.S_ISDIR(found.st_mode):
            raise _Unreadable("is a directory, not a file")
        if not stat.S_ISREG(found.st_mode):
            raise _Unreadable("is not a regular file")
        if found.st_size > MAX_FILE_BYTES:
            raise _Unreadable(f"is larger than {MAX_FILE_BYTES} bytes")
        return real.read_bytes()
    except FileNotFoundError:
        raise _Unreadable(_gone(path)) from None
    except (OSError, RuntimeError) as error:  # RuntimeError: pathlib's word for a loop of links
        raise _Unreadable(f"can't be read: {getattr(error, 'strerror', None) or error}") from None


def _gone(path: Path) -> str:
    if path.is_symlink():
        return f"is a link to {os.readlink(path)}, which does not exist"
    return "went away while it was read"
