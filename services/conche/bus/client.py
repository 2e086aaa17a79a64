"""The broker as a client sees it that is not a service: the command line, a script, a test."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from msgspec import DecodeError, ValidationError
from msgspec.json import decode, encode

from conche.contract import CLIENT_MARK, COMMAND, REPLY, Arguments, Mark, Message, Reply
from conche.settings import Broker

from .errors import BusDenied, BusUnavailable
from .intake import PayloadT
from .link import Incoming, Link, Subscription
from .login import login_of
from .topics import Topics, covers

READ_TIMEOUT_S: Final = 10.0
"""A broker that is silent for so long will not send what is retained [s]."""


class NobodyListens(BusUnavailable):
    """A command for which there is no service to take it."""


class Client:
    """One connection of a person or a script; an async context manager.

    Parameters
    ----------
    broker
        Where it is.
    account
        Who is calling; commands bear this name.
    """

    def __init__(self, broker: Broker, *, account: str) -> None:
        self.topics = Topics(broker.root)
        self.account = account
        self._instance = f"cli-{secrets.token_hex(4)}"
        self._login = login_of(broker, account=account, client_id=f"conche-{account}-{self._instance}")
        self._incoming: asyncio.Queue[Incoming] = asyncio.Queue()
        self._link: Link | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises
        ------
        BusUnavailable
            Nobody answers there.
        BusDenied
            The broker refuses the account.
        """
        self._link = Link(self._login, on_message=self._incoming.put_nowait)
        await self._link.connect()
        replies = self.topics.full(REPLY.filter(user=self.account))
        await self._link.subscribe([Subscription(replies, retained_too=False)])
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._open_link().disconnect()

    async def read(self, *messages: Message[PayloadT], **only: str) -> list[tuple[dict[str, str], PayloadT]]:
        """Return what is retained of some kinds of message, complete; what can't be read is left out.

        Parameters
        ----------
        messages
            Kinds, such as ``contract.NODE_STATUS``.
        only
            Values of topic parameters; the others match anything.
        """
        link = self._open_link()
        filters = {
            m: self.topics.full(m.filter(**{k: v for k, v in only.items() if k in m.parameters}))
            for m in messages
        }
        mark = self.topics.full(CLIENT_MARK.topic(user=self.account, instance=self._instance))
        nonce = secrets.token_hex(8)
        await link.subscribe(
            [Subscription(mark, retained_too=False), *(Subscription(f) for f in filters.values())]
        )
        await link.publish(mark, encode(Mark(nonce=nonce)))
        found: dict[str, tuple[dict[str, str], PayloadT]] = {}
        async for message in self._until_mark(mark, nonce):
            for kind, topic_filter in filters.items():
                if covers(topic_filter, message.topic):
                    self._take(kind, message, found)
        link.unsubscribe([mark, *filters.values()])
        return list(found.values())

    def _take(
        self,
        kind: Message[PayloadT],
        message: Incoming,
        found: dict[str, tuple[dict[str, str], PayloadT]],
    ) -> None:
        params = kind.match(self.topics.relative(message.topic))
        found.pop(message.topic, None)
        if params is not None and message.payload:
            with suppress(ValidationError, DecodeError):
                found[message.topic] = (params, decode(message.payload, type=kind.payload))

    async def _until_mark(self, mark: str, nonce: str) -> AsyncIterator[Incoming]:
        while True:
            message = await self._next(READ_TIMEOUT_S)
            if message is None:
                raise BusUnavailable("the broker does not send what it holds: may this account read it?")
            if message.topic != mark:
                yield message
            elif decode(message.payload, type=Mark).nonce == nonce:
                return

    async def command(
        self, action: str, arguments: Arguments, *, group: str, node: str, timeout: float
    ) -> AsyncIterator[Reply]:
        """Send a command and yield the replies to it as they come, until ``timeout`` seconds bring none.

        The caller stops when it has all that it expects.

        Parameters
        ----------
        action
            What is wished for.
        arguments
            Must bear an ``id``.
        group, node
            Whom it concerns; ``all`` for each.
        timeout
            How long to wait for the next reply [s].

        Raises
        ------
        NobodyListens
            No service is there to take it.
        """
        if arguments.id is None:
            raise ValueError("a command needs an id, so that its replies can be told from others")
        topic = self.topics.full(COMMAND.topic(user=self.account, group=group, node=node, action=action))
        if not await self._open_link().publish(topic, encode(arguments)):
            raise NobodyListens(f"nobody takes commands for {group}/{node}: is conche running?")
        while (message := await self._next(timeout)) is not None:
            with suppress(ValidationError, DecodeError):
                reply = decode(message.payload, type=Reply)
                if reply.id == arguments.id:
                    yield reply

    async def _next(self, timeout: float) -> Incoming | None:
        """Return the next message, or None when there is none in time.

        Raises
        ------
        BusUnavailable, BusDenied
            The connection has ended.
        """
        getting = asyncio.ensure_future(self._incoming.get())
        closed = self._open_link().closed
        try:
            waiting: list[asyncio.Future[Any]] = [getting, closed]
            await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
            if closed.done():
                closed.result()
            return None
        finally:
            getting.cancel()

    def _open_link(self) -> Link:
        if self._link is None:
            raise BusUnavailable("not connected to the broker")
        return self._link


__all__ = ["BusDenied", "BusUnavailable", "Client", "NobodyListens"]
