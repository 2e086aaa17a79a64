"""Which files belong to a config directory."""

from pathlib import PurePosixPath
from typing import Final

SUFFIXES: Final = (".yaml", ".yml", ".j2")
"""Of base configs, the first that exists."""

STORED_FOLDER: Final = ".updatable"
"""Of stored values."""


def is_config_file(path: str) -> bool:
    """Return whether a file belongs to a config directory, and is none that an editor or a download left."""
    if not path.isprintable():  # nor one whose name is not text
        return False
    *folders, name = PurePosixPath(path).parts
    if name.startswith(".") or any(f.startswith(".") and f != STORED_FOLDER for f in folders):
        return False
    if folders[:1] == [STORED_FOLDER]:
        return name.endswith(".json")
    return name.endswith(SUFFIXES)
