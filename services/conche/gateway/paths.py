"""Paths that no honest client sends."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from .problems import BadRequest

LONGEST: Final = 2_048
"""Bytes of a path with what is behind the question mark; a guess."""

_ENCODED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|%2[Ff]|%5[Cc]")
"""A sign that is encoded wrongly, a slash or a backslash that is encoded: not everybody reads them alike."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def check_path(raw: str) -> None:
    """Refuse a path that different programs would understand differently.

    Parameters
    ----------
    raw
        As it came, with what is behind the question mark.

    Raises
    ------
    BadRequest
        With what is wrong with it.
    """
    if len(raw) > LONGEST:
        raise BadRequest(f"a path of {len(raw)} characters: {LONGEST} are the most")
    path = raw.partition("?")[0]
    if _ENCODED.search(path):
        raise BadRequest("the path has a slash in it that is encoded, or a percent sign that is not")
    try:
        decoded = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        raise BadRequest("the path is not UTF-8") from None
    if _CONTROL.search(decoded):
        raise BadRequest("the path has control characters in it")
    if any(part in (".", "..") for part in decoded.split("/")):
        raise BadRequest("the path has '.' or '..' in it")
