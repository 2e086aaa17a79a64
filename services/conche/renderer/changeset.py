"""Several files at once: all are written or none, also where the disk fills or the machine dies in the middle.

New content is written beside each file, and the old is kept beside it by a hard link. Then the record of what is to
be done is written, and from there on it is only renames: all are carried out, now or at the next start, or taken back.
"""

import contextlib
import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from msgspec import DecodeError, Struct, ValidationError, field
from msgspec.json import decode, encode

from conche.storage import sync_directory, write_atomic

logger = logging.getLogger(__name__)

FILE: Final = "change.json"

WRITERS: Final = 16
"""Files that are made durable at once; most of the time of each is the disk's."""

_NEW: Final = ".conche-new"
_OLD: Final = ".conche-old"
_STAGED: Final = re.compile(rf"^\.(.+)\.[0-9a-f]+(?:{_NEW}|{_OLD})$")


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


class _Step(Struct, frozen=True, kw_only=True):
    """What is done with one file."""

    name: str
    """Relative to the config directory."""
    path: str
    """Where it really is."""
    tag: str
    write: bool
    """Whether there is new content; else the file goes."""
    keeps: bool
    """Whether there was a file before."""

    @property
    def target(self) -> Path:
        return Path(self.path)

    @property
    def new(self) -> Path:
        return self.target.with_name(f".{self.target.name}.{self.tag}{_NEW}")

    @property
    def old(self) -> Path:
        return self.target.with_name(f".{self.target.name}.{self.tag}{_OLD}")


class _Record(Struct, frozen=True, kw_only=True):
    """A change that is being carried out."""

    steps: list[_Step]
    folders: list[str]
    """Folders that it made, outermost first."""
    note: Note


class ChangeSet:
    """Changes files of the config directory, one change at a time.

    Parameters
    ----------
    root
        The config directory.
    run_dir
        Where the record of a change under way is kept.
    """

    def __init__(self, root: Path, run_dir: Path) -> None:
        self._root = root
        self._file = run_dir / FILE
        self._record: _Record | None = None

    def apply(self, files: Mapping[str, bytes | None], note: Note) -> None:
        """Write files; until `finish` it can be taken back.

        Parameters
        ----------
        files
            Name in the directory to new content, or None for one that goes.
        note
            For the history; a start after a crash needs it too.

        Raises
        ------
        ChangeFailed
            Nothing was changed.
        """
        folders: list[str] = []
        steps: list[_Step] = []
        try:
            steps = self._steps(files)
            folders += self._make_folders(steps)
            self._stage(steps, files)
            self._record = _Record(steps=steps, folders=folders, note=note)
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._file, encode(self._record))
        except OSError as error:
            self._record = None
            _unstage(steps, folders)
            raise ChangeFailed(f"nothing was changed: {_words(error)}") from None
        try:
            _rename(steps)
        except OSError as error:
            self.undo()
            raise ChangeFailed(f"nothing was changed: {_words(error)}") from None

    def finish(self) -> None:
        """Make it final."""
        if self._record is None:
            return
        self._file.unlink(missing_ok=True)
        for step in self._record.steps:
            step.old.unlink(missing_ok=True)
        self._record = None

    def undo(self) -> None:
        """Bring every file back to what it was.

        Raises
        ------
        OSError
            The disk refuses even that; the next start tries again.
        """
        if self._record is None:
            return
        for step in self._record.steps:
            if step.keeps and step.old.exists():
                os.replace(step.old, step.target)
            elif not step.keeps:
                step.target.unlink(missing_ok=True)
        _unstage(self._record.steps, self._record.folders)
        self._file.unlink(missing_ok=True)
        self._record = None

    def recover(self) -> tuple[list[str], Note] | None:
        """Carry out what a process that died had begun, and clear away what it had only prepared.

        Returns
        -------
        tuple of list of str and Note, or None
            The files of the change and what to note in the history; `finish` or `undo` is to follow.
        """
        self._record = self._load()
        record = self._record
        with contextlib.suppress(OSError):
            self._sweep(set() if record is None else {step.tag for step in record.steps})
        if record is None:
            return None
        _rename([step for step in record.steps if not step.write or step.new.exists()])
        return [step.name for step in record.steps], record.note

    def _load(self) -> _Record | None:
        try:
            return decode(self._file.read_bytes(), type=_Record)
        except FileNotFoundError:
            return None
        except (OSError, ValidationError, DecodeError, UnicodeDecodeError) as error:
            logger.warning("%s: can't be read, what it was about stays as it is: %s", self._file, error)
            return None

    def _sweep(self, kept: set[str]) -> None:
        """Remove what was prepared for changes of which nobody knows any more."""
        for path in _leftovers(self._root):
            if not any(f".{tag}." in path.name for tag in kept):
                path.unlink(missing_ok=True)

    def _steps(self, files: Mapping[str, bytes | None]) -> list[_Step]:
        root, tag = self._root.resolve(), secrets.token_hex(4)
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
            steps.append(
                _Step(name=name, path=str(real), tag=tag, write=data is not None, keeps=real.exists())
            )
        return steps

    def _make_folders(self, steps: Iterable[_Step]) -> list[str]:
        made: list[str] = []
        for step in steps:
            missing = [folder for folder in step.target.parents if not folder.exists()] if step.write else []
            for folder in reversed(missing):
                folder.mkdir()
                made.append(str(folder))
        return made

    def _stage(self, steps: Iterable[_Step], files: Mapping[str, bytes | None]) -> None:
        def stage(step: _Step) -> None:
            if step.keeps:
                _keep(step)
            if (data := files[step.name]) is not None:
                _write_new(step, data)

        with ThreadPoolExecutor(WRITERS) as pool:
            for _ in pool.map(stage, steps):
                pass


def _keep(step: _Step) -> None:
    try:
        os.link(step.target, step.old)
    except OSError:  # some file systems have no hard links
        shutil.copy2(step.target, step.old)


def _write_new(step: _Step, data: bytes) -> None:
    """Write new content with the mode and owner of the file that it replaces, or of the folder for a new one."""
    like = os.stat(step.target) if step.keeps else None
    owner = like or os.stat(step.target.parent)
    with open(step.new, "xb") as file:
        file.write(data)
        file.flush()
        if like is not None:
            os.fchmod(file.fileno(), like.st_mode & 0o7777)
        with contextlib.suppress(PermissionError):
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        os.fsync(file.fileno())


def _rename(steps: Iterable[_Step]) -> None:
    for step in steps:
        if step.write:
            os.replace(step.new, step.target)
        else:
            step.target.unlink(missing_ok=True)
    for folder in {step.target.parent for step in steps}:
        sync_directory(folder)


def _unstage(steps: Iterable[_Step], folders: Iterable[str]) -> None:
    """Remove what was prepared, as far as the disk lets it; the next start removes the rest."""
    for step in steps:
        with contextlib.suppress(OSError):
            step.new.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            step.old.unlink(missing_ok=True)
    for folder in reversed(list(folders)):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def _leftovers(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        if ".git" in folders:
            folders.remove(".git")
        for name in names:
            if name.startswith(".") and name.endswith((_NEW, _OLD)):
                yield Path(folder) / name


def _words(error: OSError) -> str:
    words = error.strerror or str(error)
    if not error.filename:
        return words
    return f"{_STAGED.sub(lambda found: found[1], Path(error.filename).name)}: {words}"
