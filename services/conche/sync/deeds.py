"""What commands to the nodes of a group do: what each one sets, and when it is fulfilled."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from conche.commands import ANSWER_WITHIN_S, Command
from conche.contract import (
    Inspect,
    Maintenance,
    Outcome,
    Ping,
    Result,
    Resync,
    SetMaintenance,
    SetStarted,
)
from conche.kotekan.connection import Connection

from .carried import Carried
from .chronicle import Chronicle
from .fulfilment import fulfilled, restarted, started_or_stopped, started_otherwise, switched, switched_before
from .node import Node
from .past import Past
from .questions import ask
from .records import Recorder, RecordsLost
from .switches import Switches

IN_FLIGHT_PATIENCE_S: Final = 5.0
"""How long the reply to set_maintenance waits for a request in flight before it names it [s]."""


class Group(Protocol):
    """What commands need of the worker."""

    group: str
    nodes: dict[str, Node]
    tasks: asyncio.TaskGroup
    recorder: Recorder
    chronicle: Chronicle
    past: Past

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


class Deeds:
    """Carries out commands.

    Parameters
    ----------
    worker
        Whose nodes they are for.
    """

    def __init__(self, worker: Group) -> None:
        self._worker = worker
        self.carried = Carried()
        self._switching = asyncio.Lock()
        """Held from a switch to its being on disk, or back: the next one must not build on what is not saved."""

    async def carry_out(self, command: Command, targets: list[Node]) -> dict[str, Result]:
        """Carry out a command; return how it ended for each node.

        Raises
        ------
        RecordsLost
            Nothing was done: it could not have been remembered.
        """
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

    async def answer_again(self, command: Command, targets: list[Node]) -> dict[str, Result]:
        """Return how a command that an earlier worker carried out stands now; nothing is done for it."""
        match command.arguments:
            case SetMaintenance(maintenance=on):
                return {node.key: switched_before(node, on=on) for node in targets}
            case SetStarted(started=wanted):
                return await self._await_all(targets, lambda node: self._started_before(node, wanted=wanted))
        return await self._await_all(targets, restarted)

    def _started_before(self, node: Node, *, wanted: bool) -> Result | None:
        if node.gone or node.started is wanted:
            return started_or_stopped(node, wanted=wanted)
        return started_otherwise(node, last_by=self.carried.last_by("set_started", node.name))

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
            self.carried.note(command)
            self._switch_maintenance(targets, switch)
        unsaved = None
        async with self._switching:
            before = {node: Switches.of(node) for node in targets}
            self.carried.note(command)
            self._switch_maintenance(targets, switch)
            try:
                await self._worker.recorder.save()
            except RecordsLost as lost:
                if not switch.on:
                    for node in targets:
                        before[node].restore_maintenance(node, switch)
                    self.carried.forget(command.envelope)
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
            await self._switch_started(command, wish, targets)
        return await self._await_all(targets, lambda node: started_or_stopped(node, wanted=wish.started))

    async def _switch_started(self, command: Command, wish: SetStarted, targets: list[Node]) -> None:
        async with self._switching:
            self.carried.note(command)
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
                self.carried.forget(command.envelope)
                raise
        for node in targets:
            self._worker.refresh(node)

    async def _resync(self, command: Command, targets: list[Node]) -> dict[str, Result]:
        restarting = [node for node in targets if node.started and not node.maintenance.on]
        left_alone = {node.key: restarted(node) for node in targets if node not in restarting}
        until = _until(command)
        forced = [node for node in restarting if not node.forced and not node.restart_sent]  # else joined
        for node in restarting:
            node.forced_until = max(until, node.forced_until or until) if node.forced else until
        for node in forced:
            node.forced = True
        before = {node: None if node.restart_sent else node.restarts for node in restarting}
        await self._remember_restart(command, restarting, forced)
        results = await self._await_all(
            restarting, lambda node: restarted(node, since=before[node]), meanwhile="it is given up"
        )
        for node in restarting:  # what was not done is forgotten: it must not come as a surprise later
            if node.push is None and not results[node.key].ok and node.forced_until == until:
                node.forced = False
                self._worker.refresh(node)
        self._worker.recorder.ask()
        return results | {key: result for key, result in left_alone.items() if result is not None}

    async def _remember_restart(self, command: Command, restarting: list[Node], forced: list[Node]) -> None:
        """Have a resync on disk: its id, which nodes are to be restarted, and that nothing holds them any more."""
        rejected = {node: node.rejected for node in restarting}
        for node in restarting:
            self._worker.lift(node)
        try:
            self.carried.note(command)
            await self._worker.recorder.save()
        except RecordsLost:
            self.carried.forget(command.envelope)
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
