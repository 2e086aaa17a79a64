"""Configs that ran well, kept on disk: what a node goes back to while what is desired is held."""

import asyncio
import logging
from pathlib import Path

from conche.storage import write_atomic

logger = logging.getLogger(__name__)


class ProvenConfigs:
    """The configs of a group that ran past the settle time, a file for each revision: equal nodes share one.

    Parameters
    ----------
    folder
        Of this group alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[str] = set()
        self._pending: dict[str, bytes] = {}
        self._wake = asyncio.Event()

    def restore(self) -> None:
        """Take over what an earlier worker kept."""
        self._known = {path.stem for path in self._folder.glob("*.json")} if self._folder.is_dir() else set()

    def __contains__(self, revision: str | None) -> bool:
        return revision in self._known or revision in self._pending

    def keep(self, revision: str, config: bytes) -> None:
        """Have a config written."""
        if revision not in self:
            self._pending[revision] = config
            self._wake.set()

    def get(self, revision: str) -> bytes | None:
        """Return a config, or None if it is not there any more."""
        if revision in self._pending:
            return self._pending[revision]
        try:
            return self._path(revision).read_bytes()
        except OSError as error:
            logger.warning("%s: can't be read: %s", self._path(revision), error)
            self._known.discard(revision)
            return None

    async def run(self) -> None:
        """Write what is to be kept, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for revision, config in list(self._pending.items()):
                await self._write(revision, config)

    async def _write(self, revision: str, config: bytes) -> None:
        try:
            await asyncio.to_thread(self._store, revision, config)
            self._known.add(revision)
        except OSError as error:
            logger.warning("%s: can't be written: %s", self._path(revision), error)
        self._pending.pop(revision, None)

    def _store(self, revision: str, config: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path(revision), config, mode=0o600)

    def keep_only(self, revisions: set[str]) -> None:
        """Remove what nobody would go back to, once that is most of it."""
        useless = self._known - revisions
        if len(useless) <= len(revisions) + 10:
            return
        for revision in useless:
            self._path(revision).unlink(missing_ok=True)
        self._known -= useless

    def _path(self, revision: str) -> Path:
        return self._folder / f"{revision}.json"
