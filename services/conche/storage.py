"""The one atomic write: a reader finds the old file or the new one, whole, also after a power cut."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Replace a file by new content.

    Parameters
    ----------
    path
        File to replace; its directory must exist.
    data
        Whole new content.
    mode
        Permission bits of the new file.
    owner
        User and group of the new file, by number; None for those of this process.

    Raises
    ------
    OSError
        As the file system gives it; the old file is then untouched and nothing is left beside it. Only where the
        very last step fails, making the new name durable, the new content stands.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames and removals in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
