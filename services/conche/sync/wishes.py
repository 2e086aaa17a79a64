"""Commands to the nodes of a group: what each one sets, when it is fulfilled, and the one reply."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from conche.bus import Bus, Incoming
from conche.commands import Answers, Command, CommandRefused, Envelope, envelope_of, read_command
from conche.contract import (
    ALL,
    COMMAND,
    CONFIG_ACTIONS,
    NO_NAME,
    SYNC_ACTIONS,
    Inspect,
    Maintenance,
    Outcome,
    Ping,
    Reply,
    Result,
    Resync,
    SetMaintenance,
    SetStarted,
)
from conche.kotekan.connection import Connection

from .chronicle import Chronicle
from .fulfilment import fulfilled, restarted, started_or_stopped, switched
from .node import Node
from .questions import QUESTIONS, Question, ask
from .records import Recorder, RecordsLost
from .restarts import Restarts
from .switches import Switches

logger = logging.getLogger(__name__)

ANSWER_WITHIN_S: Final = 60.0
"""A command is answered after this, whatever has become of it [s]."""

IN_FLIGHT_PATIENCE_S: Final = 5.0
"""How long the reply to set_maintenance waits for a request in flight before it names it [s]."""

MAX_EARLY: Final = 1_000
"""Commands held until a worker that has just come up knows its nodes; a guess."""

MAX_RUNNING: Final = 1_000
"""Commands of one group that are being carried out; a guess, as that of the inbox."""


class Group(Protocol):
    """What the wishes need of the worker."""

    group: str
    nodes: dict[str, Node]
    tasks: asyncio.TaskGroup
    recorder: Recorder
    chronicle: Chronicle

    def refresh(self, node: Node) -> None:
        """Decide anew about a node."""

    def is_at_rest(self, node: Node) -> bool:
        """Return whether nothing is being done about a node, nor about to be."""

    def awaited_epoch(self, node: Node) -> str | None:
        """Return the epoch of a node's registry entry if it has not entered it yet, else None."""

    def lift(self, node: Node) -> None:
        """Forget why a node's desired config is not given to it."""

    async def look(self, node: Node) -> Connection | None:
        """Take note of what a node runs."""


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
        self.restarts = Restarts()
        self._answers: Answers
        self._running: set[asyncio.Task[None]] = set()
        self._switching = asyncio.Lock()
        """Held from a switch to its being on disk, or back: the next one must not build on what is not saved."""
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
        """Refuse a command that finds the inbox full."""
        envelope = envelope_of(message, root=self._root)
        self._answers.refuse(envelope, group=self._worker.group, why="busy: too many commands; try again")

    def on_command(self, message: Incoming) -> None:
        """Check a command and begin with it."""
        if self._early is not None:
            self._hold(message)
            return
        envelope = envelope_of(message, root=self._root)
        group = self._worker.group
        if envelope.group == ALL and envelope.node not in (ALL, *self._worker.nodes):
            return  # another group's node, or nobody's: the renderer knows
        if envelope.action in CONFIG_ACTIONS:
            return  # the renderer's to carry out
        if len(self._running) >= MAX_RUNNING:
            self.on_busy(message)
            return
        try:
            if self._answers.is_repeated(envelope):
                return
            command = read_command(
                message, envelope, root=self._root, actions=SYNC_ACTIONS, now=datetime.now(UTC)
            )
            _check_until(command)
            self.restarts.check(envelope)
            targets = self._targets(envelope)
        except CommandRefused as refused:
            self._refuse(envelope, str(refused))
            return
        logger.info("%s: %s of %s/%s", command.by, envelope.action, group, envelope.node)
        task = self._worker.tasks.create_task(
            self._carry_out(command, targets), name=f"{envelope.action} {group}/{envelope.node}"
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
            why = "the renderer is not there, so nobody knows which nodes there are"
            self._refuse(envelope_of(message, root=self._root), why)

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
                f"there is no node {envelope.node!r} in {self._worker.group}; "
                f"there are {', '.join(sorted(nodes)) or 'none'}"
            )
        return [node]

    # --- carrying out

    async def _carry_out(self, command: Command, targets: list[Node]) -> None:
        error = None
        results: dict[str, Result] = {}
        loop = asyncio.get_running_loop()
        began, told = loop.time(), not isinstance(command.arguments, Question)
        if told:
            self._worker.chronicle.taken(command)
        try:
            results = await self._results(command, targets)
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
        self._answers.answer(command.envelope, reply)
        if told:
            self._worker.chronicle.answered(command, reply, took_s=loop.time() - began)

    async def _results(self, command: Command, targets: list[Node]) -> dict[str, Result]:
        match command.arguments:
            case SetMaintenance() as wish:
                with self._on_behalf(command, targets):
                    return await self._set_maintenance(command, wish, targets)
            case SetStarted() as wish:
                return await self._set_started(command, wish, targets)
            case Resync():
                return await self._resync(command, targets)
            case Inspect() | Ping() as question:
                return await ask(self._worker, question, targets)
            case other:
                raise TypeError(f"no such action: {other}")

    def _on_behalf(self, command: Command, targets: list[Node]) -> AbstractContextManager[None]:
        return self._worker.chronicle.on_behalf(command, [node.name for node in targets])

    async def _set_maintenance(
        self, command: Command, wish: SetMaintenance, targets: list[Node]
    ) -> dict[str, Result]:
        switch = Maintenance(
            on=wish.maintenance,
            by=command.by,
            reason=wish.reason,
            until=wish.until if wish.maintenance else None,
        )
        if switch.on:  # at once: the gate reads it before every request
            self._switch_maintenance(targets, switch)
        unsaved = None
        async with self._switching:
            before = {node: Switches.of(node) for node in targets}
            self._switch_maintenance(targets, switch)
            try:
                await self._worker.recorder.save()
            except RecordsLost as lost:
                if not switch.on:
                    for node in targets:
                        before[node].restore_maintenance(node, switch)
                    raise
                unsaved = (
                    f"it is in maintenance, which is forgotten if its worker ends: {lost}"  # the safe side
                )
        for node in targets:
            self._worker.refresh(node)
        if switch.on:
            async with asyncio.TaskGroup() as group:
                for node in targets:
                    group.create_task(_until_nothing_in_flight(node))
        return {node.key: switched(node, switch, unsaved) for node in targets}

    def _switch_maintenance(self, targets: list[Node], switch: Maintenance) -> None:
        for node in targets:
            node.maintenance = switch
            node.await_epoch(self._worker.awaited_epoch(node))
            node.next_maintenance = switch if node.next_epoch else None
            node.forced = node.forced and not switch.on
            node.begin_anew()

    async def _set_started(
        self, command: Command, wish: SetStarted, targets: list[Node]
    ) -> dict[str, Result]:
        with self._on_behalf(command, targets):
            await self._switch_started(wish, targets)
        return await self._await_all(targets, lambda node: started_or_stopped(node, wanted=wish.started))

    async def _switch_started(self, wish: SetStarted, targets: list[Node]) -> None:
        async with self._switching:
            before = {node: Switches.of(node) for node in targets}
            for node in targets:
                node.started = wish.started
                node.await_epoch(self._worker.awaited_epoch(node))
                node.next_started = wish.started if node.next_epoch else None
                node.begin_anew()
            try:
                await self._worker.recorder.save()
            except RecordsLost:
                for node in targets:
                    before[node].restore_started(node)
                raise
        for node in targets:
            self._worker.refresh(node)

    async def _resync(self, command: Command, targets: list[Node]) -> dict[str, Result]:
        if self.restarts.knows(command.envelope):
            return await self._await_all(targets, restarted)
        restarting = [node for node in targets if node.started and not node.maintenance.on]
        left_alone = {node.key: restarted(node) for node in targets if node not in restarting}
        until = _until(command)
        forced = [node for node in restarting if not node.forced and not node.restart_sent]  # else joined
        for node in restarting:
            node.forced_until = max(until, node.forced_until or until) if node.forced else until
        for node in forced:
            node.forced = True
        before = {node: None if node.restart_sent else node.restarts for node in restarting}
        await self._remember_restart(command.envelope, restarting, forced)
        results = await self._await_all(
            restarting, lambda node: restarted(node, since=before[node]), meanwhile="it is given up"
        )
        for node in restarting:  # what was not done is forgotten: it must not come as a surprise later
            if node.push is None and not results[node.key].ok and node.forced_until == until:
                node.forced = False
                self._worker.refresh(node)
        self._worker.recorder.ask()
        return results | {key: result for key, result in left_alone.items() if result is not None}

    async def _remember_restart(self, envelope: Envelope, restarting: list[Node], forced: list[Node]) -> None:
        """Have a resync on disk: its id, which nodes are to be restarted, and that nothing holds them any more."""
        rejected = {node: node.rejected for node in restarting}
        for node in restarting:
            self._worker.lift(node)
        try:
            await self.restarts.remember(envelope, self._worker.recorder)
        except RecordsLost:
            for node in forced:
                node.forced = False
            for node in restarting:
                node.rejected = rejected[node]
            raise
        for node in restarting:
            self._worker.refresh(node)

    # --- waiting

    async def _await_all(
        self,
        targets: list[Node],
        result_of: Callable[[Node], Result | None],
        *,
        meanwhile: str = "it goes on",
    ) -> dict[str, Result]:
        deadline = asyncio.get_running_loop().time() + ANSWER_WITHIN_S
        late = f"not done after {ANSWER_WITHIN_S:g} s, {meanwhile}"
        results = await asyncio.gather(*(self._await(node, result_of, deadline, late) for node in targets))
        return {node.key: result for node, result in zip(targets, results, strict=True)}

    async def _await(
        self, node: Node, result_of: Callable[[Node], Result | None], deadline: float, late: str
    ) -> Result:
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    if self._worker.is_at_rest(node) and (result := result_of(node)) is not None:
                        return result
                    await node.changed.wait()
        except TimeoutError:
            under_way = node.push is not None
            return fulfilled(
                node, Outcome.FAILED, f"{late}{', but for the push under way' if under_way else ''}"
            )


def _check_until(command: Command) -> None:
    until = getattr(command.arguments, "until", None)
    if until is not None and until <= datetime.now(UTC):
        raise CommandRefused(
            f"until is {until.isoformat()}, which is over: it is {datetime.now(UTC).isoformat()} here"
        )


def _until(command: Command) -> datetime:
    """Return until when a node may be restarted for a command: no later than it is answered."""
    answered = datetime.now(UTC) + timedelta(seconds=ANSWER_WITHIN_S)
    return min(command.arguments.expires_at or answered, answered)


async def _until_nothing_in_flight(node: Node) -> None:
    try:
        async with asyncio.timeout(IN_FLIGHT_PATIENCE_S):
            while node.in_flight is not None:
                await node.changed.wait()
    except TimeoutError:
        pass
