"""The retained topics that a service owns: what should stand there, what stands there, and the way there."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from .topics import Topics, covers


@dataclass(slots=True)
class _UnderWay:
    """Publishes of one topic that the broker has not acknowledged; the last one counts."""

    last: bytes
    count: int = 0


@dataclass(eq=False, slots=True)
class _Wait:
    """Somebody waits for topics to be with the broker."""

    topics: set[str]
    over: asyncio.Event = field(default_factory=asyncio.Event)


class OwnedState:
    """Tells which topics to publish next so that the broker holds what it should.

    All in bytes: two payloads are the same when their bytes are.
    """

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._wanted: dict[str, bytes] = {}
        """No bytes where nothing should stand, until it is known that nothing does."""
        self._held: dict[str, bytes] = {}
        self._under_way: dict[str, _UnderWay] = {}
        self._dirty: OrderedDict[str, None] = OrderedDict()
        self._doubtful: set[str] = set()
        self._cleared: set[str] = set()
        self._waits: list[_Wait] = []
        self.changed = asyncio.Event()

    def want(self, topic: str, payload: bytes) -> None:
        """Set what should stand on a topic; nothing at all for no bytes."""
        self._wanted[topic] = payload
        if self._standing(topic) != payload:
            self._mark(topic)

    def clear_unowned(self, topic_filter: str) -> None:
        """From now on, clear topics that a filter below the root covers and on which nothing should stand."""
        self._cleared.add(self._topics.full(topic_filter))
        self._sweep_out()

    def _sweep_out(self) -> None:
        for topic in self._held:
            if topic not in self._wanted and any(covers(f, topic) for f in self._cleared):
                self._mark(topic)

    def found(self, held: dict[str, bytes]) -> None:
        """Take what stands on the own topics at a new connection; nothing is under way any more."""
        self._held = dict(held)
        self._under_way.clear()
        self._doubtful.clear()
        self._dirty.clear()
        self._wanted = {topic: payload for topic, payload in self._wanted.items() if payload or topic in held}
        for topic, payload in self._wanted.items():
            if held.get(topic) != payload:
                self._mark(topic)
        self._sweep_out()
        for wait in self._waits:
            self._settle(*wait.topics)

    def held(self) -> dict[str, bytes]:
        """Return what stood there when the connection was made, with what was acknowledged since."""
        return self._held

    def overwritten(self, topic: str, payload: bytes) -> None:
        """Take note that somebody else, such as an old last will, wrote on an own topic."""
        self._held[topic] = payload
        under_way = self._under_way.get(topic)
        if under_way is None:
            if self._wanted.get(topic, payload) != payload:
                self._mark(topic)
        elif under_way.last != payload:  # before or after that: nobody knows
            self._doubtful.add(topic)
            self._mark(topic)

    def take(self) -> tuple[str, bytes] | None:
        """Return the next topic to publish and what, or None; it counts as under way."""
        while self._dirty:
            topic, _ = self._dirty.popitem(last=False)
            payload = self._wanted.get(topic, b"")
            if self._standing(topic) != payload or topic in self._doubtful:
                self._doubtful.discard(topic)
                under_way = self._under_way.setdefault(topic, _UnderWay(payload))
                under_way.last, under_way.count = payload, under_way.count + 1
                return topic, payload
            self._settle(topic)
        self.changed.clear()
        return None

    def acknowledged(self, topic: str, payload: bytes) -> None:
        """Take note that the broker holds what was sent, unless more is under way to the same topic."""
        under_way = self._under_way.get(topic)
        if under_way is None:
            return
        under_way.count -= 1
        self._held[topic] = payload if under_way.count else under_way.last
        if not under_way.count:
            del self._under_way[topic]
            if not self._held[topic]:
                del self._held[topic]
                if not self._wanted.get(topic):
                    self._wanted.pop(topic, None)
        self._settle(topic)

    async def settled(self) -> None:
        """Wait until the broker holds everything that is wanted now; what is wanted later is not waited for."""
        wait = _Wait({*self._dirty, *self._under_way})
        if not wait.topics:
            return
        self._waits.append(wait)
        try:
            await wait.over.wait()
        finally:
            self._waits.remove(wait)

    def _standing(self, topic: str) -> bytes:
        under_way = self._under_way.get(topic)
        return under_way.last if under_way else self._held.get(topic, b"")

    def _mark(self, topic: str) -> None:
        self._dirty[topic] = None
        self.changed.set()

    def _settle(self, *topics: str) -> None:
        """Tell those who wait which topics are as they should be."""
        done = {topic for topic in topics if topic not in self._dirty and topic not in self._under_way}
        for wait in self._waits:
            wait.topics -= done
            if not wait.topics:
                wait.over.set()
