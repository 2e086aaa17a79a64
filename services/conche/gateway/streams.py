"""Events as they happen, for everybody who listens, and numbered by the journal a moment later.

What is heard on the bus is passed on at once. Twice a second the journal is asked for what it has stored since: that
numbers what was told, and brings what did not come. Who comes back with the last number that he saw is told the rest.
"""

import asyncio
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.json import encode

from conche.client.targets import fits
from conche.contract import NO_NAME, OF_EVERYBODY, Event, EventKind, Events, JournalEntry
from conche.happenings import bounded

from .problems import Away, Problem

logger = logging.getLogger(__name__)

NUMBER_S: Final = 0.5
"""So long after something happened the journal is asked for its number [s]: it stores what it hears in 0.2 s."""

LOOK_S: Final = 10.0
"""The journal is asked so often even if nothing was heard [s]."""

HEARTBEAT_S: Final = 15.0
"""A stream on which nothing was said gets a comment after this [s]: proxies cut what is silent."""

MAX_WAITING: Final = 10_000
"""Events that wait for one reader; one that is behind by more is cut off, and comes back for the rest. A guess: ten
things that happen to each node of a large cluster at once."""

MAX_PAST: Final = 10_000
"""Events of the past that one reader is told; of more he is told that they are left out. A guess."""

MAX_MATCHED: Final = 20_000
"""Events that are remembered until the journal has numbered them; a guess."""

PAGE: Final = 1_000
"""Entries that the journal is asked for at once: all that it gives."""

HEARTBEAT: Final = b":\n\n"

Ask = Callable[[Events], Awaitable[Sequence[JournalEntry]]]
"""Asks the journal; raises a `Problem` where it does not answer."""


class Told(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of the stream."""

    service: str
    group: str
    node: str
    event: Event
    number: Annotated[int | None, Meta(description="of the journal, where it was known yet")] = None


class Gap(Struct, frozen=True, kw_only=True):
    """Events are missing from the stream."""

    why: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events somebody wants.

    Parameters
    ----------
    targets
        Nodes, groups or patterns; none for all.
    kinds
        None for all.
    """

    targets: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()

    def has(self, told: Told) -> bool:
        """Return whether an event is wanted; what concerned a whole group is with each of its nodes."""
        if self.kinds and told.event.kind not in self.kinds:
            return False
        if not self.targets:
            return True
        if told.group == NO_NAME:
            return EventKind(told.event.kind) in OF_EVERYBODY
        if told.node == NO_NAME:
            return any(fits(f"{told.group}/{NO_NAME}", [word.partition("/")[0]]) for word in self.targets)
        return fits(f"{told.group}/{told.node}", self.targets)


class Stream:
    """What one reader is to be told yet."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.is_over = False
        """There is no more for him: he was too slow, or the gateway ends."""
        self._frames: deque[tuple[bytes, bytes]] = deque()
        """What each is known by, and how it stands in the stream."""
        self._wake = asyncio.Event()

    def put(self, frame: bytes, *, key: bytes = b"") -> None:
        """Add something; one who is too far behind is cut off."""
        if len(self._frames) >= MAX_WAITING:
            self.end()
        if not self.is_over:
            self._frames.append((key, frame))
        self._wake.set()

    def end(self) -> None:
        """Have nothing more for him."""
        self.is_over = True
        self._frames.clear()
        self._wake.set()

    def leave_out(self, past: Counter[bytes]) -> None:
        """Leave out what came while the past was told, and was told with it."""
        for key, frame in list(self._frames):
            if past[key] > 0:
                past[key] -= 1
                self._frames.remove((key, frame))

    async def next(self, *, within_s: float) -> bytes:
        """Return all that waits, once there is something; nothing after a silence, or at the end."""
        if not self._frames and not self.is_over:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._wake.wait()
        frames = b"".join(frame for _, frame in self._frames)
        self._frames.clear()
        return frames


class Hub:
    """Passes events on to everybody who listens.

    Parameters
    ----------
    ask
        Asks the journal.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._streams: set[Stream] = set()
        self._heard = asyncio.Event()
        self._opened = asyncio.Event()
        self._cursor: int | None = None
        """The last number that everybody was told of; None where nobody listens, or it is not known yet."""
        self._told = _Matching()
        """What was told without a number."""
        self._numbered = _Matching()
        """What the journal had before it was heard here."""

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._streams)

    @contextmanager
    def open(self, wanted: Wanted) -> Iterator[Stream]:
        """Listen from now on."""
        stream = Stream(wanted)
        self._streams.add(stream)
        self._opened.set()
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            if not self._streams:
                self._opened.clear()

    async def past(self, wanted: Wanted, after: int) -> AsyncIterator[list[Told]]:
        """Yield what happened after a number, the oldest first.

        Raises
        ------
        Problem
            The journal is not there.
        """
        left = MAX_PAST
        wish = Events(targets=list(wanted.targets), kinds=sorted(wanted.kinds), limit=PAGE)
        while left > 0 and (page := await self._ask(_after(wish, after))):
            yield [_told(entry) for entry in page]
            after = page[-1].number
            left -= len(page)
        if left <= 0:
            raise Away(
                f"more than {MAX_PAST} events: those after number {after} are left out; ask the journal"
            )

    # --- what comes in

    def on_event(self, params: Mapping[str, str], event: Event | None) -> None:
        """Pass an event on."""
        if event is None or not self._streams:
            return
        told = Told(
            service=params["service"],
            group=params["group"],
            node=params["node"],
            event=bounded(event),
        )
        if self._numbered.take(told):
            return
        self._told.add(told)
        self._broadcast(told)
        self._heard.set()

    async def run(self) -> None:
        """Have what was told numbered, until cancelled; then the streams end."""
        try:
            while True:
                await self._opened.wait()
                self._cursor = None
                self._told, self._numbered = _Matching(), _Matching()
                while self._streams:
                    await self._number()
                    await self._pause()
        finally:
            for stream in self._streams:
                stream.end()

    async def _pause(self) -> None:
        self._heard.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._heard.wait()
        await asyncio.sleep(NUMBER_S)

    async def _number(self) -> None:
        try:
            if self._cursor is None:
                newest = await self._ask(Events(limit=1))
                self._cursor = newest[0].number if newest else 0
                self._checkpoint()
            while page := await self._ask(_after(Events(limit=PAGE), self._cursor)):
                for entry in page:
                    self._take(entry)
                self._cursor = page[-1].number
                self._checkpoint()
        except Problem as problem:
            logger.info("events are not numbered: %s", problem.detail)

    def _take(self, entry: JournalEntry) -> None:
        told = _told(entry)
        if not self._told.take(told):
            self._numbered.add(told)
            self._broadcast(told)

    def _broadcast(self, told: Told) -> None:
        frame, key = frame_of(told), key_of(told)
        for stream in self._streams:
            if stream.wanted.has(told):
                stream.put(frame, key=key)

    def _checkpoint(self) -> None:
        """Tell everybody the number up to which he has been told everything."""
        frame = f"id: {self._cursor}\n\n".encode()
        for stream in self._streams:
            stream.put(frame)


class _Matching:
    """Events that come twice, by two ways: each is to be told once."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, int] = OrderedDict()

    def add(self, told: Told) -> None:
        """Remember one."""
        key = key_of(told)
        self._known[key] = self._known.get(key, 0) + 1
        if len(self._known) > MAX_MATCHED:
            self._known.popitem(last=False)

    def take(self, told: Told) -> bool:
        """Return whether it is remembered, and forget it."""
        key = key_of(told)
        left = self._known.pop(key, 0) - 1
        if left > 0:
            self._known[key] = left
        return left >= 0


def key_of(told: Told) -> bytes:
    """Return what an event is known by, numbered or not."""
    return encode((told.service, told.group, told.node, told.event))


def frame_of(told: Told) -> bytes:
    """Return an event as it stands in the stream."""
    number = b"" if told.number is None else b"id: %d\n" % told.number
    return b"%sdata: %s\n\n" % (number, encode(told))


def gap_frame(why: str) -> bytes:
    """Return that events are missing."""
    return b"event: gap\ndata: %s\n\n" % encode(Gap(why=why))


def _told(entry: JournalEntry) -> Told:
    return Told(
        service=entry.service,
        group=entry.group,
        node=entry.node,
        event=bounded(entry.event),
        number=entry.number,
    )


def _after(wish: Events, number: int) -> Events:
    return Events(targets=wish.targets, kinds=wish.kinds, limit=wish.limit, after=number)
