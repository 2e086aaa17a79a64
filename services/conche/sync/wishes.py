"""Commands to the nodes of a group: which are taken, and the one reply to each."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from conche.bus import Bus, Incoming
from conche.commands import (
    ANSWER_WITHIN_S,
    Answers,
    Command,
    CommandRefused,
    Envelope,
    envelope_of,
    read_command,
)
from conche.contract import (
    ALL,
    COMMAND,
    CONFIG_ACTIONS,
    NO_NAME,
    NODE_ACTIONS,
    Reply,
    Result,
)

from .carried import command_of
from .deeds import Deeds, Group
from .node import Node
from .questions import QUESTIONS, Question
from .records import CarriedOut, RecordsLost
from .tally import MAX_NAMES, natural

logger = logging.getLogger(__name__)

MAX_EARLY: Final = 1_000
"""Commands held until a worker that has just come up knows its nodes; a guess."""

MAX_RUNNING: Final = 1_000
"""Commands of one group that are being carried out; a guess, as that of the inbox."""


class Wishes:
    """Takes commands for a group's nodes.

    Parameters
    ----------
    worker
        Whose nodes they are.
    root
        First level of every topic.
    """

    def __init__(self, worker: Group, *, root: str) -> None:
        self._worker = worker
        self._root = root
        self._deeds = Deeds(worker)
        self.carried = self._deeds.carried
        self._answers: Answers
        self._running: set[asyncio.Task[None]] = set()
        self._early: list[Incoming] | None = []
        """Commands that came before the worker knew its nodes; None once it does."""

    def subscribe(self, bus: Bus) -> None:
        """Take what is sent to the group, and to all groups."""
        self._answers = Answers(bus)
        filters = [COMMAND.filter(group=group) for group in (self._worker.group, ALL)]
        bus.take_commands(filters, self.on_command, on_busy=self.on_busy)

    def begin(self) -> None:
        """Take the commands that came before the worker knew its nodes."""
        early, self._early = self._early, None
        for message in early or ():
            self.on_command(message)

    # --- taking

    def on_busy(self, message: Incoming) -> None:
        """Refuse a command that finds the inbox full, if it is this worker's to answer."""
        envelope = envelope_of(message, root=self._root)
        if self._is_mine(envelope):
            self._answers.refuse(envelope, group=self._worker.group, why="busy: too many commands; try again")

    def _is_mine(self, envelope: Envelope) -> bool:
        """Return whether this worker answers a command.

        The renderer answers for configs. To a node of whatever group the worker that has it answers; before that is
        known, one that had it; and for what nobody has, the renderer.
        """
        if envelope.action in CONFIG_ACTIONS:
            return False
        if envelope.group != ALL or envelope.node == ALL or envelope.node in self._worker.nodes:
            return True
        return self._early is not None and self._worker.past.knows(envelope.node)

    def on_command(self, message: Incoming) -> None:
        """Check a command and begin with it."""
        envelope = envelope_of(message, root=self._root)
        if self._early is not None and envelope.action not in CONFIG_ACTIONS:
            self._hold(message)
            return
        if not self._is_mine(envelope):
            return
        if len(self._running) >= MAX_RUNNING:
            self.on_busy(message)
            return
        try:
            if self._answers.is_repeated(envelope):
                return
            before = self.carried.of(envelope)
            command = self._read(message, envelope) if before is None else command_of(before, envelope)
            targets = self._targets(envelope)
        except CommandRefused as refused:
            self._refuse(envelope, str(refused))
            return
        self._begin(command, targets, before)

    def _read(self, message: Incoming, envelope: Envelope) -> Command:
        now = datetime.now(UTC)
        command = read_command(message, envelope, root=self._root, actions=NODE_ACTIONS, now=now)
        _check_until(command)
        return command

    def _begin(self, command: Command, targets: list[Node], before: CarriedOut | None) -> None:
        group, envelope = self._worker.group, command.envelope
        again = " again" if before is not None else ""
        logger.info("%s: %s of %s/%s%s", command.by, envelope.action, group, envelope.node, again)
        task = self._worker.tasks.create_task(
            self._carry_out(command, targets, again=before is not None),
            name=f"{envelope.action} {group}/{envelope.node}",
        )
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _hold(self, message: Incoming) -> None:
        if self._early is not None and len(self._early) < MAX_EARLY:
            self._early.append(message)
            asyncio.get_running_loop().call_later(ANSWER_WITHIN_S, self._give_up, message)
        else:
            self.on_busy(message)

    def _give_up(self, message: Incoming) -> None:
        """Refuse a command that was held for so long: it must not come as a surprise later."""
        if self._early is not None and message in self._early:
            self._early.remove(message)
            envelope = envelope_of(message, root=self._root)
            if self._is_mine(envelope):
                self._refuse(
                    envelope, "the renderer is not there, so nobody knows which nodes there are; try again"
                )

    def _refuse(self, envelope: Envelope, why: str) -> None:
        self._answers.refuse(envelope, group=self._worker.group, why=why)
        if envelope.action not in QUESTIONS:
            node = envelope.node if envelope.node in self._worker.nodes else NO_NAME
            self._worker.chronicle.refused(envelope, why, node=node)

    def _targets(self, envelope: Envelope) -> list[Node]:
        nodes = self._worker.nodes
        if envelope.node == ALL:
            if not nodes:
                raise CommandRefused(f"there are no nodes in {self._worker.group}")
            return list(nodes.values())
        node = nodes.get(envelope.node)
        if node is None:
            raise CommandRefused(
                f"there is no node {envelope.node!r} in {self._worker.group}; there are {_some_of(nodes)}"
            )
        return [node]

    # --- carrying out

    async def _carry_out(self, command: Command, targets: list[Node], *, again: bool) -> None:
        error = None
        results: dict[str, Result] = {}
        loop = asyncio.get_running_loop()
        began, told = loop.time(), not isinstance(command.arguments, Question)
        if told and not again:
            self._worker.chronicle.taken(command)
        try:
            deed = self._deeds.answer_again if again else self._deeds.carry_out
            results = await deed(command, targets)
        except RecordsLost as lost:
            error = f"nothing was done: {lost}"
            for node in targets:
                self._worker.refresh(node)
        reply = Reply(
            id=command.envelope.id,
            action=command.envelope.action,
            group=self._worker.group,
            ok=error is None and all(result.ok for result in results.values()),
            error=error,
            results=results,
        )
        if not told:
            self._answers.tell(command.envelope, reply)
            return
        self._answers.answer(command.envelope, reply)
        self._worker.chronicle.answered(command, reply, took_s=loop.time() - began)


def _check_until(command: Command) -> None:
    until = getattr(command.arguments, "until", None)
    if until is not None and until <= datetime.now(UTC):
        raise CommandRefused(
            f"until is {until.isoformat()}, which is over: it is {datetime.now(UTC).isoformat()} here"
        )


def _some_of(names: Iterable[str]) -> str:
    """Return the first names, and how many there are more."""
    ordered = sorted(names, key=natural)
    more = f" and {len(ordered) - MAX_NAMES} more" if len(ordered) > MAX_NAMES else ""
    return f"{', '.join(ordered[:MAX_NAMES])}{more}" or "none"
