"""The secret that cookies are signed with: made once, in a file for its owner only."""

import secrets
from pathlib import Path
from typing import Final

from conche.storage import write_atomic

from .store import StoreBroken, private_folder

FILE: Final = "cookie.key"
BYTES: Final = 32


def cookie_key(folder: Path) -> bytes:
    """Return the secret, made where there is none.

    Parameters
    ----------
    folder
        The gateway's ``state_dir``.

    Raises
    ------
    StoreBroken
        It can't be read or written, or is too short to be one.
    """
    path = private_folder(folder) / FILE
    try:
        if not path.exists():
            write_atomic(path, secrets.token_bytes(BYTES), mode=0o600)
        key = path.read_bytes()
    except OSError as error:
        raise StoreBroken(f"{path}: {error.strerror}") from None
    if len(key) < BYTES:
        raise StoreBroken(f"{path}: too short for a key; remove it: everybody has to log in again")
    return key
