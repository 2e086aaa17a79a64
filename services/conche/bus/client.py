"""The broker as a client sees it that is not a service: the command line, a script, a test."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from functools import cache
from types import TracebackType
from typing import Any, Final, Self

from msgspec import DecodeError, ValidationError
from msgspec.json import Decoder, encode

from conche.contract import CLIENT_MARK, COMMAND, REPLY, Arguments, Mark, Message, Reply, least_role_for
from conche.settings import Broker

from .encoding import encoded
from .errors import BusDenied, BusUnavailable, PayloadTooLarge, PublishDenied
from .intake import PayloadT
from .link import Incoming, Link, Subscription
from .login import login_of
from .topics import Topics, covers

READ_TIMEOUT_S: Final = 10.0
"""A broker that is silent for so long will not send what is retained [s]."""

_NOT_READABLE: Final = (ValidationError, DecodeError, UnicodeDecodeError, RecursionError)


class NobodyListens(BusUnavailable):
    """A command for which there is no service to take it."""


class CommandDenied(BusDenied):
    """A command that the account's role does not allow; says which role would.

    Parameters
    ----------
    account
        Who sent it.
    action
        What was wished for.
    """

    def __init__(self, account: str, action: str) -> None:
        role = least_role_for(action)
        remedy = (
            "there is no such action"
            if role is None
            else f"it takes the role {role}, ask for 'conche users role {account} {role}'"
        )
        super().__init__(f"{account} may not do {action}: {remedy}")


class Client:
    """One connection of a person or a script; an async context manager, used by one task at a time.

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
        self.unreadable: dict[str, str] = {}
        """Topics below the root whose payload `read` could not understand, and why: of another version."""
        self._instance = f"cli-{secrets.token_hex(4)}"
        self._mark = self.topics.full(CLIENT_MARK.topic(user=account, instance=self._instance))
        self._reply_to = self.topics.full(REPLY.topic(user=account, id=self._instance))
        self._login = login_of(broker, account=account, client_id=f"conche-{account}-{self._instance}")
        self._states: asyncio.Queue[Incoming] = asyncio.Queue()
        self._replies: asyncio.Queue[Incoming] = asyncio.Queue()
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
        self._link = Link(self._login, on_message=self._put)
        try:
            await self._link.connect()
            await self._link.subscribe([Subscription(self._reply_to, retained_too=False)])
        except BaseException:
            await self._link.disconnect()
            raise
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._open_link().disconnect()

    def _put(self, message: Incoming) -> None:
        queue = self._replies if message.topic == self._reply_to else self._states
        queue.put_nowait(message)

    # --- what is retained

    async def read(self, *messages: Message[PayloadT], **only: str) -> list[tuple[dict[str, str], PayloadT]]:
        """Return what is retained of some kinds of message, complete.

        What can't be understood is left out, and stands in `unreadable`.

        Parameters
        ----------
        messages
            Kinds, such as ``contract.NODE_STATUS``.
        only
            Values of topic parameters; the others match anything.

        Raises
        ------
        BusUnavailable
            The connection was lost, or the broker sends nothing.
        """
        link = self._open_link()
        filters = {
            m: self.topics.full(m.filter(**{k: v for k, v in only.items() if k in m.parameters}))
            for m in messages
        }
        nonce = secrets.token_hex(8)
        await link.subscribe(
            [Subscription(self._mark, retained_too=False), *(Subscription(f) for f in filters.values())]
        )
        await link.publish(self._mark, encode(Mark(nonce=nonce)))
        found: dict[str, tuple[dict[str, str], PayloadT]] = {}
        async for message in self._until_mark(nonce):
            for kind, topic_filter in filters.items():
                if covers(topic_filter, message.topic):
                    self._take(kind, message, found)
        link.unsubscribe([self._mark, *filters.values()])
        return list(found.values())

    def _take(
        self, kind: Message[PayloadT], message: Incoming, found: dict[str, tuple[dict[str, str], PayloadT]]
    ) -> None:
        topic = self.topics.relative(message.topic)
        params = kind.match(topic)
        found.pop(message.topic, None)
        self.unreadable.pop(topic, None)
        if params is None or not message.payload:
            return
        try:
            found[message.topic] = (params, _decoder(kind.payload).decode(message.payload))
        except _NOT_READABLE as error:
            self.unreadable[topic] = str(error)

    async def _until_mark(self, nonce: str) -> AsyncIterator[Incoming]:
        while True:
            message = await self._next(self._states, READ_TIMEOUT_S)
            if message is None:
                raise BusUnavailable("the broker does not send what it holds: may this account read it?")
            if message.topic != self._mark:
                yield message
            elif _decoder(Mark).decode(message.payload).nonce == nonce:
                return

    # --- commands

    async def send(self, action: str, arguments: Arguments, *, group: str, node: str) -> bool:
        """Send a command; its replies come by `reply`.

        Parameters
        ----------
        action
            What is wished for.
        arguments
            With an ``id``, so that its replies can be told from others.
        group, node
            Whom it concerns; ``all`` for each.

        Returns
        -------
        bool
            Whether any service was there to take it: a hint, the reply is the truth.

        Raises
        ------
        BusUnavailable
            The connection was lost.
        CommandDenied
            This account's role does not allow it.
        PayloadTooLarge
            No broker would take it; it was not sent.
        """
        if arguments.id is None:
            raise ValueError("a command needs an id, so that its replies can be told from others")
        topic = COMMAND.topic(user=self.account, group=group, node=node, action=action)
        data = encoded(topic, arguments)
        try:
            return await self._open_link().publish(
                self.topics.full(topic), data, response_topic=self._reply_to
            )
        except PublishDenied:
            raise CommandDenied(self.account, action) from None

    async def reply(self, *, timeout: float) -> Reply | None:
        """Return the next reply to any command of this connection, or None when none comes in time.

        Parameters
        ----------
        timeout
            How long to wait [s].

        Raises
        ------
        BusUnavailable
            The connection was lost.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while (message := await self._next(self._replies, deadline - loop.time())) is not None:
            try:
                reply: Reply = _decoder(Reply).decode(message.payload)
            except _NOT_READABLE as error:
                self.unreadable[self.topics.relative(message.topic)] = str(error)
                continue
            return reply
        return None

    async def command(
        self, action: str, arguments: Arguments, *, group: str, node: str, timeout: float
    ) -> AsyncIterator[Reply]:
        """Send a command once and yield the replies to it as they come, until ``timeout`` seconds bring none.

        The caller stops when it has all that it expects.

        Raises
        ------
        NobodyListens
            No service is there to take it.
        """
        if not await self.send(action, arguments, group=group, node=node):
            raise NobodyListens(f"nobody takes commands for {group}/{node}: is conche running?")
        while (reply := await self.reply(timeout=timeout)) is not None:
            if reply.id == arguments.id:
                yield reply

    async def _next(self, queue: asyncio.Queue[Incoming], timeout: float) -> Incoming | None:
        """Return the next message, or None when there is none in time.

        Raises
        ------
        BusUnavailable, BusDenied
            The connection has ended.
        """
        if not queue.empty():
            return queue.get_nowait()
        getting = asyncio.ensure_future(queue.get())
        closed = self._open_link().closed
        try:
            waiting: list[asyncio.Future[Any]] = [getting, closed]
            await asyncio.wait(waiting, timeout=max(timeout, 0), return_when=asyncio.FIRST_COMPLETED)
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


@cache
def _decoder(payload: type[PayloadT]) -> Decoder[PayloadT]:
    return Decoder(payload)


__all__ = ["BusDenied", "BusUnavailable", "Client", "CommandDenied", "NobodyListens", "PayloadTooLarge"]
