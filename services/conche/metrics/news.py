"""What becomes of the database, told on the bus, also when the broker was away as well."""

from collections import deque
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

from conche.contract import EVENT, NO_NAME, Event, EventKind, Message, Payload, Service
from conche.happenings import bounded

PayloadT = TypeVar("PayloadT", bound=Payload)

MAX_UNTOLD: Final = 100
"""Events that are kept while the broker is away; the oldest go. A guess."""


class Told(Protocol):
    """Who is told that something changed."""

    def __call__(self) -> None:
        """Take note."""


class Teller(Protocol):
    """What is needed of the bus."""

    def on_connection(self, handler: Told) -> None:
        """Have somebody told of connections."""

    def tell(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> bool:
        """Publish an event; return whether there was a connection."""


class News:
    """Tells, now or when the broker is back.

    Parameters
    ----------
    bus
        The broker.
    """

    def __init__(self, bus: Teller) -> None:
        self._bus = bus
        self._untold: deque[Event] = deque(maxlen=MAX_UNTOLD)
        bus.on_connection(self._tell_untold)

    def tell(self, words: str, good: bool) -> None:
        """Tell what has become of the database, and whether that is good."""
        event = Event(at=datetime.now(UTC), kind=EventKind.SERVICE, text=words, ok=good)
        self._untold.append(bounded(event))
        self._tell_untold()

    def _tell_untold(self) -> None:
        while self._untold and self._bus.tell(
            EVENT, self._untold[0], service=Service.METRICS, group=NO_NAME, node=NO_NAME
        ):
            self._untold.popleft()
