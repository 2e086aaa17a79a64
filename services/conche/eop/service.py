"""The eop service: it builds the table, continues what was pushed before, and has it pushed."""

import asyncio
import logging
import secrets
import time as clocks
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Final

from msgspec.structs import replace as changed

from conche.bus import Incoming
from conche.commands import Answers, Command, CommandRefused, check_not_expired, envelope_of, read_command
from conche.contract import (
    COMMAND,
    EOP,
    EVENT,
    NO_NAME,
    NULL,
    SERVICE_ACTIONS,
    DesiredConfig,
    EopStatus,
    EopTarget,
    Event,
    EventKind,
    FpgaStatus,
    Outcome,
    Registry,
    Reply,
    RunEop,
    Service,
    ServiceBirth,
    ServiceState,
)
from conche.happenings import bounded
from conche.settings import Eop

from .broker import Broker
from .known import Known
from .publishing import Publisher
from .reporting import Run, results_of, sentence, status_of, would_be
from .running import Prepared, Runner
from .schedule import DROPPING, Attempt, Moment, next_run, reason_to_run

logger = logging.getLogger(__name__)

TICK_S: Final = 10.0
"""The clocks are looked at so often [s]."""

START_S: Final = 10.0
"""At the start frame0 and registry are waited for, for so long [s]: other services start at the same time."""

GATHER_S: Final = 2.0
"""A change of configs comes node by node: who is new is looked at so long after the last [s]."""

NOT_SENT: Final = EopTarget(outcome=Outcome.SKIPPED, error="would get it; nothing was sent")

REASON: Final = 1000
"""Characters of a command's reason."""

MAX_ASKED: Final = 100
"""Commands that wait; a guess."""


def read_clocks() -> Moment:
    """Return what both clocks show."""
    return Moment(datetime.now(UTC), clocks.monotonic())


class EopService:
    """Keeps the Earth-orientation table of every node up to date.

    Parameters
    ----------
    bus
        The broker.
    runner
        Builds tables, and stores them.
    publisher
        Has them pushed.
    settings
        Of this service.
    root
        First level of every topic.
    read_clocks
        Returns what both clocks show.
    """

    def __init__(
        self,
        bus: Broker,
        runner: Runner,
        publisher: Publisher,
        *,
        settings: Eop,
        root: str,
        read_clocks: Callable[[], Moment] = read_clocks,
    ) -> None:
        self._bus = bus
        self._runner = runner
        self._publisher = publisher
        self._settings = settings
        self._root = root
        self._clocks = read_clocks
        self._answers = Answers(bus)
        self._asked: list[Command] = []
        self._wake = asyncio.Event()
        self._known = Known(settings)
        self._told_trouble: str | None = None
        """What was wrong with the state file, as it was told last."""
        self._renderer: str | None = None
        """The process that is the renderer, by its boot; None where it is away."""
        self._renderer_is_back = False
        """Whether another one has come since the last run began."""
        self._last: Attempt | None = None
        self._run: Run | None = None
        self._changed_at: float | None = None
        """When the registry or a desired config changed last, by the monotonic clock [s]; None once looked at."""

    async def run(self) -> None:
        """Stay connected, and build the table whenever it is time."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._bus.run(), name="bus")
            tasks.create_task(self._keep_up(tasks), name="keep the table up to date")

    # --- what comes in

    def subscribe(self) -> None:
        """Set up which commands are read."""
        filters = [COMMAND.filter(group=NO_NAME, node=Service.EOP)]
        self._bus.take_commands(filters, self.on_command, on_busy=self.on_busy)

    def on_fpga(self, _params: Mapping[str, str], status: FpgaStatus | None) -> None:
        """Take what the FPGA master says of frame0."""
        self._known.fpga = status
        self._wake.set()

    def on_fpga_birth(self, _params: Mapping[str, str], birth: ServiceBirth | None) -> None:
        """Take whether the service is there that tells of frame0."""
        self._known.fpga_is_there = birth is not None and birth.state is ServiceState.ONLINE
        self._wake.set()

    def on_renderer_birth(self, _params: Mapping[str, str], birth: ServiceBirth | None) -> None:
        """Take whether the renderer is there, which stores tables: what failed without it is tried again."""
        boot = birth.boot if birth is not None and birth.state is ServiceState.ONLINE else None
        if boot is not None and boot != self._renderer:
            self._renderer_is_back = True
            self._wake.set()
        self._renderer = boot

    def on_registry(self, _params: Mapping[str, str], registry: Registry | None) -> None:
        """Take which nodes there are; an absent registry changes nothing."""
        if registry is not None:
            self._known.registry = registry
            self._note_change()

    def on_desired(self, params: Mapping[str, str], desired: DesiredConfig | None) -> None:
        """Take what a node should run."""
        key = (params["group"], params["node"])
        if desired is None:
            self._known.desired.pop(key, None)
        else:
            has_block = self._settings.endpoint in desired.updatable
            self._known.desired[key] = (
                desired if has_block else changed(desired, config=NULL)
            )  # it may be large
        self._note_change()

    def _note_change(self) -> None:
        self._changed_at = self._clocks().monotonic_s
        self._wake.set()

    # --- in time

    async def _keep_up(self, tasks: asyncio.TaskGroup) -> None:
        await self._bus.picture_complete()
        self._runner.memory.load(self._clocks().wall)
        self._tell_trouble()
        self._show()
        tasks.create_task(self._keep_showing(), name="show how old the table is")
        await self._wait_for_others()
        while True:
            self._wake.clear()
            await self._step()
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S if self._changed_at is None else GATHER_S):
                    await self._wake.wait()

    async def _keep_showing(self) -> None:
        """Show how it is now and again: time alone makes a table stale, in the middle of a long run too."""
        while True:
            await asyncio.sleep(TICK_S)
            self._show()

    async def _wait_for_others(self) -> None:
        """Give the other services time to say what is so: they start at the same moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                while not (self._known.is_enough or self._asked):
                    self._wake.clear()
                    await self._wake.wait()

    async def _step(self) -> None:
        """Do what is due."""
        asked, self._asked = [one for one in self._asked if not self._is_over(one)], []
        for command in [one for one in asked if _is_dry(one)]:
            await self._answer_dry(command)
        wished = [one for one in asked if not _is_dry(one)]
        why = f"wished for by {wished[0].by}" if wished else self._reason()
        if why is not None:
            await self._make(why, wished)

    def _is_over(self, command: Command) -> bool:
        """Return whether a command has expired while it waited, and say so to its sender."""
        try:
            check_not_expired(command.arguments, datetime.now(UTC))
        except CommandRefused as refused:
            self._answers.refuse(command.envelope, group=NO_NAME, why=str(refused))
            return True
        return False

    def _reason(self) -> str | None:
        now = self._clocks()
        run_at = time.fromisoformat(self._settings.run_at)
        why = reason_to_run(
            self._last,
            now=now,
            frame0_ns=self._known.frame0_ns,
            run_at=run_at,
            is_rejected=self._known.is_rejected,
            renderer_is_back=self._renderer_is_back,
        )
        if why is None and self._changed_at is not None and now.monotonic_s - self._changed_at >= GATHER_S:
            self._changed_at = None
            why = self._newcomers()
        return why

    def _newcomers(self) -> str | None:
        """Return which nodes have the block and were not told yet, in words; each is told once, then daily."""
        if self._run is None or self._known.registry is None:
            return None
        told = {key for key, target in self._run.targets.items() if target.concerned}
        new = sorted(self._known.concerned() - told)
        return f"{new[0]} is new{f', and {len(new) - 1} more' if len(new) > 1 else ''}" if new else None

    # --- a run

    async def _make(self, why: str, wished: list[Command]) -> None:
        at = self._clocks()
        logger.info("eop: builds the table, %s", why)
        in_a_row = 0 if self._renderer_is_back or self._last is None else self._last.failures
        self._renderer_is_back = False
        prepared = await self._prepared(why, at)
        is_table = prepared.run.error is None and prepared.run.merged is not None
        run = await self._pushed(prepared, wished) if is_table else prepared.run
        before, self._run = self._run, run
        failures = 0 if run.problem is None else in_a_row + 1
        self._last = Attempt(at, run.frame0_ns, failures)
        status = self._show()
        self._tell(run, wished, news=before is None or before.problem != run.problem or not failures)
        for command in wished:
            self._answers.answer(command.envelope, self._reply(command, run, status))

    async def _prepared(self, why: str, at: Moment) -> Prepared:
        may_drop = why in DROPPING
        prepared = await self._runner.prepare(self._known, why=why, now=at.wall, may_drop=may_drop)
        self._tell_trouble()
        return prepared

    async def _pushed(self, prepared: Prepared, wished: list[Command]) -> Run:
        run = self._runner.send(prepared.run, now=self._clocks().wall)
        if run.error is not None:
            return run
        reason = next((c.arguments.reason for c in wished if c.arguments.reason), None)
        words = f"Earth orientation, {run.why}{f': {reason}' if reason else ''}"[:REASON]
        found = await self._publisher.push(prepared.parcels, run=f"eop-{secrets.token_hex(6)}", reason=words)
        run = replace(run, targets={**run.targets, **found})
        return self._runner.store(run, now=self._clocks().wall)

    async def _answer_dry(self, command: Command) -> None:
        prepared = await self._prepared("a dry run", self._clocks())
        nodes = [key for parcel in prepared.parcels for key in parcel.nodes]
        run = replace(prepared.run, targets={**prepared.run.targets, **dict.fromkeys(nodes, NOT_SENT)})
        status = would_be(self._status(), run, standing=self._runner.standing())
        self._answers.answer(command.envelope, self._reply(command, run, status))

    # --- what is said

    def _status(self) -> EopStatus:
        now = self._clocks().wall
        next_at = next_run(self._last, now=now, run_at=time.fromisoformat(self._settings.run_at))
        base = self._runner.base()
        unstored = self._runner.memory.unstored
        return status_of(
            self._runner.record,
            self._run,
            base=base,
            now=now,
            next_run_at=next_at,
            standing=self._runner.standing(),
            sent_frame0_ns=unstored.frame0_ns if unstored else None,
        )

    def _show(self) -> EopStatus:
        status = self._status()
        self._bus.own(EOP, status)
        return status

    def _tell_trouble(self) -> None:
        """Tell once what is wrong with the state file; the event stays when the warning is over."""
        trouble = self._runner.memory.trouble
        if trouble is not None and trouble != self._told_trouble:
            logger.warning("eop: %s", trouble)
            event = Event(at=datetime.now(UTC), kind=EventKind.EOP, text=trouble, ok=False)
            self._bus.tell(EVENT, bounded(event), service=Service.EOP, group=NO_NAME, node=NO_NAME)
        self._told_trouble = trouble

    def _tell(self, run: Run, wished: list[Command], *, news: bool) -> None:
        words = sentence(run)
        log = logger.info if run.problem is None else logger.warning
        log("eop: %s", words)
        if not (news or wished):
            return
        event = Event(
            at=datetime.now(UTC),
            kind=EventKind.EOP,
            text=words,
            user=wished[0].by if wished else None,
            via=wished[0].via if wished else None,
            ok=run.problem is None,
            command=wished[0].envelope.id if wished else None,
        )
        self._bus.tell(EVENT, bounded(event), service=Service.EOP, group=NO_NAME, node=NO_NAME)

    def _reply(self, command: Command, run: Run, status: EopStatus) -> Reply:
        return Reply(
            id=command.envelope.id,
            action=command.envelope.action,
            group=NO_NAME,
            ok=run.problem is None,
            error=run.error,
            results=results_of(run.targets),
            warnings=[*self._runner.standing(), *run.warnings],
            eop=status,
        )

    # --- commands

    def on_busy(self, message: Incoming) -> None:
        """Refuse a command that is one too many."""
        envelope = envelope_of(message, root=self._root)
        self._answers.refuse(envelope, group=NO_NAME, why="busy: too many commands; try again")

    def on_command(self, message: Incoming) -> None:
        """Check a command; it is carried out after the run under way."""
        if len(self._asked) >= MAX_ASKED:
            self.on_busy(message)
            return
        envelope = envelope_of(message, root=self._root)
        actions = SERVICE_ACTIONS[Service.EOP]
        try:
            if self._answers.is_repeated(envelope):
                return
            command = read_command(message, envelope, root=self._root, actions=actions, now=datetime.now(UTC))
        except CommandRefused as refused:
            self._answers.refuse(envelope, group=NO_NAME, why=str(refused))
            return
        self._asked.append(command)
        self._wake.set()


def _is_dry(command: Command) -> bool:
    match command.arguments:
        case RunEop(dry_run=dry_run):
            return dry_run
        case other:
            raise TypeError(f"no such action: {other}")
