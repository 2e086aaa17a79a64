"""Commands for people: sent under the gateway's account, repeated until they are answered, and remembered for a while.

Each message has one reply. A command to all groups is one message to each of them, as in the client, so nobody has to
be there but those who carry it out.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar

from msgspec.structs import replace

from conche.bus import BusUnavailable, PayloadTooLarge
from conche.client.sending import REPEAT_S, TIMEOUT_S, Order
from conche.contract import COMMAND, Arguments, Event, EventKind, Message, Payload, Reply, Service

from .errands import Errand, Errands, Parcel, parcels_of
from .problems import Conflict, TooLarge, TooMany

logger = logging.getLogger(__name__)

PayloadT = TypeVar("PayloadT", bound=Payload)

AWAY_S: Final = 0.5
"""While the broker is away it is looked for again after this [s]."""

MAX_OPEN: Final = 1_000
"""Messages that wait for their reply; a service takes as many of all senders."""

_ACCEPTING: Final[Mapping[str, EventKind]] = {
    Service.RENDERER: EventKind.CONFIG,
    Service.SYNC: EventKind.COMMAND,
}
"""With which event a service says that a command is carried out: a config is tried first, and then written."""


class Sender(Protocol):
    """What sending commands needs of the bus."""

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""

    async def publish(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> bool:
        """Publish something that is not retained."""


class Commander:
    """Sends commands and gathers the replies.

    Parameters
    ----------
    bus
        The broker.
    errands
        Remembers them.
    clock
        Wall clock.
    """

    def __init__(
        self, bus: Sender, *, errands: Errands, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._bus = bus
        self.errands = errands
        self._clock = clock
        self._awaited: dict[str, tuple[Errand, Parcel, asyncio.Event]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Carry out what is submitted, until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            await asyncio.Event().wait()

    # --- what comes in

    def on_reply(self, params: Mapping[str, str], reply: Reply | None) -> None:
        """Take a reply; one to a message that is not awaited any more changes nothing."""
        found = self._awaited.get(params["id"])
        if reply is not None and found is not None:
            errand, parcel, answered = found
            errand.take(parcel, reply)
            answered.set()

    def on_event(self, params: Mapping[str, str], event: Event | None) -> None:
        """Take that a command is being carried out."""
        found = self._awaited.get(event.command or "") if event is not None else None
        if found is not None and event is not None and _ACCEPTING.get(params["service"]) is event.kind:
            errand, parcel, _ = found
            errand.accept(parcel)

    # --- what goes out

    def submit(
        self,
        action: str,
        arguments: Arguments,
        orders: Sequence[Order],
        *,
        user: str,
        name: str | None = None,
        unserved: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT_S,
        is_kept: bool = True,
    ) -> Errand:
        """Have a command sent for a person; return what becomes of it. One that is known by its name is not sent again.

        Parameters
        ----------
        action, arguments
            What is wished for; id, user and the time of expiry are filled in.
        orders
            To whom.
        user
            For whom.
        name
            Id of the command; None for a new one.
        unserved
            Groups that nobody is there for, and why.
        timeout
            When to give up [s].
        is_kept
            Whether it is remembered.

        Raises
        ------
        Conflict
            Another command has that name.
        TooMany
            Too many wait already.
        """
        now = self._clock()
        expires_at = arguments.expires_at or now + timedelta(seconds=timeout)
        name = name or f"gw-{secrets.token_hex(8)}"
        wish = replace(arguments, id=name, user=user, expires_at=expires_at)
        errand = Errand(action, wish, parcels_of(orders, name), sent_at=now, unserved=dict(unserved or {}))
        if is_kept and (known := self.errands.known(errand)) is not None:
            return known
        if any(parcel.id in self._awaited for parcel in errand.parcels):
            raise Conflict(f"id {name!r} is that of a part of another command: take another one")
        if self._tasks is None or len(self._awaited) + len(errand.parcels) > MAX_OPEN:
            raise TooMany("too many commands wait for their reply; try again", retry_after_s=REPEAT_S)
        if is_kept:
            self.errands.keep(errand)
        for parcel in errand.parcels:
            self._awaited[parcel.id] = errand, parcel, asyncio.Event()
        self._tasks.create_task(self._carry_out(errand, timeout), name=f"{action} of {user}")
        return errand

    async def _carry_out(self, errand: Errand, timeout: float) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for parcel in errand.parcels:
                    tasks.create_task(self._deliver(errand, parcel, timeout), name=f"send {parcel.id}")
        except* TooLarge as group:
            errand.problem = str(group.exceptions[0])
        finally:
            for parcel in errand.parcels:
                self._awaited.pop(parcel.id, None)
        errand.end(self._clock(), waited_s=timeout)

    async def _deliver(self, errand: Errand, parcel: Parcel, timeout: float) -> None:
        """Send a message until it is answered or given up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        _, _, answered = self._awaited[parcel.id]
        while not answered.is_set() and (left_s := deadline - loop.time()) > 0:
            wait_s = REPEAT_S if await self._sent(errand, parcel) else AWAY_S
            await _first(answered, min(wait_s, left_s))

    async def _sent(self, errand: Errand, parcel: Parcel) -> bool:
        if not self._bus.connected:
            return False
        order = parcel.order
        target = {"user": Service.GATEWAY.value, "group": order.group, "node": order.node}
        wish = replace(errand.arguments, id=parcel.id)
        try:
            await self._bus.publish(COMMAND, wish, **target, action=errand.action)
        except BusUnavailable as error:
            logger.info("%s: %s of %s: %s; goes on", parcel.id, errand.action, order.name, error)
            return False
        except PayloadTooLarge as error:
            raise TooLarge(f"no broker would take it: {error}; say it in several commands") from None
        return True


async def _first(event: asyncio.Event, timeout: float) -> None:
    """Wait for an event, for some time [s]."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await event.wait()
