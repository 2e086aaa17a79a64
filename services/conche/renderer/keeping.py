"""What somebody edits past conche is committed, once nothing changes any more."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from .chronicle import Chronicle
from .gitwords import HistoryError
from .history import History

logger = logging.getLogger(__name__)

QUIET_S: Final = 2.0
"""What somebody edits is committed when nothing has changed for so long: several files may belong together [s]."""


class HistoryKeeper:
    """Keeps the history of the config directory.

    Parameters
    ----------
    history
        The repository.
    chronicle
        Told of what was edited.
    is_half_done
        Returns whether a change of ours is half done: its files are nobody's edits.
    """

    def __init__(
        self, history: History, chronicle: Chronicle, *, is_half_done: Callable[[], bool] = lambda: False
    ) -> None:
        self._is_half_done = is_half_done
        self.edited = asyncio.Event()
        """To be set when a file has changed."""
        self.using = asyncio.Lock()
        """Held by whoever uses the history."""
        self._history = history
        self._chronicle = chronicle
        self._trouble = ""

    async def run(self) -> None:
        """Commit edits, until cancelled."""
        while True:
            async with self.using:
                await self._take_edits()
            await self.edited.wait()
            while self.edited.is_set():
                self.edited.clear()
                await asyncio.sleep(QUIET_S)

    async def _take_edits(self) -> None:
        if await asyncio.to_thread(self._is_half_done):
            return
        try:
            await self.take_edits()
            self._trouble = ""
        except HistoryError as error:
            if str(error) != self._trouble:
                logger.warning("no history is kept: %s", error)
            self._trouble = str(error)

    async def take_edits(self) -> None:
        """Commit what was edited; the caller holds `using`.

        Raises
        ------
        HistoryError
            Nothing was committed.
        """
        commit = await asyncio.to_thread(self._history.take_edits)
        if commit is not None:
            logger.info("%s: committed as %s", commit.subject, commit.id[:8])
            self._chronicle.edited(commit)
