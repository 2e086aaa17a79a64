"""The broker in memory: retained messages, subscriptions, last wills, acknowledgements, in order."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from conche.bus import BusUnavailable
from conche.bus.link import Incoming, Login, Subscription, Will
from conche.bus.topics import covers

LATENCY_S = 0.001
WILL_S = 3.0


@dataclass
class Broker:
    """What everybody says, and who listens.

    The worker connects with a `MemoryLink`; everybody else publishes here, and hears by ``listeners``.
    """

    up: bool = True
    retained: dict[str, bytes] = field(default_factory=dict)
    links: list["MemoryLink"] = field(default_factory=list)
    listeners: list[Callable[[str, bytes], None]] = field(default_factory=list)
    on_up: list[Callable[[], None]] = field(default_factory=list)
    on_down: list[Callable[[], None]] = field(default_factory=list)
    on_delivery: list[Callable[[Incoming], None]] = field(default_factory=list)
    _wills: dict[str, asyncio.TimerHandle] = field(default_factory=dict)

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> bool:
        """Carry a message to everybody; return whether anybody listens."""
        if not self.up:
            return False
        if retain and payload:
            self.retained[topic] = payload
        elif retain:
            self.retained.pop(topic, None)
        heard = [link.offer(topic, payload, retain, response_topic, correlation) for link in self.links]
        for listener in self.listeners:
            listener(topic, payload)
        return any(heard)

    def leave_will(self, topic: str, payload: bytes) -> None:
        """Say a last will in a while, unless its owner is back by then."""
        self.forget_will(topic)
        self._wills[topic] = asyncio.get_event_loop().call_later(WILL_S, self._say_will, topic, payload)

    def forget_will(self, topic: str) -> None:
        if (timer := self._wills.pop(topic, None)) is not None:
            timer.cancel()

    def _say_will(self, topic: str, payload: bytes) -> None:
        self._wills.pop(topic, None)
        self.publish(topic, payload, retain=True)

    def crash(self) -> None:
        """End every connection; wills that were due are lost."""
        self.up = False
        for topic in list(self._wills):
            self.forget_will(topic)
        for link in list(self.links):
            link.lose()
        for told in self.on_down:
            told()

    def come_back(self, retained: dict[str, bytes]) -> None:
        """Run again, with what was saved some time ago."""
        self.up = True
        self.retained = dict(retained)
        for told in self.on_up:
            told()


class MemoryLink:
    """Stands in for `conche.bus.link.Link`."""

    def __init__(
        self,
        login: Login,
        *,
        on_message: Callable[[Incoming], None],
        will: Will | None = None,
        broker: Broker,
    ) -> None:
        self.login = login
        self.subscriptions: list[Subscription] = []
        self._broker = broker
        self._on_message = on_message
        self._will = will
        self._loop = asyncio.get_running_loop()
        self._coming: deque[Callable[[], None]] = deque()
        self._going: deque[Callable[[], None]] = deque()
        self._pending: set[asyncio.Future[Any]] = set()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.closed.add_done_callback(_seen)

    async def connect(self) -> None:
        await asyncio.sleep(LATENCY_S)
        if not self._broker.up:
            self.give_up()
            raise BusUnavailable("broker: connection refused")
        self._broker.links.append(self)
        if self._will is not None:
            self._broker.forget_will(self._will.topic)

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> asyncio.Future[bool]:
        future = self._expect()

        def arrive() -> None:
            more = {"response_topic": response_topic, "correlation": correlation}
            heard = self._broker.publish(topic, payload, retain=retain, **more)
            self._back(lambda: self._settle(future, heard))

        if not future.done():
            self._there(arrive)
        return future

    async def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        future, wanted = self._expect(), list(subscriptions)

        def arrive() -> None:
            self.subscriptions += wanted
            self._back(lambda: self._settle(future, True))
            for topic, payload in list(self._broker.retained.items()):
                if any(s.retained_too and covers(s.filter, topic) for s in wanted):
                    self._back(self._handing(Incoming(topic, payload, retained=True)))

        self._there(arrive)
        await future

    def unsubscribe(self, filters: list[str]) -> None:
        self.subscriptions = [s for s in self.subscriptions if s.filter not in filters]

    async def disconnect(self) -> None:
        self._will = None
        self.give_up()

    def raise_if_final(self) -> None:
        """Nothing that this broker does is final."""

    def give_up(self) -> None:
        self.lose()

    def lose(self) -> None:
        """End, and leave the last will to the broker."""
        if self.closed.done():
            return
        if self in self._broker.links:
            self._broker.links.remove(self)
        lost = BusUnavailable("the connection to the broker ended")
        self.closed.set_exception(lost)
        for future in self._pending:
            if not future.done():
                future.set_exception(lost)
        if self._will is not None and self._broker.up:
            self._broker.leave_will(self._will.topic, self._will.payload)

    def offer(
        self, topic: str, payload: bytes, retain: bool, response_topic: str | None, correlation: bytes | None
    ) -> bool:
        """Take a message that somebody publishes if it was subscribed to."""
        for subscription in self.subscriptions:
            if covers(subscription.filter, topic):
                flag = retain and not subscription.retained_too
                self._back(self._handing(Incoming(topic, payload, flag, response_topic, correlation)))
                return True
        return False

    # --- the way there and back, in order

    def _expect(self) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        future.add_done_callback(_seen)
        if self.closed.done():
            future.set_exception(BusUnavailable("not connected to the broker"))
        else:
            self._pending.add(future)
            future.add_done_callback(self._pending.discard)
        return future

    def _settle(self, future: asyncio.Future[Any], result: bool) -> None:
        if not future.done():
            future.set_result(result)

    def _handing(self, message: Incoming) -> Callable[[], None]:
        def hand_over() -> None:
            for told in self._broker.on_delivery:
                told(message)
            self._on_message(message)

        return hand_over

    def _there(self, action: Callable[[], None]) -> None:
        """Have something happen at the broker; also when its sender is gone by then."""
        self._going.append(action)
        self._loop.call_later(LATENCY_S, lambda: self._going.popleft()())

    def _back(self, action: Callable[[], None]) -> None:
        self._coming.append(action)
        self._loop.call_later(LATENCY_S, self._next)

    def _next(self) -> None:
        action = self._coming.popleft()
        if not self.closed.done():
            action()


def _seen(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
