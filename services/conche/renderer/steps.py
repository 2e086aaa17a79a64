"""What is done with one file of a change: staged beside it, renamed into place, or taken back."""

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from conche.storage import sync_directory

_NEW: Final = ".conche-new"
_OLD: Final = ".conche-old"
_STAGED: Final = re.compile(rf"^\.(.+)\.[0-9a-f]+(?:{_NEW}|{_OLD})$")


UNREADABLE: Final = "unreadable"
"""In place of a digest: a folder stands there, or the disk refuses."""


class FileMoved(Exception):
    """Somebody has changed a file meanwhile.

    Parameters
    ----------
    name
        Of the file.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} was changed at this very moment by somebody else: look at it, then send it again"
        )


class Step(Struct, frozen=True, kw_only=True):
    """What is done with one file."""

    name: str
    """Relative to the config directory."""
    path: str
    """Where it really is."""
    tag: str
    """Of the change."""
    before: str | None
    """Digest of what was there; None where nothing was."""
    after: str | None
    """Digest of what is to be there; None for nothing."""

    @property
    def target(self) -> Path:
        """The file."""
        return Path(self.path)

    @property
    def new(self) -> Path:
        """Where its new content is staged."""
        return self.target.with_name(f".{self.target.name}.{self.tag}{_NEW}")

    @property
    def old(self) -> Path:
        """Where its old content is kept."""
        return self.target.with_name(f".{self.target.name}.{self.tag}{_OLD}")

    def found(self) -> str | None:
        """Return the digest of what is there now; what can't be read is neither the old nor the new content."""
        try:
            return digest_of(read(self.target))
        except OSError:
            return UNREADABLE


def digest_of(data: bytes | None) -> str | None:
    """Return what tells content from other content; None for no file."""
    return None if data is None else hashlib.blake2b(data, digest_size=16).hexdigest()


def read(path: Path) -> bytes | None:
    """Return the content of a file, None where there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def stage(step: Step, data: bytes | None) -> None:
    """Keep the old content of a file and write the new beside it.

    Raises
    ------
    FileMoved
        What is kept is not what was there.
    OSError
        As the file system gives it.
    """
    if step.before is not None:
        _keep(step)
        if digest_of(read(step.old)) != step.before:
            raise FileMoved(step.name)
    if data is not None:
        _write_new(step, data)


def _keep(step: Step) -> None:
    try:
        os.link(step.target, step.old)
    except FileNotFoundError:
        raise FileMoved(step.name) from None
    except OSError:  # some file systems have no hard links
        shutil.copy2(step.target, step.old)


def _write_new(step: Step, data: bytes) -> None:
    """Write new content with the mode and owner of the file that it replaces, or of the folder for a new one."""
    like = os.stat(step.target) if step.before is not None else None
    owner = like or os.stat(step.target.parent)
    with open(step.new, "xb") as file:
        file.write(data)
        file.flush()
        if like is not None:
            os.fchmod(file.fileno(), like.st_mode & 0o7777)
        with contextlib.suppress(PermissionError):
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        os.fsync(file.fileno())


def put_in_place(steps: Iterable[Step]) -> None:
    """Rename each new content into place.

    Raises
    ------
    FileMoved
        Somebody has changed a file meanwhile.
    OSError
        As the file system gives it.
    """
    steps = list(steps)
    for step in steps:
        if step.found() != step.before:
            raise FileMoved(step.name)
        if step.after is not None:
            os.replace(step.new, step.target)
        else:
            step.target.unlink(missing_ok=True)
    sync_folders(steps)


def sync_folders(steps: Iterable[Step]) -> None:
    """Make what was renamed and removed durable.

    Raises
    ------
    OSError
        As the file system gives it.
    """
    for folder in {step.target.parent for step in steps}:
        if folder.is_dir():  # somebody may have removed it meanwhile
            sync_directory(folder)


def take_back(step: Step) -> None:
    """Bring a file back to what it was, unless somebody has changed it since.

    Raises
    ------
    OSError
        As the file system gives it.
    """
    if step.before == step.after or step.found() != step.after:
        return
    if step.before is None:
        step.target.unlink(missing_ok=True)
    elif step.old.exists():
        os.replace(step.old, step.target)


def clear(steps: Iterable[Step], folders: Iterable[str]) -> None:
    """Remove what was staged, as far as the disk lets it; the next start removes the rest."""
    for step in steps:
        for path in (step.new, step.old):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    for folder in reversed(list(folders)):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def leftovers(root: Path) -> Iterator[Path]:
    """Yield what was staged in a directory."""
    for folder, folders, names in os.walk(root):
        if ".git" in folders:
            folders.remove(".git")
        for name in names:
            if name.startswith(".") and name.endswith((_NEW, _OLD)):
                yield Path(folder) / name


def words(error: OSError) -> str:
    """Return what went wrong with a file, by its own name."""
    why = error.strerror or str(error)
    if not error.filename:
        return why
    return f"{_STAGED.sub(lambda found: found[1], Path(os.fsdecode(error.filename)).name)}: {why}"
