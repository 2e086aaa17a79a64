"""Commands, and what has become of them: one reply is awaited for each message that was sent."""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec.structs import replace

from conche.bus.client import Client
from conche.contract import ALL, EDIT_ACTIONS, NO_NAME, Arguments, Outcome, Reply, Result

from .targets import Targets

REPEAT_S: Final = 5.0
"""A command that was not answered is sent again, with the same id, after this [s]; a guess."""

TELL_S: Final = 0.5
"""How often is said for whom we wait [s]."""

TIMEOUT_S: Final = 70.0
"""A service answers within 60 s, whatever has become of a command [s]."""

Progress = Callable[[list[str]], None]
"""Told now and then, in words, of which answers are awaited."""


@dataclass(frozen=True, slots=True)
class Order:
    """One message that is sent: to all, to a whole group, to one node, or to a service.

    Parameters
    ----------
    group
        The group; ``-`` for a service.
    node
        The node, or ``all``; or the service.
    nodes
        Those that it concerns, and that an answer has to mention.
    """

    group: str
    node: str
    nodes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The target, as an operator would write it."""
        if self.group == NO_NAME:
            return self.node
        return self.group if self.node == ALL else f"{self.group}/{self.node}"


@dataclass
class Report:
    """What has become of a command.

    Parameters
    ----------
    results
        By ``group/node``.
    refused
        Targets for which nothing was done, and in the words of the service why.
    unanswered
        Targets of which nothing was heard, and why; it may still be carried out.
    excused
        Nodes with a result that is not ``ok`` and nevertheless as was wished: a change of configs does not concern
        them.
    commits
        Of the config directory, that a change has made.
    warnings
        What the services remark.
    """

    results: dict[str, Result] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    unanswered: dict[str, str] = field(default_factory=dict)
    excused: set[str] = field(default_factory=set)
    commits: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every node is as was wished."""
        return not (self.refused or self.unanswered) and all(
            result.ok or key in self.excused for key, result in self.results.items()
        )

    @property
    def is_silent(self) -> bool:
        """Whether nobody answered."""
        return not (self.results or self.refused or self.commits or self.warnings)

    def take(self, order: Order, reply: Reply) -> None:
        """Take a reply to an order; a node that it does not mention is told of too."""
        self.results |= reply.results
        self.warnings += reply.warnings
        if reply.action in EDIT_ACTIONS and reply.ok:
            self.excused |= {key for key, one in reply.results.items() if one.outcome is Outcome.SKIPPED}
        if reply.commit is not None:
            self.commits.append(reply.commit)
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
    report = Report(unanswered={group: unserved[group] for group in targets if group in unserved})
    orders = [order for order in orders_of(targets) if order.group not in unserved]
    parcels = [(order, arguments) for order in orders]
    replies = await exchange(client, action, parcels, timeout=timeout, progress=progress)
    take_all(report, orders, replies, timeout=timeout)
    return report


def take_all(
    report: Report, orders: Iterable[Order], replies: Mapping[Order, Reply], *, timeout: float
) -> None:
    """Put the replies to orders into a report, and those that were not answered within some time [s]."""
    for order in orders:
        reply = replies.get(order)
        if reply is None:
            report.unanswered[order.name] = f"no answer within {timeout:g} s"
        else:
            report.take(order, reply)


async def exchange(
    client: Client,
    action: str,
    parcels: Sequence[tuple[Order, Arguments]],
    *,
    timeout: float,
    progress: Progress = lambda _: None,
) -> dict[Order, Reply]:
    """Send messages and wait for one reply to each; what is not answered is sent again, with the same id.

    Parameters
    ----------
    client
        Connected.
    action
        What is wished for.
    parcels
        To whom what is sent; ids and the time of expiry are filled in.
    timeout
        When to give up [s]; after that nobody begins with it any more.
    progress
        Told for whom we wait.

    Returns
    -------
    dict
        Reply to each order that was answered.

    Raises
    ------
    BusUnavailable
        The connection was lost.
    """
    run = secrets.token_hex(6)
    expires = datetime.now(UTC) + timedelta(seconds=timeout)
    pending = {
        f"cli-{run}-{number}": (order, replace(arguments, id=f"cli-{run}-{number}", expires_at=expires))
        for number, (order, arguments) in enumerate(parcels)
    }
    running = _Exchange(client, action, pending)
    await running.run(timeout, progress)
    return running.replies


class _Exchange:
    """Messages that await their replies; those that were answered are taken out of ``pending``."""

    def __init__(self, client: Client, action: str, pending: dict[str, tuple[Order, Arguments]]) -> None:
        self._client = client
        self._action = action
        self._pending = pending
        self.replies: dict[Order, Reply] = {}

    async def run(self, timeout: float, progress: Progress) -> None:
        """Send, listen, and send again what is not answered, until all is or the time is over."""
        now = asyncio.get_running_loop().time
        deadline = now() + timeout
        repeat_at = now()
        while self._pending and now() < deadline:
            if now() >= repeat_at:
                await self._send_all()
                repeat_at = now() + REPEAT_S
            progress([order.name for order, _ in self._pending.values()])
            wait_s = min(deadline, repeat_at, now() + TELL_S) - now()
            reply = await self._client.reply(timeout=max(wait_s, 0))
            if reply is not None and (found := self._pending.pop(reply.id or "", None)) is not None:
                self.replies[found[0]] = reply

    async def _send_all(self) -> None:
        sending = [
            self._client.send(self._action, arguments, group=order.group, node=order.node)
            for order, arguments in self._pending.values()
        ]
        await asyncio.gather(*sending)
