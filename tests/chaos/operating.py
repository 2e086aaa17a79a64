"""The operator of a chaos run: one who repeats each command, with the same id, until it is answered."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from msgspec.structs import replace

from conche.bus import BusUnavailable
from conche.bus.client import Client
from conche.contract import ALL, Arguments, Resync, SetMaintenance, SetStarted
from tests.integration.dataplane import DataPlane

from .fleet import Fleet, concerns
from .record import NEVER, Order, Record, Restart, Switch

PATIENCE_S: Final = 2.0
"""A command that is not answered within this is sent again [s]."""

REASON: Final = "chaos"

Key = tuple[str, Switch | None]


class Operator:
    """Sets switches and asks for restarts; of one switch of one node, one command at a time.

    Parameters
    ----------
    stack
        To which it gives orders.
    fleet
        The nodes that there are.
    record
        Takes what was ordered, and when it was answered.
    """

    def __init__(self, stack: DataPlane, fleet: Fleet, record: Record) -> None:
        self.going_home = False
        """Whether only what must be said is still said: nothing new is wished for after the last kill."""
        self.refusals: Counter[str] = Counter()
        """Why commands were refused, although they were right, and had to be said again."""
        self._stack = stack
        self._fleet = fleet
        self._record = record
        self._locks: dict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._open: list[_Question] = []
        self._count = 0

    async def set_switch(self, switch: Switch, value: bool, target: str, *, must: bool = False) -> None:
        """Set a switch of a node, of a group, or of all; return when everybody has answered."""
        async with self._alone_with(target, switch):
            nodes = self._fleet.targets(target)
            if not nodes or (self.going_home and not must):
                return
            question = _Question(target, nodes, switch=switch, value=value)
            self._record.orders += question.orders
            self._open.append(question)
            await self._ask(question, _setting(switch, value))
            for node in {order.node for order in question.orders} - question.answered:
                again = _Question(node, [node])  # its worker did not know it yet
                await self._ask(again, _setting(switch, value))
                question.answered |= again.answered
            self._open.remove(question)
            for order in question.orders:
                order.answered, order.lost = time.time(), order.node not in question.answered

    def expect(self, newcomers: Iterable[str]) -> None:
        """Take note that nodes come, before they do: commands for all, under way, are for them too."""
        for node in newcomers:
            for question in self._open:
                if concerns(question.target, node):
                    self._record.orders += question.add(node)

    async def resync(self, node: str) -> None:
        """Have a node restarted; return when that is answered."""
        async with self._alone_with(node, None):
            if node not in self._fleet.present or self.going_home:
                return
            restart = Restart(node=node, sent=time.time())
            self._record.restarts.append(restart)
            await self._ask(_Question(node, [node]), Resync(reason=REASON))
            restart.answered = time.time()

    @asynccontextmanager
    async def _alone_with(self, target: str, switch: Switch | None) -> AsyncIterator[None]:
        """Keep other commands from one switch of the nodes of a target; others come while it waits."""
        mine: set[str] = set()
        async with AsyncExitStack() as held:
            while missing := set(self._fleet.targets(target)) - mine:
                for node in sorted(missing):
                    await held.enter_async_context(self._locks[node, switch])
                mine |= missing
            yield

    async def _ask(self, question: "_Question", arguments: Arguments) -> None:
        """Send a command until each group has answered, or its nodes are not there any more."""
        self._count += 1
        arguments = replace(arguments, id=f"chaos-{self._count}")
        while self._goes_on(question):
            try:
                async with self._stack.connect() as client:
                    while self._goes_on(question):
                        await self._ask_once(question, arguments, client)
            except BusUnavailable:
                await asyncio.sleep(0.1)

    def _goes_on(self, question: "_Question") -> bool:
        return bool(question.waiting) and any(node in self._fleet.present for node in question.nodes)

    async def _ask_once(self, question: "_Question", arguments: Arguments, client: Client) -> None:
        """Send a command, and take what is answered until nothing more comes."""
        group, _, node = question.target.partition("/")
        action = _ACTIONS[type(arguments)]
        await client.send(action, arguments, group=group, node=node)
        while question.waiting and (reply := await client.reply(timeout=PATIENCE_S)) is not None:
            if reply.id != arguments.id or reply.group == ALL:
                continue
            if reply.error is not None:
                self._note_refusal(question, reply.error)
                await asyncio.sleep(0.1)
                return
            question.answered |= reply.results.keys()
            question.waiting.discard(reply.group)

    def _note_refusal(self, question: "_Question", words: str) -> None:
        """Note what was refused wrongly; a node that comes or goes just now may well be unknown."""
        seen = [epoch for epoch in self._record.epochs if epoch.node == question.target]
        if not seen or (seen[-1].seen != NEVER and question.target in self._fleet.present):
            self.refusals[words] += 1


class _Question:
    """A command on its way, and what is known of its answers.

    Parameters
    ----------
    target
        Node, group or all.
    nodes
        Whom that concerns.
    switch, value
        What it sets, if it sets anything.
    """

    def __init__(
        self, target: str, nodes: list[str], *, switch: Switch | None = None, value: bool = True
    ) -> None:
        self.target = target
        self.nodes = nodes
        self.waiting = {node.partition("/")[0] for node in nodes}
        """Groups that have not answered."""
        self.answered: set[str] = set()
        """Nodes for which they have."""
        self.orders: list[Order] = []
        self._switch = switch
        self._value = value
        self._sent = time.time()
        for node in nodes:
            self.add(node)

    def add(self, node: str) -> list[Order]:
        """Take that it is for a node too; return the orders that are new by that."""
        if self._switch is None or any(order.node == node for order in self.orders):
            return []
        self.orders.append(Order(node=node, switch=self._switch, value=self._value, sent=self._sent))
        return self.orders[-1:]


_ACTIONS: Final[dict[type[Arguments], str]] = {
    SetStarted: "set_started",
    SetMaintenance: "set_maintenance",
    Resync: "resync",
}


def _setting(switch: Switch, value: bool) -> Arguments:
    if switch is Switch.STARTED:
        return SetStarted(started=value, reason=REASON)
    return SetMaintenance(maintenance=value, reason=REASON)
