"""One connection to a running conche: what every method of the client stands on."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from conche.bus.client import Client
from conche.contract import NO_NAME, NODE_DESIRED, Arguments, DesiredConfig, Registry, Reply, Service
from conche.local.broker import OPERATOR
from conche.local.home import BrokerNotFound, find_broker
from conche.settings import Broker

from .errors import BrokerAway, CommandRefused, ServiceAway, in_words
from .picture import Picture, absence, is_online, read_picture
from .sending import Order, Progress, Report, exchange, send
from .targets import Groups, Targets, resolve

ACCOUNT_VARIABLE: Final = "CONCHE_ACCOUNT"

QUESTION_TIMEOUT_S: Final = 30.0
"""When a question is given up [s]: a worker waits 5 s for a node that is being pushed."""

Words = str | Sequence[str]
"""Which nodes: a node (``cx/cx1``), a group (``cx``), a pattern (``cx/cx1?``), ``all``, or several of these."""


class Line:
    """One connection; one task at a time uses it.

    Parameters
    ----------
    account
        Who is calling. None for ``CONCHE_ACCOUNT``, else that of whoever started the stack.
    broker
        Where it is. None for what the settings say, else the stack that runs here.
    progress
        Told now and then for whom we wait.
    """

    def __init__(self, *, account: str | None, broker: Broker | None, progress: Progress) -> None:
        self.account = account or os.environ.get(ACCOUNT_VARIABLE) or OPERATOR
        self.closing = AsyncExitStack()
        """What ends with it."""
        self._broker = broker
        self._progress = progress
        self._turn = asyncio.Lock()
        self._client: Client | None = None

    async def open(self) -> None:
        """Connect.

        Raises
        ------
        BrokerAway
            The broker can't be found, or nobody answers there.
        AccountDenied
            It refuses the account.
        """
        if self._broker is None:
            try:
                self._broker = find_broker()
            except BrokerNotFound as error:
                raise BrokerAway(str(error)) from error
        with in_words():
            self._client = await self.closing.enter_async_context(Client(self._broker, account=self.account))

    @property
    def broker(self) -> Broker:
        """Where it is."""
        if self._client is None or self._broker is None:
            raise BrokerAway("not connected: async with Conche() as telescope")
        return self._broker

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        """Have the connection to oneself."""
        if self._client is None:
            raise BrokerAway("not connected: async with Conche() as telescope")
        async with self._turn:
            with in_words():
                yield self._client

    async def picture(self, *, statuses: bool = True) -> Picture:
        """Return all that the broker holds."""
        async with self.connected() as client:
            return await read_picture(client, statuses=statuses)

    async def find(self, words: Words) -> tuple[Targets, Groups]:
        """Return the nodes that words name, and all that there are.

        Raises
        ------
        TargetUnknown
            A word names nothing.
        ServiceAway
            There is no registry.
        """
        registry = registry_of(await self.picture(statuses=False))
        return resolve(listed(words), registry.groups, error=registry.error), registry.groups

    async def desired(self, targets: Targets) -> dict[str, DesiredConfig]:
        """Return what nodes should run, by ``group/node``."""
        read: dict[str, DesiredConfig] = {}
        async with self.connected() as client:
            for group, chosen in targets.items():
                for only in [{}] if chosen.whole else [{"node": node} for node in chosen.nodes]:
                    found = await client.read(NODE_DESIRED, group=group, **only)
                    read |= {f"{p['group']}/{p['node']}": desired for p, desired in found}
        keys = [f"{group}/{node}" for group, chosen in targets.items() for node in chosen.nodes]
        return {key: read[key] for key in keys if key in read}

    async def send(
        self, action: str, arguments: Arguments, *, targets: Targets, picture: Picture, timeout: float
    ) -> Report:
        """Send an action to nodes that were chosen from a picture; groups without a worker are not waited for."""
        unserved = {group: why for group in targets if (why := picture.unserved(group)) is not None}
        async with self.connected() as client:
            return await send(
                client,
                action,
                arguments,
                targets=targets,
                unserved=unserved,
                timeout=timeout,
                progress=self._progress,
            )

    async def answer(self, service: Service, action: str, arguments: Arguments) -> Reply:
        """Return a service's answer to a question.

        Raises
        ------
        ServiceAway
            It is not there, or does not answer.
        CommandRefused
            It says no.
        """
        order = Order(NO_NAME, service)
        replies = await self.ask(service, action, [(order, arguments)], timeout=QUESTION_TIMEOUT_S)
        raise_refusal(replies)
        return replies[order]

    async def ask(
        self, service: Service, action: str, parcels: Sequence[tuple[Order, Arguments]], *, timeout: float
    ) -> dict[Order, Reply]:
        """Return a service's answers; at least one came.

        Raises
        ------
        ServiceAway
            It is not there, or does not answer.
        """
        birth = (await self.picture(statuses=False)).births.get(service)
        if not is_online(birth):
            raise ServiceAway(f"{absence(service, birth)}: see its log, or begin it with conche {service}")
        async with self.connected() as client:
            replies = await exchange(client, action, parcels, timeout=timeout, progress=self._progress)
        if not replies:
            raise ServiceAway(
                f"the {service} did not answer within {timeout:g} s: what was sent may still be carried out"
            )
        return replies


def registry_of(picture: Picture) -> Registry:
    """Return the registry.

    Raises
    ------
    ServiceAway
        There is none.
    """
    if picture.registry is None:
        raise ServiceAway("there is no registry: the renderer has not published any; conche status says more")
    return picture.registry


def raise_refusal(replies: Mapping[Order, Reply], *, any_of_them: bool = False) -> None:
    """Raise the service's words where nothing was done, or where anything is refused.

    Raises
    ------
    CommandRefused
        In the words of the service.
    """
    refused = [reply.error for reply in replies.values() if reply.error is not None]
    if refused and (any_of_them or len(refused) == len(replies)):
        raise CommandRefused(refused[0])


def listed(words: Words) -> Sequence[str]:
    """Return words as a sequence."""
    return (words,) if isinstance(words, str) else words
