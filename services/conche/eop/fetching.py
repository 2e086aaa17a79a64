"""IERS data as the settings have them: bundled, of a file, or, if that is wished for, downloaded."""

import http.client
import logging
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from conche.settings import Eop, IersFrom
from conche.storage import write_atomic

from .iers import Iers, IersUnreadable, read_bundled, read_file

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 60.0
"""A download that stands still for so long is given up [s]."""

MAX_BYTES: Final = 50_000_000
"""Of a file; finals2000A.all has 4 MB."""

DOWNLOADED: Final = "finals2000A.all"
"""Name of what was downloaded, beside the state file."""


def read_as_set(settings: Eop) -> tuple[Iers, str | None]:
    """Return the data, and in words why they are not as was wished for; blocks.

    Raises
    ------
    IersUnreadable
        The file that is named holds none.
    """
    match settings.iers:
        case IersFrom.FILE:
            if settings.iers_file is None:
                raise IersUnreadable("eop.iers is file, and eop.iers_file names none")
            return read_file(settings.iers_file), None
        case IersFrom.DOWNLOAD:
            return _downloaded(settings)
    return read_bundled(), None


def _downloaded(settings: Eop) -> tuple[Iers, str | None]:
    """Return the newest of what is bundled and what was downloaded, now or before."""
    kept = settings.state_file.with_name(DOWNLOADED)
    trouble = None
    try:
        _fetch(settings.iers_url, kept)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        trouble = f"{settings.iers_url}: no new IERS data: {reason}"
        logger.warning("eop: %s", trouble)
    bundled = read_bundled()
    try:
        last = read_file(kept)
    except IersUnreadable as error:
        return bundled, trouble or str(error)
    return max(bundled, last, key=lambda one: (one.measured_to, one is last)), trouble


def _fetch(url: str, to: Path) -> None:
    """Replace a file by what is downloaded, if that holds IERS data.

    Raises
    ------
    OSError, HTTPException, IersUnreadable
        It could not be downloaded, is something else, or can't be written.
    """
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        data = answer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise IersUnreadable(f"more than {MAX_BYTES} bytes")
    to.parent.mkdir(parents=True, exist_ok=True)
    trial = to.with_name(f".{to.name}.new")
    write_atomic(trial, data)
    try:
        read_file(trial)
        write_atomic(to, data)
    finally:
        trial.unlink()
