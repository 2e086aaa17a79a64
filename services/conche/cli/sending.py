"""A command to chosen nodes, and what has become of it: one reply is awaited for each message that was sent."""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec.structs import replace

from conche.bus.client import Client
from conche.contract import ALL, Arguments, Outcome, Reply, Result

from .targets import Targets

REPEAT_S: Final = 5.0
"""A command that was not answered is sent again, with the same id, after this [s]; a guess."""

TELL_S: Final = 0.5
"""How often is said for whom we wait [s]."""

Progress = Callable[[list[str]], None]
"""Told now and then, in words, of which answers are awaited."""


@dataclass(frozen=True, slots=True)
class Order:
    """One message that is sent: to a whole group, or to one node.

    Parameters
    ----------
    group
        The group.
    node
        The node, or ``all``.
    nodes
        Those that it concerns.
    """

    group: str
    node: str
    nodes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The target, as an operator would write it."""
        return self.group if self.node == ALL else f"{self.group}/{self.node}"


@dataclass
class Report:
    """What has become of a command.

    Parameters
    ----------
    results
        By ``group/node``.
    refused
        Targets whose worker did nothing, and its words.
    unanswered
        Targets of which nothing was heard, and why.
    """

    results: dict[str, Result] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    unanswered: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every node is as was wished."""
        return not (self.refused or self.unanswered) and all(result.ok for result in self.results.values())

    @property
    def is_silent(self) -> bool:
        """Whether nobody answered."""
        return not (self.results or self.refused)

    def take(self, order: Order, reply: Reply) -> None:
        """Take a reply to an order; a node that it does not mention is told of too."""
        self.results |= reply.results
        if reply.error is not None:
            self.refused[order.name] = reply.error
            return
        for node in order.nodes:
            missing = Result(
                ok=False, outcome=Outcome.SKIPPED, error="its worker does not know it (any more)"
            )
            self.results.setdefault(f"{order.group}/{node}", missing)


def orders_of(targets: Targets) -> list[Order]:
    """Return the messages for chosen nodes: one to a group that was named whole, else one to each node."""
    orders = []
    for group, chosen in targets.items():
        if chosen.whole:
            orders.append(Order(group, ALL, chosen.nodes))
        else:
            orders.extend(Order(group, node, (node,)) for node in chosen.nodes)
    return orders


async def send(
    client: Client,
    action: str,
    arguments: Arguments,
    *,
    targets: Targets,
    unserved: Mapping[str, str],
    timeout: float,
    progress: Progress = lambda _: None,
) -> Report:
    """Send a command to chosen nodes and wait for the answers.

    Parameters
    ----------
    client
        Connected.
    action, arguments
        What is wished for; ids and the time of expiry are filled in.
    targets
        The nodes.
    unserved
        Groups without a worker, and why: they are not waited for.
    timeout
        When to give up [s]; after that nobody begins with it any more.
    progress
        Told for whom we wait.

    Raises
    ------
    BusUnavailable
        The connection was lost.
    """
    run = secrets.token_hex(6)
    report = Report()
    pending: dict[str, Order] = {}
    for number, order in enumerate(orders_of(targets)):
        if order.group in unserved:
            report.unanswered[order.group] = unserved[order.group]
        else:
            pending[f"cli-{run}-{number}"] = order
    dated = replace(arguments, expires_at=datetime.now(UTC) + timedelta(seconds=timeout))
    exchange = _Exchange(client, action, dated, pending=pending, report=report)
    await exchange.run(timeout, progress)
    for order in pending.values():
        report.unanswered[order.name] = f"no answer within {timeout:g} s"
    return report


class _Exchange:
    """Messages that await their replies; those that were answered are taken out of ``pending``."""

    def __init__(
        self, client: Client, action: str, arguments: Arguments, *, pending: dict[str, Order], report: Report
    ) -> None:
        self._client = client
        self._action = action
        self._arguments = arguments
        self._pending = pending
        self._report = report

    async def run(self, timeout: float, progress: Progress) -> None:
        """Send, listen, and send again what is not answered, until all is or the time is over."""
        now = asyncio.get_running_loop().time
        deadline = now() + timeout
        repeat_at = now()
        while self._pending and now() < deadline:
            if now() >= repeat_at:
                await self._send_all(self._pending.items())
                repeat_at = now() + REPEAT_S
            progress([order.name for order in self._pending.values()])
            wait_s = min(deadline, repeat_at, now() + TELL_S) - now()
            reply = await self._client.reply(timeout=max(wait_s, 0))
            if reply is not None and (order := self._pending.pop(reply.id or "", None)) is not None:
                self._report.take(order, reply)

    async def _send_all(self, orders: Iterable[tuple[str, Order]]) -> None:
        sending = [
            self._client.send(
                self._action, replace(self._arguments, id=identity), group=order.group, node=order.node
            )
            for identity, order in orders
        ]
        await asyncio.gather(*sending)
