"""What comes in from the broker: bounded, decoded, validated, handed to whom it concerns."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

from msgspec import DecodeError, ValidationError
from msgspec.json import Decoder

from conche.contract import (
    COMMAND,
    EVENT,
    MESSAGES,
    SERVICE,
    SERVICE_MARK,
    Delivery,
    Message,
    Payload,
    ServiceBirth,
)

from .inbox import Inbox
from .link import Incoming
from .topics import Topics, covers

logger = logging.getLogger(__name__)

PayloadT = TypeVar("PayloadT", bound=Payload)
Handler = Callable[[Mapping[str, str], PayloadT | None], None]
TakeCommand = Callable[[Incoming], None]
TakeText = Callable[[str, str], None]

DELIVER_BURST: Final = 100
"""Messages handled before other tasks get their turn."""

_HEARTBEATS: Final = tuple(message for message in MESSAGES if message.delivery is Delivery.HEARTBEAT)

COMPLAINTS: Final = 10_000
"""Topics of which it is remembered that they were complained about."""


@dataclass(frozen=True)
class Reading:
    """A kind of message that the service reads, and whom to tell."""

    message: Message[Any]
    filter: str
    handler: Handler[Any]


@dataclass(frozen=True)
class Listening:
    """Topics outside the root, and whom to tell of the text that stands there."""

    filter: str
    handler: TakeText


@dataclass
class Counters:
    """What happened on the way in, and what never went out."""

    received: int = 0
    invalid: int = 0
    too_large: int = 0


class Intake:
    """Takes messages from the connection and hands them out one by one.

    Parameters
    ----------
    topics
        The root.
    own_filters
        Filters of the service's own retained topics; what stands on them is noted at each connection.
    birth_topic
        The service's own birth topic.
    on_own_birth
        Told of what others, or an earlier self, put there while connected.
    """

    def __init__(
        self,
        topics: Topics,
        *,
        own_filters: list[str],
        birth_topic: str,
        on_own_birth: Callable[[bytes], None],
    ) -> None:
        self.inbox = Inbox()
        self.counters = Counters()
        self.readings: list[Reading] = []
        self.listenings: list[Listening] = []
        self.command_filters: list[str] = []
        self.own_found: dict[str, bytes] = {}
        self.birth_found: ServiceBirth | None = None
        self.sentinel_back = asyncio.Event()
        self._topics = topics
        self._own_filters = own_filters
        self._birth_topic = birth_topic
        self._on_own_birth = on_own_birth
        self._on_command: TakeCommand | None = None
        self._on_busy: TakeCommand | None = None
        self._looking = True
        self._nonce = ""
        self._seen: set[str] = set()
        self._known: set[str] = set()
        self._complained: set[str] = set()

    def take_commands(self, filters: list[str], on_command: TakeCommand, *, on_busy: TakeCommand) -> None:
        """Set who takes commands, and who is told of each that finds the inbox full."""
        self.command_filters, self._on_command, self._on_busy = filters, on_command, on_busy

    def look_around(self, nonce: str) -> None:
        """Begin to note what is retained, up to the sentinel with this nonce."""
        self.inbox.forget_states()
        self.own_found, self.birth_found, self._seen = {}, None, set()
        self._nonce = nonce
        self._looking = True
        self.sentinel_back.clear()

    def looked_around(self) -> None:
        """Tell the readers of what was retained at the last connection and is not any more."""
        self._looking = False
        gone, self._known = self._known - self._seen, set(self._seen)
        for topic in gone:
            self._hand_out(Incoming(topic=topic, payload=b"", retained=True))

    def losses(self) -> dict[str, int]:
        """Return how many messages were dropped on the way in or out, and how many were invalid."""
        counters = self.counters
        return {"dropped": self.inbox.dropped + counters.too_large, "invalid": counters.invalid}

    def put(self, message: Incoming) -> None:
        """Take one message from the connection."""
        self.counters.received += 1
        relative = self._topics.relative(message.topic)
        if EVENT.match(relative) is not None:
            self.inbox.put_event(message)
        elif COMMAND.match(relative) is None:
            late = any(heartbeat.match(relative) is not None for heartbeat in _HEARTBEATS)
            self.inbox.put_state(message, late=late)
        elif not self.inbox.put_command(message) and self._on_busy is not None:
            self._on_busy(message)

    async def deliver(self) -> None:
        """Hand out messages, for ever."""
        handled = 0
        while True:
            self._handle(await self.inbox.get())
            handled += 1
            if handled % DELIVER_BURST == 0:
                await asyncio.sleep(0)

    def decoded(self, message: Message[PayloadT], topic: str, data: bytes) -> PayloadT | None:
        """Return a payload, or None for one that is not what the contract says: logged once, counted, dropped."""
        try:
            payload: PayloadT = _decoder(message.payload).decode(data)
        except (ValidationError, DecodeError, UnicodeDecodeError, RecursionError) as error:
            self.counters.invalid += 1
            if topic not in self._complained and len(self._complained) < COMPLAINTS:
                self._complained.add(topic)
                logger.warning("%s: dropped what is not a %s: %s", topic, message.payload.__name__, error)
            return None
        return payload

    def _handle(self, message: Incoming) -> None:
        relative = self._topics.relative(message.topic)
        if not relative:
            self._hand_out_text(message)
        elif SERVICE_MARK.match(relative) is not None:
            self._on_mark(message)
        elif COMMAND.match(relative) is not None:
            if self._on_command is not None:
                self._on_command(message)
        elif message.topic == self._birth_topic:
            self._on_birth(message)
        else:
            if self._looking:
                self._note_found(message)
            self._hand_out(message)

    def _hand_out_text(self, message: Incoming) -> None:
        text = message.payload.decode("utf-8", "replace")
        for listening in self.listenings:
            if covers(listening.filter, message.topic):
                listening.handler(message.topic, text)

    def _note_found(self, message: Incoming) -> None:
        """Take what stands on a topic, or that it was cleared meanwhile."""
        if not message.payload:
            self._seen.discard(message.topic)
            self.own_found.pop(message.topic, None)
            return
        self._seen.add(message.topic)
        if any(covers(f, message.topic) for f in self._own_filters):
            self.own_found[message.topic] = message.payload

    def _on_mark(self, message: Incoming) -> None:
        mark = self.decoded(SERVICE_MARK, message.topic, message.payload)
        if mark is not None and mark.nonce == self._nonce:
            self.sentinel_back.set()

    def _on_birth(self, message: Incoming) -> None:
        if not self._looking:
            self._on_own_birth(message.payload)
        elif message.payload:
            self.own_found[message.topic] = message.payload
            self.birth_found = self.decoded(SERVICE, message.topic, message.payload)

    def _hand_out(self, message: Incoming) -> None:
        for reading in self.readings:
            state = reading.message.delivery is Delivery.STATE
            if not covers(reading.filter, message.topic) or not (message.payload or state):
                continue  # nothing but a state can be cleared
            params = reading.message.match(self._topics.relative(message.topic))
            payload = (
                self.decoded(reading.message, message.topic, message.payload) if message.payload else None
            )
            if params is None or (payload is None and message.payload):
                continue
            if state:
                (self._known.add if message.payload else self._known.discard)(message.topic)
            reading.handler(params, payload)


@cache
def _decoder(payload: type[PayloadT]) -> Decoder[PayloadT]:
    return Decoder(payload)
