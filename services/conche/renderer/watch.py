"""Notices that something in a directory may have changed.

It only ever hints. The reader then looks at the files themselves, so a hint too many costs a look and a lost one
delays it: whatever the file system tells, there is a hint at least every `RESCAN_S`.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from watchfiles import awatch
from watchfiles._rust_notify import WatchfilesRustInternalError

logger = logging.getLogger(__name__)

LOOK_S: Final = 1.0
"""Period of asking whether the directory is still the one that is watched [s]."""

RESCAN_S: Final = 10.0
"""Longest time between two hints [s]: bounds what a lost event, or a file system without any, costs."""

GATHER_MS: Final = 50
"""Events that follow one another within this time are one hint [ms]."""

GATHER_AT_MOST_MS: Final = 500
"""A hint comes after this time, even if events go on [ms]."""

_IGNORED: Final = f"{os.sep}.git{os.sep}"
"""Part of the paths of which nothing is read, and where every commit makes a storm."""

Identity = tuple[int, int]
"""Device and inode."""


async def watch(root: Path, hint: Callable[[], None], *, polling: bool = False) -> None:
    """Hint whenever something in a directory may have changed, until cancelled.

    Parameters
    ----------
    root
        The directory, or a link to it; it may be absent, and may be replaced by another.
    hint
        Called in the event loop.
    polling
        Compare the files all the time, for file systems that tell nothing.
    """
    while True:
        identity = await asyncio.to_thread(_identity, root)
        hint()
        if identity is None:
            await asyncio.sleep(LOOK_S)
            continue
        trouble: BaseException | None = None
        try:
            await _watch_one(root, identity, hint, polling=polling)
            logger.info("%s: was replaced by another directory", root)
        except* (OSError, UnicodeError, WatchfilesRustInternalError) as error:  # it watches in a task group
            trouble = error.exceptions[0]
        if trouble is not None:
            logger.warning(
                "%s: can't be watched, so changes are seen after %g s: %s", root, RESCAN_S, trouble
            )
            await asyncio.sleep(RESCAN_S)


async def _watch_one(root: Path, identity: Identity, hint: Callable[[], None], *, polling: bool) -> None:
    """Hint until the directory is another one than it was."""
    loop = asyncio.get_running_loop()
    rescan_at = loop.time()  # the first look comes once it is watched: until then nothing was told
    events = awatch(
        root,
        watch_filter=None,
        debounce=GATHER_AT_MOST_MS,
        step=GATHER_MS,
        rust_timeout=int(LOOK_S * 1000),
        yield_on_timeout=True,
        force_polling=polling,
        ignore_permission_denied=True,
    )
    async for changes in events:
        if loop.time() >= rescan_at or any(_IGNORED not in path for _, path in changes):
            rescan_at = loop.time() + RESCAN_S
            hint()
        if await asyncio.to_thread(_identity, root) != identity:
            return


def _identity(root: Path) -> Identity | None:
    """Return which directory stands at a path, links followed."""
    try:
        found = root.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
