"""IERS data as the settings have them: bundled, of a file, or, if that is wished for, downloaded."""

import asyncio
import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from conche.settings import Eop, IersFrom
from conche.storage import write_atomic

from .iers import Iers, IersUnreadable, read_bundled, read_file

logger = logging.getLogger(__name__)

DEADLINE_S: Final = 120.0
"""A download that has not ended by then is ended [s], however much still drips in; a guess: it is 4 MB."""

DOWNLOADED: Final = "finals2000A.all"
"""Name of what was downloaded, beside the state file."""

SHOWN: Final = 300
"""Characters of the reason of a download that failed."""


async def refresh(settings: Eop, *, deadline_s: float = DEADLINE_S) -> str | None:
    """Download the data, if that is wished for; return why there are no new ones, in words."""
    if settings.iers is not IersFrom.DOWNLOAD:
        return None
    try:
        why = await _fetch(settings.iers_url, kept_of(settings), deadline_s=deadline_s)
    except OSError as error:
        why = error.strerror or str(error)
    if why is None:
        return None
    trouble = f"{settings.iers_url}: no new IERS data: {why}"
    logger.warning("eop: %s", trouble)
    return trouble


def read_as_set(settings: Eop) -> Iers:
    """Return the data; blocks.

    Raises
    ------
    IersUnreadable
        The file that is named holds none.
    """
    match settings.iers:
        case IersFrom.FILE:
            if settings.iers_file is None:
                raise IersUnreadable("eop.iers is file, and eop.iers_file names none")
            return read_file(settings.iers_file)
        case IersFrom.DOWNLOAD:
            return _newest(kept_of(settings))
    return read_bundled()


def kept_of(settings: Eop) -> Path:
    """Return where the last good download is kept."""
    return settings.state_file.with_name(DOWNLOADED)


def _newest(kept: Path) -> Iers:
    """Return the newer of what is bundled and what was downloaded, now or before."""
    bundled = read_bundled()
    if not kept.exists():
        return bundled
    try:
        last = read_file(kept)
    except IersUnreadable as error:
        logger.warning("eop: %s", error)
        return bundled
    return max(bundled, last, key=lambda one: (one.measured_to, one is last))


async def _fetch(url: str, to: Path, *, deadline_s: float) -> str | None:
    """Replace a file by what is downloaded, if that holds IERS data; return why not, in words.

    Raises
    ------
    OSError
        It can't be written.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    trial = to.with_name(f".{to.name}.new")
    try:
        why = await _downloaded(url, trial, deadline_s=deadline_s)
        return why or await asyncio.to_thread(_taken, trial, to)
    finally:
        trial.unlink(missing_ok=True)


async def _downloaded(url: str, to: Path, *, deadline_s: float) -> str | None:
    """Download in a process of its own: that ends when it is to, in the middle of anything."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "conche.eop.download",
        url,
        str(to),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(deadline_s):
            _, words = await process.communicate()
    except TimeoutError:
        return f"it had not ended after {deadline_s:g} s"
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode == 0:
        return None
    lines = words.decode(errors="replace").strip().splitlines()
    return lines[-1][:SHOWN] if lines else f"the download ended with {process.returncode}"


def _taken(trial: Path, to: Path) -> str | None:
    """Put what was downloaded in its place if it holds IERS data; return why not, in words."""
    try:
        read_file(trial)
    except IersUnreadable as error:
        return str(error).removeprefix(f"{trial}: ")
    write_atomic(to, trial.read_bytes())
    return None
