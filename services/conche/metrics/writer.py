"""Points on their way into the database: gathered, written one batch at a time, kept while it is away."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from conche.influx import (
    InfluxError,
    InfluxGarbled,
    InfluxRefused,
    InfluxTimeout,
    InfluxUnavailable,
    InfluxUnreachable,
)
from conche.settings import Metrics

from .buffer import Buffer
from .refusals import Refusals, is_divisible, rejected_of

logger = logging.getLogger(__name__)

RETRY_S: Final = (1.0, 30.0)
"""First and longest wait before the database is tried again [s]; doubled in between, with jitter."""

LONGEST_ASKED_S: Final = 300.0
"""A database that wants to be asked again later than this is asked then all the same [s]; a guess."""

LAST_FLUSH_S: Final = 5.0
"""What is there when the service ends has so long to be written [s]."""

BYTES_A_POINT: Final = 400
"""So much memory a point may take in the buffer, on average [bytes]: twice what most of them do."""

LEAST_BYTES: Final = 1_000_000
"""Of memory for points, however few there may be: a text can be long."""

REQUEST_BYTES: Final = 8_000_000
"""Points of one request are no longer than this [bytes]; InfluxDB 1 takes 25 MB."""

MAX_PARTS: Final = 512
"""Into so many parts a batch is divided at most, with twice as many requests, to find what is refused. A guess."""

TOLD_AGAIN_S: Final = 60.0
"""Of points that find no room while the database is there it is told so often [s]."""

REFUSED_AGAIN_S: Final = 3600.0
"""Of points that go on being refused it is told so often, with their number [s]; of a new reason at once."""

Away = (InfluxUnreachable, InfluxTimeout, InfluxUnavailable, InfluxGarbled)
"""What is tried again. A timeout too: points that were written all the same become the same points."""


class Sink(Protocol):
    """Where points go: a database."""

    @property
    def can_be_made(self) -> bool:
        """Whether it can be made, where it is missing."""

    async def write(self, lines: Sequence[bytes]) -> None:
        """Write points in line protocol."""

    async def create_database(self) -> None:
        """Make it."""


OnNews = Callable[[str, bool], None]
"""Is told in words what happened to the database, and whether that is good."""


class Writer:
    """Writes points into one database.

    Every point that was put is written, rejected, dropped, or buffered; the four figures always add up. A batch stays
    in hand until its outcome is known, however long that takes: a point of a request without an answer may be stored,
    so it must not be counted as lost.

    Parameters
    ----------
    database
        Where they go.
    settings
        Of the service.
    on_news
        Whom to tell of a database that is away, back, or refuses points.
    """

    def __init__(self, database: Sink, *, settings: Metrics, on_news: OnNews) -> None:
        self._database = database
        self._on_news = on_news
        self._batch_points = min(settings.batch_points, settings.buffer_points)
        self._flush_s = settings.flush_s
        self._buffer = Buffer(
            max_points=settings.buffer_points,
            max_bytes=max(settings.buffer_points * BYTES_A_POINT, LEAST_BYTES),
        )
        self._hand: deque[list[bytes]] = deque()
        """The batch that is being written, in the parts into which it was divided."""
        self._parts = 0
        self._any = asyncio.Event()
        self._many = asyncio.Event()
        self._refusals = Refusals()
        self._made = False
        """Whether the database was made and has taken nothing since."""
        self._answered_at: float | None = None
        """When the database last answered, or the work began; a reading of the loop's clock [s]."""
        self._away: str | None = None
        self._told_at = self._refused_at = float("-inf")
        self.written = 0
        """Points that the database took."""
        self.rejected = 0
        """Points that the database refused."""
        self.write_s: float | None = None
        """How long the last request that ended well took [s]."""

    @property
    def dropped(self) -> int:
        """Points that found no room in the buffer."""
        return self._buffer.dropped

    @property
    def buffered(self) -> int:
        """Points that wait, or are being written."""
        return len(self._buffer) + sum(map(len, self._hand))

    @property
    def away_s(self) -> float:
        """Since the database last answered, while it is away [s]; else 0."""
        if self._away is None or self._answered_at is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._answered_at

    def put(self, lines: Iterable[str]) -> None:
        """Have points written.

        Parameters
        ----------
        lines
            In line protocol, one each, with its time at the end [UNIX ns]; an empty one is none.
        """
        self._buffer.put(lines)
        if len(self._buffer):
            self._any.set()
        if len(self._buffer) >= self._batch_points:
            self._many.set()

    async def run(self) -> None:
        """Write what is put; when this is cancelled, what is there first."""
        self._answered_at = asyncio.get_running_loop().time()
        try:
            while True:
                await self._gather()
                await self._write_batch()
                self._tell_loss()
        except asyncio.CancelledError:
            await self._finish()
            raise

    # --- a batch

    async def _gather(self) -> None:
        """Wait for a whole batch, or until a point has waited long enough for others."""
        await self._any.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._flush_s):
                await self._many.wait()

    def _take(self) -> bool:
        """Take the next batch in hand; return whether there is one."""
        batch = self._buffer.take(self._batch_points, max_bytes=REQUEST_BYTES)
        if not len(self._buffer):
            self._any.clear()
        if len(self._buffer) < self._batch_points:
            self._many.clear()
        if batch:
            self._hand.append(batch)
        self._parts = 1
        return bool(batch)

    async def _write_batch(self) -> None:
        """Write one batch, until it is known what became of each of its points."""
        failures = 0
        self._take()
        while self._hand:
            waited = self.buffered
            try:
                await self._write_part()
            except Away as error:
                failures += 1
                self._note_away(error)
                asked_s = error.retry_after_s if isinstance(error, InfluxUnavailable) else None
                await asyncio.sleep(retry_wait_s(failures, asked_s=asked_s, spread=random.uniform(0.5, 1.0)))
            else:
                self._note_answer(waited)

    async def _write_part(self) -> None:
        """Write the next part of what is in hand.

        Raises
        ------
        InfluxError
            One that is tried again: the part is still in hand.
        """
        clock = asyncio.get_running_loop().time
        part, began = self._hand[0], clock()
        try:
            await self._database.write(part)
        except InfluxRefused as refused:
            if not (refused.database_missing and await self._make_database()):
                self._take_refusal(refused)
        else:
            self.write_s = clock() - began
            self._hand.popleft()
            self.written += len(part)
            self._made = False

    def _take_refusal(self, refused: InfluxRefused) -> None:
        """Divide the part that was refused, or count what of it is not stored; the other parts are tried anyway."""
        part = self._hand.popleft()
        if self._parts < MAX_PARTS and is_divisible(refused, points=len(part)):
            self._parts += 1
            middle = len(part) // 2
            self._hand.extendleft((part[middle:], part[:middle]))
            return
        rejected = rejected_of(refused, points=len(part))
        self.rejected += rejected
        self.written += len(part) - rejected
        self._note_refusal(str(refused))

    async def _make_database(self) -> bool:
        """Make the database, once until it takes points; return whether it was made."""
        if self._made or not self._database.can_be_made:
            return False
        try:
            await self._database.create_database()
        except InfluxRefused as refused:
            self._note_refusal(f"it is missing and can't be made: {refused}")
            return False
        self._made = True
        logger.warning("metrics: the database was missing and has been made")
        return True

    async def _finish(self) -> None:
        """Write what is there, without trying anything again, and say what was not written."""
        why = f"it took longer than {LAST_FLUSH_S:g} s"
        try:
            async with asyncio.timeout(LAST_FLUSH_S):
                while self._hand or self._take():
                    await self._write_part()
        except TimeoutError:
            pass
        except Away as error:
            why = str(error)
        if self._buffer.loss.points:
            self._tell(f"the buffer was full: {self._buffer.note_loss()}", good=False)
        if self.buffered:
            self._tell(f"stopped: {self.buffered:,} points were not written: {why}", good=False)

    # --- what is told

    def _note_away(self, error: InfluxError) -> None:
        if self._away is None:
            self._tell(f"the database is away: {error}; points wait", good=False)
        else:
            logger.debug("metrics: the database is still away: %s", error)
        self._away = str(error)

    def _note_answer(self, waited: int) -> None:
        """Take that the database has answered.

        Parameters
        ----------
        waited
            Points that were there when it was asked.
        """
        if self._away is not None:
            words = f"the database is back after {self.away_s:.0f} s: {waited:,} points waited"
            self._away = None
            self._tell(f"{words}, {self._buffer.note_loss()}", good=True)
        self._answered_at = asyncio.get_running_loop().time()

    def _note_refusal(self, words: str) -> None:
        now = asyncio.get_running_loop().time()
        if self._refusals.note(words) or now - self._refused_at >= REFUSED_AGAIN_S:
            self._refused_at = now
            self._tell(f"the database refuses points ({self.rejected:,} so far): {words}", good=False)

    def _tell_loss(self) -> None:
        """Tell of points that found no room while the database was there: more come than it takes."""
        now = asyncio.get_running_loop().time()
        if self._buffer.loss.points and now - self._told_at >= TOLD_AGAIN_S:
            self._told_at = now
            words = f"more points come than the database takes: {self._buffer.note_loss()}"
            self._tell(words, good=False)

    def _tell(self, words: str, *, good: bool) -> None:
        logger.log(logging.INFO if good else logging.WARNING, "metrics: %s", words)
        self._on_news(words, good)


def retry_wait_s(failures: int, *, asked_s: float | None, spread: float) -> float:
    """Return how long to wait before the database is tried again [s].

    Parameters
    ----------
    failures
        With the same batch in hand; 1 or more.
    asked_s
        How long it asked for itself [s]; None where it did not.
    spread
        Share of the wait that is taken, 0.5 to 1: not everybody comes back at once.
    """
    first, longest = RETRY_S
    own = min(first * 2.0 ** min(failures - 1, 10), longest) * spread
    return max(own, min(asked_s or 0.0, LONGEST_ASKED_S))
