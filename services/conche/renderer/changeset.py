"""Several files at once: all are written or none, also where the disk fills or the machine dies in the middle.

New content is written beside each file, and the old is kept beside it by a hard link. Then the record of what is to
be done is written, into the directory itself, and from there on it is only renames: all are carried out, now or at
the next start, or taken back. What somebody else changes meanwhile is never written over.
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
    take_back,
    words,
)

logger = logging.getLogger(__name__)

FILE: Final = ".conche-change.json"
"""In the config directory: it must be there as long as the files that it is about."""

WRITERS: Final = 16
"""Files that are made durable at once; most of the time of each is the disk's."""


class ChangeFailed(Exception):
    """Nothing was changed; says why and what to do."""


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
            Nothing was changed.
        """
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
            self._record = None
            clear(steps, folders)
            raise ChangeFailed(f"nothing was changed: {_said(error)}") from None
        try:
            put_in_place(steps)
        except (OSError, FileMoved) as error:
            self.undo()
            raise ChangeFailed(f"nothing was changed: {_said(error)}") from None
        return self._record

    def finish(self) -> None:
        """Make it final."""
        if self._record is None:
            return
        with contextlib.suppress(OSError):  # the next start finds that all is done
            self._file.unlink(missing_ok=True)
        clear(self._record.steps, ())
        self._record = None

    def undo(self) -> None:
        """Bring every file back to what it was; where the disk refuses even that, the next start tries again."""
        if self._record is None:
            return
        record, self._record = self._record, None
        try:
            for step in record.steps:
                take_back(step)
            self._file.unlink(missing_ok=True)
        except OSError as error:
            logger.error(
                "%s: can't be taken back, it is tried again at the next start: %s", self._root, error
            )
            return
        clear(record.steps, record.folders)

    def recover(self) -> Record | None:
        """Carry out what a process that died had begun, and clear away what it had only prepared.

        What somebody has changed since is left as it is.

        Returns
        -------
        Record or None
            The change, for the history; `finish` or `undo` is to follow.
        """
        self._record = record = self._load()
        with contextlib.suppress(OSError):
            self._sweep(None if record is None else record.tag)
        if record is None:
            return None
        for step in record.steps:
            try:
                if step.after is None or step.new.exists():
                    put_in_place([step])
            except FileMoved:
                pass  # it was done, or somebody has changed it since
            except OSError as error:
                logger.error("%s: can't be completed: %s", step.name, words(error))
        return record

    def _load(self) -> Record | None:
        try:
            return decode(self._file.read_bytes(), type=Record)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValidationError, DecodeError, UnicodeDecodeError) as error:
            logger.warning("%s: can't be read, what it was about stays as it is: %s", self._file, error)
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
