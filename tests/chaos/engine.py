"""Carries out a plan against a running data plane, and hands back what the books are judged by."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from conche.settings import RegistryChange
from conche.sim.control_client import SimControlError, SimEntry
from tests.integration.dataplane import DataPlane, Process

from .fleet import Fleet
from .keeping import Keeper
from .operating import Operator
from .plan import QUIET_END_S, Edit, Kill, Plan, Wish
from .record import Epoch, Record, Switch
from .settling import Found, unsettled
from .troubles import Trouble
from .watching import Watch

CONVERGED_WITHIN_S: Final = 15.0
"""After the last kill."""

STEADY_S: Final = 3.0
"""What is converged stays so: nothing may be written for so long afterwards (a poll, and one more)."""


@dataclass(slots=True)
class Result:
    """What came of a run.

    Parameters
    ----------
    entries
        The books.
    record
        What was wished for.
    settled_s
        From the last kill until everything had converged [s].
    skipped
        What could not be done as planned, because its node was not there or did not run.
    notes
        What went otherwise than it should, and breaks no rule of the data plane.
    """

    entries: list[SimEntry]
    record: Record
    settled_s: float
    skipped: list[str]
    notes: list[str]

    def told(self) -> str:
        """Return it in a line."""
        writes = [e.what for e in self.entries]
        counts = ", ".join(f"{writes.count(what)} {what}s" for what in ("kill", "start", "update"))
        wished = f"{len(self.record.orders)} orders, {len(self.record.restarts)} resyncs"
        epochs = len({epoch.edited for epoch in self.record.epochs})
        words = f"{counts}; {wished} ({len(self.skipped)} actions skipped), {epochs} epochs"
        return f"{words}; converged after {self.settled_s:.1f} s"


class Chaos:
    """One run.

    Parameters
    ----------
    stack
        What is to bear it.
    plan
        What is done, and when.
    policy
        Whom an edit of nodes.yaml sends into maintenance; the stack must have been told the same.
    """

    def __init__(self, stack: DataPlane, plan: Plan, *, policy: RegistryChange) -> None:
        self.record = Record()
        self.skipped: list[str] = []
        self._stack = stack
        self._plan = plan
        self._fleet = Fleet(stack, plan, self.record, policy=policy)
        self._watch = Watch(stack, self.record)
        self._operator = Operator(stack, self._fleet, self.record)
        self._entries: list[SimEntry] = []
        self._reading = asyncio.Lock()
        self._keeper = Keeper(stack, self.record, self._read_books)
        self._limit = asyncio.timeout(None)
        self._broker_is_back = asyncio.Lock()
        self._began = self._last_kill = 0.0
        self._coeff = 1.0

    async def run(self) -> Result:
        """Carry the plan out, wait until all has converged, and fetch the books.

        Raises
        ------
        AssertionError
            It did not converge in time; says what was missing.
        """
        await self._start_all()
        async with asyncio.TaskGroup() as tasks:
            watching = [
                tasks.create_task(self._watch.run(), name="watch statuses"),
                tasks.create_task(self._keeper.run(), name="watch files"),
            ]
            settled_s = await self._act_and_settle()
            await asyncio.sleep(STEADY_S)
            for task in watching:
                task.cancel()
        await self._read_books()
        self._keep()
        return Result(self._entries, self.record, settled_s, self.skipped, self._notes())

    def _notes(self) -> list[str]:
        refused = [f"{n} commands refused wrongly: {why}" for why, n in self._operator.refusals.items()]
        ended = [
            f"{name} ended by itself with {code}"
            for name, process in self._stack.processes.items()
            for code in process.exits
            if code != -signal.SIGKILL
        ]
        lines = [
            f"{name}.log: {line[:300]}"
            for name in self._stack.processes
            for line in (self._stack.folder / f"{name}.log").read_text().splitlines()
            if "Traceback" in line
        ]
        return [*refused, *ended, *lines]

    async def _start_all(self) -> None:
        """Have everything run, before anything is killed."""
        self._desire(base=False)
        await self._watch.look()
        await self._operator.set_switch(Switch.STARTED, True, "all/all")
        await self._operator.set_switch(Switch.MAINTENANCE, False, "all/all")
        async with asyncio.timeout(60):
            while await self._unsettled():
                await asyncio.sleep(0.2)
                await self._watch.look()

    async def _act_and_settle(self) -> float:
        self._began = asyncio.get_running_loop().time()
        try:
            async with self._limit:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._kill_all(), name="kill")
                    tasks.create_task(self._change_configs(), name="change configs")
                    tasks.create_task(self._edit_nodes(), name="edit nodes")
                    tasks.create_task(self._give_orders(tasks), name="give orders")
                    tasks.create_task(self._give_troubles(tasks), name="give faults")
                while await self._unsettled():
                    await asyncio.sleep(0.2)
        except TimeoutError:
            words = "\n".join(await self._unsettled())
            self._keep()
            raise AssertionError(
                f"seed {self._plan.seed}: {CONVERGED_WITHIN_S:g} s after the last kill:\n{words}"
            ) from None
        return asyncio.get_running_loop().time() - self._last_kill

    async def _until(self, at: float) -> None:
        await asyncio.sleep(at - self._elapsed())

    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    # --- what goes on at the same time

    async def _kill_all(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for kill in self._plan.kills:
                await self._until(kill.at)
                await self._kill(kill, tasks)
        self._operator.going_home = True
        self._last_kill = asyncio.get_running_loop().time()
        self._limit.reschedule(self._last_kill + CONVERGED_WITHIN_S)

    async def _kill(self, kill: Kill, tasks: asyncio.TaskGroup) -> None:
        """Kill one that is there; one that was just killed is waited for."""
        if kill.victim == "mosquitto":
            async with self._broker_is_back:
                self._stack.mosquitto.stop(signal.SIGKILL)
            tasks.create_task(self._bring_broker_back(), name="bring the broker back")
            await asyncio.sleep(0)
            return
        await self._kill_service(self._stack.processes[kill.victim])

    async def _kill_service(self, process: Process) -> None:
        while True:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
                return
            await asyncio.sleep(0.02)

    async def _bring_broker_back(self) -> None:
        async with self._broker_is_back:
            await asyncio.sleep(0.3)
            await self._stack.mosquitto.start()

    async def _change_configs(self) -> None:
        for change in self._plan.changes:
            await self._until(change.at)
            self._desire(base=change.base)

    def _desire(self, *, base: bool) -> None:
        """Wish for a config that was never wished for before."""
        self._stack.depth += base
        self._coeff += 0.5
        values = {"depth": self._stack.depth, "coeff": self._coeff}
        self.record.desired.append((time.time(), self._stack.revision(**values)))
        self._stack.write_vars(**values)

    async def _give_orders(self, tasks: asyncio.TaskGroup) -> None:
        for wish in self._plan.wishes:
            await self._until(wish.at)
            tasks.create_task(self._give_order(wish), name=f"order {wish}")

    async def _give_order(self, wish: Wish) -> None:
        if not self._fleet.targets(wish.target):
            self.skipped.append(f"{wish}: it is not there")
        elif wish.switch is None:
            await self._operator.resync(wish.target)
        else:
            await self._operator.set_switch(wish.switch, wish.value, wish.target)

    async def _edit_nodes(self) -> None:
        for edit in self._plan.edits:
            await self._until(edit.at)
            for target in self._broadly(await self._edit(edit)):
                await self._operator.set_switch(Switch.MAINTENANCE, False, target, must=True)

    async def _edit(self, edit: Edit) -> list[Epoch]:
        """Edit nodes.yaml, and return when every worker has followed."""
        if self._elapsed() > self._plan.kills[-1].at - QUIET_END_S / 2:
            self.skipped.append(f"{edit}: the one before took too long")
            return []
        moved = [self.record.machine_of[node] for node in edit.move]
        self._operator.expect(edit.add)
        epochs = await self._fleet.edit(edit)
        await self._watch.until_seen(epochs)
        self._fleet.retire(moved, time.time())
        for node in edit.remove:
            group = node.partition("/")[0]
            await self._watch.until_gone(node, self._fleet.targets(f"{group}/all"))
            self._fleet.retire([self.record.machine_of[node]], time.time())
        return epochs

    def _broadly(self, epochs: Sequence[Epoch]) -> list[str]:
        """Return the targets of the commands that take everybody out of maintenance: all, or each one."""
        nodes = [epoch.node for epoch in epochs]
        return ["all/all"] if set(nodes) == self._fleet.present else nodes

    async def _give_troubles(self, tasks: asyncio.TaskGroup) -> None:
        for trouble in self._plan.troubles:
            await self._until(trouble.at)
            tasks.create_task(self._give_trouble(trouble), name=f"fault {trouble.node}")

    async def _give_trouble(self, trouble: Trouble) -> None:
        """Give a kotekan a fault, take it away in time, and see that its unit is up again."""
        if trouble.node not in self._fleet.present:
            self.skipped.append(f"{trouble}: it is not there")
            return
        machine, sim = self.record.machine_of[trouble.node], self._stack.sim
        try:
            await sim.fault(machine, trouble.kind, **trouble.parameters)
        except SimControlError as error:
            self.skipped.append(f"{trouble}: {error}")
            return
        await asyncio.sleep(trouble.lasts_s)
        await sim.clear(machine)
        if trouble.kind == "callback_blocks":
            await sim.order(machine, "restart")
        elif (await sim.node(machine)).state == "failed":
            await sim.order(machine, "start")

    # --- how it ends

    async def _unsettled(self) -> list[str]:
        machines = await self._stack.sim.nodes()
        found = Found(self._watch.statuses, machines, self._fleet.present)
        return unsettled(found, self.record, await self._read_books())

    async def _read_books(self) -> list[SimEntry]:
        async with self._reading:
            last = self._entries[-1].serial if self._entries else 0
            books = await self._stack.sim.books(since=last)
            assert books.dropped == 0, "the books are not complete"
            self._entries += books.entries
            return self._entries

    def _keep(self) -> None:
        """Leave record and books beside the logs, for whoever wants to know what happened."""
        folder: Path = self._stack.folder
        (folder / "record.json").write_bytes(msgspec.json.encode(self.record))
        lines = [msgspec.json.encode(entry) for entry in self._entries]
        (folder / "books.jsonl").write_bytes(b"\n".join(lines) + b"\n")
