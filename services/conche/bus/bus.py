"""A service's side of the broker: birth and last will, its own state, what it reads, and staying connected."""

import asyncio
import logging
import random
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from msgspec.json import decode, encode

from conche.contract import (
    BIRTHS,
    Delivery,
    Mark,
    Message,
    Payload,
    Service,
    ServiceBirth,
    ServiceState,
    owned_by,
)
from conche.settings import Broker

from .encoding import encoded
from .errors import BusTakenOver, BusUnavailable, PayloadTooLarge
from .intake import Handler, Intake, Listening, PayloadT, Reading, TakeCommand, TakeText
from .link import OUT_WINDOW, Link, Subscription
from .login import login_of
from .owned import OwnedState
from .presence import BEAT_S, Presence
from .topics import Topics

logger = logging.getLogger(__name__)

RECONNECT_S: Final = (0.1, 2.0)
"""First and longest wait before connecting again [s]; doubled in between, with jitter."""

SENTINEL_SILENCE_S: Final = 10.0
"""A broker that sends nothing for this long before the sentinel is back will not send it [s]."""

FRESH_S: Final = 3.0
"""A process whose event loop stood still for longer can't know whether it was replaced meanwhile [s]."""


class Bus:
    """One service's connection to the broker, kept up as long as `run` runs.

    Parameters
    ----------
    broker
        Where it is.
    service
        Which service this is; its account has the same name.
    instance
        Which instance of it, where there can be several.
    scope
        Values of topic parameters to which the owned topics are limited, such as the worker's group.
    beats
        Whether it sends a heartbeat while the broker holds all of its owned state.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        service: Service,
        instance: str | None = None,
        scope: Mapping[str, str] | None = None,
        beats: bool = False,
    ) -> None:
        self.topics = Topics(broker.root)
        self._presence = Presence(self.topics, service, instance)
        self._beats = beats
        self._own_filters = [
            self.topics.full(message.filter(**(scope or {})))
            for message, _ in owned_by(service)
            if message.delivery is Delivery.STATE and message not in BIRTHS
        ]
        client_id = f"conche-{service}-{instance}" if instance else f"conche-{service}"
        self._login = login_of(broker, account=service, client_id=client_id)
        self._owned = OwnedState(self.topics)
        self._intake = Intake(
            self.topics,
            own_filters=self._own_filters,
            birth_topic=self._presence.birth_topic,
            on_own_birth=partial(self._owned.overwritten, self._presence.birth_topic),
        )
        self._link: Link | None = None
        self._picture = asyncio.Event()
        self._window = asyncio.Semaphore(OUT_WINDOW)
        self._on_connection: list[Callable[[], None]] = []
        self._announced = False
        self._trouble = ""
        self._last_tick = 0.0

    def subscribe(self, message: Message[PayloadT], handler: Handler[PayloadT], **only: str) -> None:
        """Read a kind of message.

        Parameters
        ----------
        message
            What to read.
        handler
            Called with the topic's parameters and the payload, None where a retained one is gone.
        only
            Values of topic parameters; the others match anything.
        """
        topic_filter = self.topics.full(message.filter(**only))
        self._intake.readings.append(Reading(message, topic_filter, handler))

    def listen(self, topic_filter: str, handler: TakeText) -> None:
        """Read text on topics outside the root; the filter, as it stands, may end in ``#``."""
        self._intake.listenings.append(Listening(topic_filter, handler))

    def on_connection(self, handler: Callable[[], None]) -> None:
        """Have somebody told whenever `connected` changes."""
        self._on_connection.append(handler)

    def take_commands(self, filters: list[str], on_command: TakeCommand, *, on_busy: TakeCommand) -> None:
        """Read commands; ``on_busy`` is told of each that finds the inbox full."""
        self._intake.take_commands([self.topics.full(f) for f in filters], on_command, on_busy=on_busy)

    async def run(self) -> None:
        """Stay connected and hand out what comes in, until cancelled or replaced.

        Raises
        ------
        BusDenied
            The broker refuses the account or something that it did.
        BusTakenOver
            Another process does this one's work.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._intake.deliver(), name="deliver messages")
            group.create_task(self._watch_clock(), name="watch the clock")
            group.create_task(self._show_presence(), name="show presence")
            group.create_task(self._stay_connected(), name="stay connected")

    @property
    def boot(self) -> str:
        """Name of this process, new at each start."""
        return self._presence.boot

    @property
    def birth(self) -> ServiceBirth:
        """What this process says of itself while it is online; its own birth topic is not handed out."""
        return decode(self._online(), type=ServiceBirth)

    @property
    def connected(self) -> bool:
        """Whether the picture is complete and this process has not been asleep."""
        awake = asyncio.get_running_loop().time() - self._last_tick < FRESH_S
        return self._picture.is_set() and awake and self._link is not None and not self._link.closed.done()

    async def picture_complete(self) -> None:
        """Wait until everything that was retained has been handled."""
        await self._picture.wait()

    def own(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> None:
        """Set an owned state; it is published where the broker holds something else, now or when it is back.

        Raises
        ------
        PayloadTooLarge
            No broker would take it.
        """
        topic = self.topics.full(message.topic(**params))
        self._owned.want(topic, encoded(topic, payload))

    def disown(self, message: Message[PayloadT], **params: str) -> None:
        """Clear an owned topic."""
        self._owned.want(self.topics.full(message.topic(**params)), b"")

    def clear_unowned(self, message: Message[PayloadT], **only: str) -> None:
        """Clear, from now on, what stands on own topics of a kind and is of no thing that there is."""
        self._owned.clear_unowned(message.filter(**only))

    def found(self, message: Message[PayloadT]) -> list[tuple[dict[str, str], PayloadT]]:
        """Return what the own topics of a kind hold; what can't be read is left out."""
        result = []
        for topic, data in self._owned.held().items():
            params = message.match(self.topics.relative(topic))
            if params is not None and (payload := self._intake.decoded(message, topic, data)) is not None:
                result.append((params, payload))
        return result

    async def settled(self) -> None:
        """Wait until the broker has acknowledged every owned state."""
        await self._owned.settled()

    async def publish(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> bool:
        """Publish something that is not retained; return whether anybody listens.

        Raises
        ------
        BusUnavailable
            There is no connection, or it was lost before the broker acknowledged.
        PayloadTooLarge
            No broker would take it.
        """
        topic = self.topics.full(message.topic(**params))
        return await self._open_link().publish(topic, encoded(topic, payload))

    def tell(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> bool:
        """Publish an event without waiting; return whether there was a connection. One too large is dropped."""
        try:
            self.send(self.topics.full(message.topic(**params)), payload)
        except BusUnavailable:
            return False
        except PayloadTooLarge as error:
            self._intake.counters.too_large += 1
            logger.error("dropped: %s", error)
        return True

    def send(self, topic: str, payload: Payload, *, correlation: bytes | None = None) -> None:
        """Publish on a full topic without waiting, such as a reply to where its asker wants it.

        Raises
        ------
        BusUnavailable
            There is no connection.
        PayloadTooLarge
            No broker would take it.
        """
        self._open_link().publish(topic, encoded(topic, payload), correlation=correlation)

    def _open_link(self) -> Link:
        if self._link is None or self._link.closed.done():
            raise BusUnavailable("not connected to the broker")
        return self._link

    async def _stay_connected(self) -> None:
        first, longest = RECONNECT_S
        wait = first
        while True:
            try:
                await self._one_connection()
            except BusUnavailable as error:
                if self._picture.is_set():
                    wait = first
                self._complain(str(error))
            if self._picture.is_set():
                self._picture.clear()
                self._tell_connection()
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, longest)

    def _complain(self, trouble: str) -> None:
        if trouble != self._trouble:
            logger.warning("%s: %s", self._login.client_id, trouble)
        self._trouble = trouble

    async def _one_connection(self) -> None:
        link = Link(self._login, on_message=self._intake.put, will=self._presence.will())
        again = self._announced
        try:
            await link.connect()
            if not again:
                await self._announce(link)
            await self._look_around(link)
            if again:
                self._check_not_replaced()
            self._link = link
            self._owned.want(self._presence.birth_topic, self._online())
            self._picture.set()
            self._trouble = ""
            logger.info("%s: online", self._login.client_id)
            self._tell_connection()
            await self._keep_owned(link)
        except BusUnavailable:
            link.raise_if_final()
            raise
        except asyncio.CancelledError:
            await self._say_goodbye(link)
            raise
        finally:
            self._link = None
            await link.disconnect()

    def _tell_connection(self) -> None:
        for handler in self._on_connection:
            handler()

    async def _announce(self, link: Link) -> None:
        """Put the new boot on the birth topic before anything else.

        A predecessor that is still there was evicted by this connection, comes back at once, and must find that it
        was replaced; mosquitto 2.0.11 does not tell it.
        """
        await link.publish(
            self._presence.birth_topic, self._presence.birth(ServiceState.OFFLINE), retain=True
        )
        self._announced = True

    async def _look_around(self, link: Link) -> None:
        """Read everything retained up to the sentinel: what others say, and what stands on the own topics."""
        nonce = secrets.token_hex(8)
        self._intake.look_around(nonce)
        mark = self._presence.mark_topic
        intake = self._intake
        read = {r.filter for r in intake.readings} | {one.filter for one in intake.listenings}
        await link.subscribe(
            [
                Subscription(mark, retained_too=False),
                *(Subscription(f) for f in sorted({*self._own_filters, self._presence.birth_topic, *read})),
                *(Subscription(f, retained_too=False) for f in self._intake.command_filters),
            ]
        )
        await link.publish(mark, encode(Mark(nonce=nonce)))
        await self._await_sentinel(link)
        self._intake.looked_around()
        link.unsubscribe([f for f in self._own_filters if f not in read])
        self._owned.found(self._intake.own_found)

    async def _await_sentinel(self, link: Link) -> None:
        back = asyncio.ensure_future(self._intake.sentinel_back.wait())
        either: list[asyncio.Future[Any]] = [back, link.closed]
        try:
            while not back.done():
                before = self._intake.counters.received
                await asyncio.wait(either, timeout=SENTINEL_SILENCE_S, return_when=asyncio.FIRST_COMPLETED)
                if link.closed.done():
                    link.closed.result()
                if not back.done() and self._intake.counters.received == before:
                    raise BusUnavailable(
                        f"what the account {self._login.account!r} publishes on {self._presence.mark_topic} "
                        "does not come back: may it read that? check the access list"
                    )
        finally:
            back.cancel()

    def _check_not_replaced(self) -> None:
        """On a reconnect, another boot on the own birth topic is a successor's."""
        birth = self._intake.birth_found
        if birth is not None and birth.boot != self.boot:
            raise BusTakenOver(
                f"another {self._login.client_id} ({birth.host}) has taken over; this one ends"
            )

    async def _keep_owned(self, link: Link) -> None:
        """Publish owned state as it changes, until the connection is lost."""
        link.closed.add_done_callback(lambda _: self._owned.changed.set())
        while not link.closed.done():
            entry = self._owned.take()
            if entry is None:
                await self._owned.changed.wait()
                continue
            await self._window.acquire()
            topic, payload = entry
            future = link.publish(topic, payload, retain=True)
            future.add_done_callback(partial(self._acknowledged, topic, payload))
        link.closed.result()

    def _acknowledged(self, topic: str, payload: bytes, future: asyncio.Future[bool]) -> None:
        self._window.release()
        if not future.cancelled() and future.exception() is None:
            self._owned.acknowledged(topic, payload)

    async def _watch_clock(self) -> None:
        """Notice that this process stood still: others may have taken over, which only a new connection tells."""
        loop = asyncio.get_running_loop()
        while True:
            self._last_tick = loop.time()
            await asyncio.sleep(FRESH_S / 6)
            stood_still_s = loop.time() - self._last_tick
            if stood_still_s >= FRESH_S and self._link is not None:
                logger.warning(
                    "%s: stood still for %.1f s, connects anew", self._login.client_id, stood_still_s
                )
                self._link.give_up()

    def _online(self) -> bytes:
        return self._presence.birth(ServiceState.ONLINE, **self._intake.losses())

    async def _show_presence(self) -> None:
        """Tell what had to be dropped, and send heartbeats."""
        while True:
            await asyncio.sleep(BEAT_S)
            link = self._link
            if link is None or not self._picture.is_set():
                continue
            self._owned.want(self._presence.birth_topic, self._online())
            if self._beats:
                await self._owned.settled()
                if link is self._link and not link.closed.done():
                    link.publish(self._presence.beat_topic, self._presence.beat())

    async def _say_goodbye(self, link: Link) -> None:
        if self._link is None or link.closed.done():
            return
        goodbye = link.publish(
            self._presence.birth_topic, self._presence.birth(ServiceState.OFFLINE), retain=True
        )
        with suppress(TimeoutError, BusUnavailable):
            async with asyncio.timeout(1):
                await goodbye
