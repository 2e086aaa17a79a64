"""Several files at once: all are written or none, also where the disk fills or the machine dies in the middle.

New content is written beside each file, and the old is kept beside it by a hard link. Then the record of what is to
be done is written, into the directory itself, and from there on it is only renames: all are carried out, or taken
back, now or as soon as the disk lets us. What somebody else changes meanwhile is never written over.
"""

import contextlib
import logging
import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from msgspec import DecodeError, Struct, ValidationError, field
from msgspec.json import decode, encode

from conche.storage import write_atomic

from .steps import (
    FileMoved,
    Step,
    clear,
    digest_of,
    leftovers,
    put_in_place,
    stage,
    sync_folders,
    take_back,
    words,
)

logger = logging.getLogger(__name__)

FILE: Final = ".conche-change.json"
"""In the config directory: it must be there as long as the files that it is about."""

NOTHING: Final = "nothing was changed"

WRITERS: Final = 16
"""Files that are made durable at once; most of the time of each is the disk's."""


class ChangeFailed(Exception):
    """Nothing was changed, or where that could not be taken back it says so; says why and what to do."""


class Note(Struct, frozen=True, kw_only=True):
    """What stands in the history about a change.

    Parameters
    ----------
    author
        Who wanted it.
    subject
        What it is, in one line.
    reason
        Why.
    trailers
        What to find it by, such as ``command_id``.
    """

    author: str
    subject: str
    reason: str = ""
    trailers: dict[str, str] = field(default_factory=dict)


class Record(Struct, frozen=True, kw_only=True):
    """A change that is being carried out."""

    tag: str
    steps: list[Step]
    folders: list[str]
    """Folders that it made, outermost first."""
    note: Note

    @property
    def names(self) -> list[str]:
        """Names of its files that are as it wants them."""
        return [step.name for step in self.steps if step.found() == step.after]

    @property
    def is_done(self) -> bool:
        """Whether all its files are as it wants them."""
        return all(step.found() == step.after for step in self.steps)


class ChangeSet:
    """Changes files of the config directory, one change at a time.

    Parameters
    ----------
    root
        The config directory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._file = root / FILE
        self._record: Record | None = None
        self._unreadable: object = None
        """Which record could not be read: it is left alone."""
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """What keeps a change half done, in words; None where none is. Its files must not be used."""
        return self._trouble

    def apply(
        self, files: Mapping[str, bytes | None], note: Note, *, before: Mapping[str, bytes | None]
    ) -> Record:
        """Write files; until `finish` it can be taken back.

        Parameters
        ----------
        files
            Name in the directory to new content, or None for one that goes.
        note
            For the history; a start after a crash needs it too.
        before
            What each file is thought to hold; what somebody wrote meanwhile is not written over.

        Raises
        ------
        ChangeFailed
            Nothing was changed, or it says what still is.
        """
        if self.is_half_done():
            raise ChangeFailed(f"{NOTHING}: {self._trouble or 'another change is half done'}; try again")
        tag = secrets.token_hex(4)
        steps: list[Step] = []
        folders: list[str] = []
        try:
            steps = self._steps(files, before, tag)
            _make_folders(steps, folders)
            _stage(steps, files)
            self._record = Record(tag=tag, steps=steps, folders=folders, note=note)
            write_atomic(self._file, encode(self._record))
        except (OSError, FileMoved) as error:
            self._discard(steps, folders)
            raise ChangeFailed(f"{self._outcome()}: {_said(error)}") from None
        try:
            put_in_place(steps)
        except (OSError, FileMoved) as error:
            raise ChangeFailed(f"{self.undo()}: {_said(error)}") from None
        return self._record

    def _discard(self, steps: Iterable[Step], folders: Iterable[str]) -> None:
        """Clear away what was only prepared; a record whose name could not be made durable goes too."""
        if self._record is not None and self._file.exists():
            self.undo()
        else:
            self._record = None
            clear(steps, folders)

    def is_half_done(self) -> bool:
        """Return whether there is a change that was neither completed nor taken back, of whatever process."""
        return self._record is not None or self._found() not in (None, self._unreadable)

    def finish(self) -> None:
        """Make it final."""
        if self._record is None:
            return
        with contextlib.suppress(OSError):  # the next look finds that all is done
            self._file.unlink(missing_ok=True)
        clear(self._record.steps, ())
        self._record = self._trouble = None

    def undo(self) -> str:
        """Bring every file back to what it was, but for what somebody has changed since.

        Returns
        -------
        str
            In words how that ended. Where the disk refuses it, `trouble` says so until a later `undo` succeeds.
        """
        if self._record is None:
            return NOTHING
        record, before = self._record, self._trouble
        try:
            for step in record.steps:
                take_back(step)
            sync_folders(record.steps)
            self._file.unlink(missing_ok=True)
        except OSError as error:
            self._trouble = f"a change ({record.note.subject}) can't be taken back yet: {words(error)}"
            if before is None:
                logger.error("%s: %s; it is tried again", self._root, self._trouble)
            return self._outcome()
        clear(record.steps, record.folders)
        self._record = self._trouble = None
        return NOTHING

    def _outcome(self) -> str:
        if self._trouble is None:
            return NOTHING
        return f"it is half done, and {self._trouble}; that is tried again, until then nothing is published"

    def recover(self) -> Record | None:
        """Look for a change that was neither completed nor taken back, and clear away what was only prepared.

        Returns
        -------
        Record or None
            That change; `finish` or `undo` is to follow.
        """
        if self._record is None:
            self._record = self._load()
            if self._record is not None:
                logger.warning("%s: a change was left half done: %s", self._root, self._record.note.subject)
            with contextlib.suppress(OSError):
                self._sweep(None if self._record is None else self._record.tag)
        return self._record

    def _found(self) -> object:
        """Return which record there is, None where there is none."""
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns

    def _load(self) -> Record | None:
        try:
            return decode(self._file.read_bytes(), type=Record)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValidationError, DecodeError, UnicodeDecodeError) as error:
            logger.warning("%s: can't be read, what it was about stays as it is: %s", self._file, error)
            self._unreadable = self._found()
            return None

    def _sweep(self, kept: str | None) -> None:
        """Remove what was prepared for changes of which nobody knows any more."""
        for path in leftovers(self._root):
            if kept is None or f".{kept}." not in path.name:
                path.unlink(missing_ok=True)

    def _steps(
        self, files: Mapping[str, bytes | None], before: Mapping[str, bytes | None], tag: str
    ) -> list[Step]:
        root = self._root.resolve()
        folders: dict[Path, Path] = {}
        steps = []
        for name, data in sorted(files.items()):
            path = self._root / name
            if path.parent not in folders:
                folders[path.parent] = path.parent.resolve()
            real = folders[path.parent] / path.name
            if real.is_symlink():
                real = real.resolve()
            if not real.is_relative_to(root):
                raise OSError(f"{name} is a link to {real}, outside of the config directory")
            was = digest_of(before.get(name))
            if was is None and real.exists():
                raise FileMoved(name)
            steps.append(Step(name=name, path=str(real), tag=tag, before=was, after=digest_of(data)))
        return steps


def _make_folders(steps: Iterable[Step], made: list[str]) -> None:
    for step in steps:
        missing = (
            [folder for folder in step.target.parents if not folder.exists()]
            if step.after is not None
            else []
        )
        for folder in reversed(missing):
            folder.mkdir()
            made.append(str(folder))


def _stage(steps: Iterable[Step], files: Mapping[str, bytes | None]) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in pool.map(lambda step: stage(step, files[step.name]), steps):
            pass


def _said(error: OSError | FileMoved) -> str:
    return words(error) if isinstance(error, OSError) else str(error)
