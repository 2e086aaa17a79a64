"""What the broker says, for as long as somebody looks at it: everything that is retained, and every change after it."""

import asyncio
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from msgspec import DecodeError, ValidationError
from msgspec.json import Decoder, encode

from conche.contract import CLIENT_MARK, Mark, Message, Payload
from conche.settings import Broker

from .errors import BusUnavailable
from .link import Incoming, Link, Subscription
from .login import login_of
from .topics import Topics, covers

RECONNECT_S: Final = (0.2, 5.0)
"""First and longest wait before connecting again [s]; doubled in between, with jitter."""

SILENCE_S: Final = 10.0
"""A broker that says nothing for so long will not send what is retained [s]."""

RETURN_S: Final = 5.0
"""How long a broker that came back empty is given to be told everything again by its services [s]."""

_MARK_DECODER: Final = Decoder(Mark)
_NOT_READABLE: Final = (ValidationError, DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class News:
    """One message.

    Parameters
    ----------
    kind
        Of message.
    topic
        Below the root.
    params
        Parameters of the topic.
    payload
        None where what was retained is gone, or can't be understood.
    trouble
        Why it can't be understood.
    """

    kind: Message[Any]
    topic: str
    params: dict[str, str]
    payload: Payload | None
    trouble: str | None = None


class Listener(Protocol):
    """Who is told, in the loop's thread."""

    def on_news(self, news: News) -> None:
        """Take a message."""

    def on_complete(self) -> None:
        """Take that all that is retained has been told, at each connection."""

    def on_lost(self, words: str) -> None:
        """Take that the broker is away, at each attempt that fails."""


class Feed:
    """Stays connected and tells a listener.

    Parameters
    ----------
    broker
        Where it is.
    account
        Who is looking.
    kinds
        What is followed.
    listener
        Who is told.
    """

    def __init__(
        self, broker: Broker, *, account: str, kinds: Sequence[Message[Any]], listener: Listener
    ) -> None:
        instance = f"watch-{secrets.token_hex(4)}"
        self._topics = Topics(broker.root)
        self._login = login_of(broker, account=account, client_id=f"conche-{account}-{instance}")
        self._mark = self._topics.full(CLIENT_MARK.topic(user=account, instance=instance))
        self._filters = {self._topics.full(kind.filter()): kind for kind in kinds}
        self._decoders: dict[str, Decoder[Any]] = {kind.name: Decoder(kind.payload) for kind in kinds}
        self._listener = listener
        self._nonce = ""
        self._back = asyncio.Event()
        self._connected = False
        self._heard = 0
        self._known: dict[str, Message[Any]] = {}
        """Topics on which something stands."""
        self._found: set[str] = set()
        """Those of them of which this connection has told."""
        self.complete = asyncio.Event()
        """Set for good when everything was told once."""

    async def run(self) -> None:
        """Follow, until cancelled.

        Raises
        ------
        BusUnavailable
            Nobody answers there at the first attempt; later ones are repeated for ever.
        BusDenied
            The broker refuses the account.
        """
        first, longest = RECONNECT_S
        wait = first
        while True:
            try:
                await self._one_connection()
            except BusUnavailable as error:
                if not self.complete.is_set():
                    raise
                wait = first if self._connected else min(2 * wait, longest)
                self._connected = False
                self._listener.on_lost(str(error))
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))

    async def _one_connection(self) -> None:
        link = Link(self._login, on_message=self._take)
        self._found.clear()
        self._nonce = secrets.token_hex(8)
        self._back.clear()
        try:
            await link.connect()
            await link.subscribe(
                [Subscription(self._mark, retained_too=False), *(Subscription(f) for f in self._filters)]
            )
            await link.publish(self._mark, encode(Mark(nonce=self._nonce)))
            await self._until_back(link)
            self._connected = True
            self._listener.on_complete()
            self.complete.set()
            await asyncio.wait([link.closed], timeout=RETURN_S)
            if not link.closed.done():
                self._forget_missing()
            await asyncio.wait([link.closed])
            link.closed.result()
        finally:
            await link.disconnect()

    async def _until_back(self, link: Link) -> None:
        """Wait for the sentinel, which comes behind everything that is retained."""
        back = asyncio.ensure_future(self._back.wait())
        either: list[asyncio.Future[Any]] = [back, link.closed]
        try:
            while not back.done():
                before = self._heard
                await asyncio.wait(either, timeout=SILENCE_S, return_when=asyncio.FIRST_COMPLETED)
                if link.closed.done():
                    link.closed.result()
                if not back.done() and self._heard == before:
                    raise BusUnavailable("the broker does not send what it holds: may this account read it?")
        finally:
            back.cancel()

    def _forget_missing(self) -> None:
        """Tell of what stood on the broker before it was away and does not stand there any more."""
        for topic in [topic for topic in self._known if topic not in self._found]:
            self._tell(self._known[topic], topic, b"")

    def _take(self, message: Incoming) -> None:
        self._heard += 1
        if message.topic == self._mark:
            if _MARK_DECODER.decode(message.payload).nonce == self._nonce:
                self._back.set()
            return
        for topic_filter, kind in self._filters.items():
            if covers(topic_filter, message.topic):
                self._tell(kind, message.topic, message.payload)
                return

    def _tell(self, kind: Message[Any], full: str, data: bytes) -> None:
        topic = self._topics.relative(full)
        params = kind.match(topic)
        if params is None:
            return
        if not data:
            self._found.discard(full)
            if self._known.pop(full, None) is not None:
                self._listener.on_news(News(kind, topic, params, None))
            return
        if kind.retained:
            self._known[full] = kind
            self._found.add(full)
        try:
            payload = self._decoders[kind.name].decode(data)
        except _NOT_READABLE as error:
            self._listener.on_news(News(kind, topic, params, None, trouble=str(error)))
        else:
            self._listener.on_news(News(kind, topic, params, payload))
