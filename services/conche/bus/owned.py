"""The retained topics that a service owns: what should stand there, what stands there, and the way there."""

import asyncio

from .topics import Topics, covers


class OwnedState:
    """Tells which topics to publish next so that the broker holds what it should.

    All in bytes: two payloads are the same when their bytes are.
    """

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._wanted: dict[str, bytes] = {}
        self._held: dict[str, bytes] = {}
        self._sent: dict[str, bytes] = {}
        self._dirty: dict[str, None] = {}
        self._cleared: set[str] = set()
        self.changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def want(self, topic: str, payload: bytes) -> None:
        """Set what should stand on a topic; nothing at all for no bytes."""
        if payload:
            self._wanted[topic] = payload
        else:
            self._wanted.pop(topic, None)
        if self._standing(topic) != payload:
            self._mark(topic)

    def wanted(self, topic: str) -> bytes | None:
        """Return what should stand on a topic."""
        return self._wanted.get(topic)

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
        self._held = held
        self._sent.clear()
        self._dirty.clear()
        for topic, payload in self._wanted.items():
            if held.get(topic) != payload:
                self._mark(topic)
        self._sweep_out()
        self._settle()

    def held(self) -> dict[str, bytes]:
        """Return what stood there when the connection was made, with what was acknowledged since."""
        return self._held

    def overwritten(self, topic: str, payload: bytes) -> None:
        """Take note that somebody else, such as an old last will, wrote on an own topic."""
        self._held[topic] = payload
        if self._wanted.get(topic, payload) != payload:
            self._mark(topic)

    def take(self) -> tuple[str, bytes] | None:
        """Return the next topic to publish and what, or None; it counts as under way."""
        while self._dirty:
            topic = next(iter(self._dirty))
            del self._dirty[topic]
            payload = self._wanted.get(topic, b"")
            if self._standing(topic) != payload:
                self._sent[topic] = payload
                return topic, payload
        self.changed.clear()
        self._settle()
        return None

    def acknowledged(self, topic: str, payload: bytes) -> None:
        """Take note that the broker holds what was sent."""
        if self._sent.get(topic) == payload:
            del self._sent[topic]
        if payload:
            self._held[topic] = payload
        else:
            self._held.pop(topic, None)
        self._settle()

    async def settled(self) -> None:
        """Wait until the broker holds everything."""
        await self._idle.wait()

    def _standing(self, topic: str) -> bytes:
        return self._sent.get(topic, self._held.get(topic, b""))

    def _mark(self, topic: str) -> None:
        self._dirty[topic] = None
        self._idle.clear()
        self.changed.set()

    def _settle(self) -> None:
        if not self._dirty and not self._sent:
            self._idle.set()
