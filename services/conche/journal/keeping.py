"""Notes on their way to the database: gathered, stored in a thread of their own, kept while that is not possible."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from .errors import StoreDamaged, StoreUnavailable
from .notes import Heard, Note
from .queries import Query
from .reading import Page
from .store import Store

logger = logging.getLogger(__name__)

ValueT = TypeVar("ValueT")

GATHER_S: Final = 0.2
"""So long notes are gathered for one commit [s]."""

RETRY_S: Final = 2.0
"""What could not be stored is tried again after this [s]."""

MAX_PENDING: Final = 20_000
"""Notes kept in memory while they can't be stored; the oldest go. A guess, as that of the inbox."""


class Keeper:
    """Has notes stored, in their order, and answers questions with all that was noted before.

    Parameters
    ----------
    store
        Used in a thread of its own; read in another one.
    max_pending
        Notes kept in memory.
    """

    def __init__(self, store: Store, *, max_pending: int = MAX_PENDING) -> None:
        self._store = store
        self._max_pending = max_pending
        self._pending: deque[Note] = deque()
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="journal-reader")
        self._storing = asyncio.Lock()
        self.trouble: str | None = None
        """Why nothing can be stored now."""
        self.lost = 0
        """Events that could not be stored and were not kept, since the start."""
        self.on_worked_out: Callable[[Iterable[Heard]], None] = lambda _: None
        """Told what was worked out of statuses that were found."""
        self.on_trouble: Callable[[str], None] = lambda _: None
        """Told, in words, when storing fails, and when it works again."""

    def note(self, *notes: Note) -> None:
        """Have something stored."""
        self._pending.extend(notes)
        self._bound()
        self._wake.set()

    async def run(self) -> None:
        """Store what is noted, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not await self._store_pending():
                self._wake.set()
            await asyncio.sleep(GATHER_S if self.trouble is None else RETRY_S)

    async def read(self, query: Query) -> Page:
        """Return the entries that a query asks for; storing goes on meanwhile.

        Raises
        ------
        StoreUnavailable
            They can't be read now.
        QueryImpossible
            SQLite can't answer that question, or not in time.
        """
        await self._store_pending()
        await self.call(Store.open)  # so that there is something to be read
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.shield(loop.run_in_executor(self._reader, self._store.read, query))
        except StoreDamaged:
            return await self.call(lambda store: store.read(query))  # there it is set aside

    async def call(self, work: Callable[[Store], ValueT]) -> ValueT:
        """Have something done with the database; one that turns out damaged is set aside.

        Raises
        ------
        StoreUnavailable
            That is not possible now.
        """
        return await asyncio.shield(
            asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)
        )

    async def close(self) -> None:
        """Store what is still to be stored, and close the database."""
        await self._store_pending()
        await self.call(Store.close)
        self._reader.shutdown()
        self._thread.shutdown()

    async def _store_pending(self) -> bool:
        """Store all that was noted so far; return whether that was possible."""
        async with self._storing:
            batch = list(self._pending)
            self._pending.clear()
            if not batch:
                return True
            try:
                worked_out = await self.call(lambda store: store.write(batch))
            except StoreUnavailable as error:
                self._pending.extendleft(reversed(batch))
                self._bound()
                self._take_trouble(str(error))
                return False
        self._take_trouble(None)
        if worked_out:
            self.on_worked_out(worked_out)
        return True

    def _work(self, work: Callable[[Store], ValueT]) -> ValueT:
        """Do something with the database, in its thread."""
        try:
            return work(self._store)
        except StoreDamaged as damage:
            self._store.set_aside(str(damage))
        try:
            return work(self._store)
        except StoreDamaged as damage:
            raise StoreUnavailable(f"{self._store.path}: damaged again at once: {damage}") from None

    def _bound(self) -> None:
        while len(self._pending) > self._max_pending:
            self.lost += isinstance(self._pending.popleft(), Heard)

    def _take_trouble(self, trouble: str | None) -> None:
        before, self.trouble = self.trouble, trouble
        if trouble is not None and before is None:
            logger.error("%s; up to %d notes are kept in memory, and tried again", trouble, self._max_pending)
            self.on_trouble(f"nothing can be stored: {trouble}")
        elif trouble is None and before is not None:
            logger.warning("%s: stored again; %d events were lost", self._store.path, self.lost)
            self.on_trouble(f"stored again; {self.lost} events were lost")
