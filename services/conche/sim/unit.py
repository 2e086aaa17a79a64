"""A simulated node: its processes, its faults, and what is known of it."""

import asyncio
import logging
import random
import socket
from dataclasses import dataclass
from typing import Final, Protocol

from .books import WRITES, What
from .config import NoSuchPathError
from .faults import Die, Drift, Fault, Flap, Refuse, describe_fault
from .faultset import FaultSet
from .lifetime import SIGTERM_S, ExitCode, Timing
from .process import Process
from .serving import NodeConnection, Reads, Serving
from .systemd import RESTART_PAUSE_S, STOP_TIMEOUT_S, Order, RestartLoop, Wanted
from .values import Json

LOGGER: Final = logging.getLogger("conche.sim")

BOOT_S: Final = (0.003, 0.008)
"""From the start of a process to its listening socket [s]."""
BIND_FAILURE_S: Final = 0.01
"""Until a kotekan aborts whose port is taken [s]."""
BACKLOG: Final = 128


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Book(Protocol):
    """Where entries of all nodes go."""

    def __call__(
        self, node: str, what: What, *, process: int, connection: int | None = None, **told: Json
    ) -> None:
        """Record an entry."""


def bind(address: Address) -> socket.socket:
    """Open the listening socket of a node.

    Raises
    ------
    OSError
        If the port is taken or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


class Unit:
    """One node.

    Parameters
    ----------
    name
        Group and node, such as `cx/cx27`.
    address
        Where its processes listen.
    timing
        How fast it is.
    rng
        Its own source of randomness.
    book
        Takes what happens.
    """

    def __init__(
        self, name: str, *, address: Address, timing: Timing, rng: random.Random, book: Book
    ) -> None:
        self.name = name
        self.address = address
        self.faults = FaultSet()
        self.process: Process | None = None
        self._reads = Reads()
        self._counts = dict.fromkeys(WRITES, 0)
        self._starts = 0
        self._deaths = 0
        self._connections = 0
        self._timing = timing
        self._rng = rng
        self._book = book
        self._first_listener: socket.socket | None = None
        pause_s = RESTART_PAUSE_S / timing.speed
        self._loop = RestartLoop(self._run_process, pause_s=pause_s, on_failed=self._note_failure)

    def open(self) -> None:
        """Bind the port of the first process, so that a taken port is known before anything runs.

        Raises
        ------
        OSError
            If the port is taken.
        """
        self._first_listener = bind(self.address)

    async def run(self) -> None:
        """Run one process after another, for ever."""
        try:
            await self._loop.run()
        finally:
            self.discard()

    def discard(self) -> None:
        """Close the port that `open` bound, if no process has taken it over."""
        if self._first_listener is not None:
            self._first_listener.close()

    def order(self, order: Order) -> None:
        """Carry out an order; `start` and `restart` forget what the start limit has counted if the unit is down."""
        self._record(What.ORDER, order=order.value)
        match order:
            case Order.START:
                self._loop.start()
            case Order.STOP:
                self._loop.stop()
                self._terminate()
            case Order.RESTART:
                self._terminate()
                self._loop.start()
            case Order.RESET_FAILED:
                self._loop.reset_failed()
            case Order.SIGKILL:
                self._kill("SIGKILL")

    def add_fault(self, fault: Fault) -> None:
        """Give the node a fault.

        Raises
        ------
        NoSuchPathError
            For a drift of something that the node does not run.
        """
        process = self.process
        if process is None and isinstance(fault, Drift):
            raise NoSuchPathError(f"{self.name} runs nothing, so nothing can drift")
        self._record(What.FAULT, fault=describe_fault(fault))
        once = isinstance(fault, Drift) or (isinstance(fault, Die) and fault.after_start_s is None)
        if not once:
            self.faults.add(fault)
        if process is not None:
            process.add_fault(fault)
        if isinstance(fault, Refuse):
            self._loop.refuse()
            self._kill("fault")
        if isinstance(fault, Flap) and process is not None:
            self._flap(process, fault)

    def clear_faults(self) -> None:
        """Take all faults from the node."""
        self._record(What.FAULT, fault=None)
        self.faults.clear()
        if self.process is not None:
            self.process.clear_faults()
        self._loop.admit()

    def describe(self) -> dict[str, Json]:
        """Return what is known of the node."""
        process = self.process
        config = process.config if process else None
        return {
            "name": self.name,
            "host": self.address.host,
            "port": self.address.port,
            "process": self._starts,
            "state": self._state(),
            "running": bool(process and process.running),
            "revision": config.revision if config else None,
            "starts": self._starts,
            "deaths": self._deaths,
            "faults": [describe_fault(fault) for fault in self.faults],
            "writes": {what.value: count for what, count in self._counts.items()},
        }

    def reads(self) -> dict[str, Json]:
        """Return how often each path was read, and when last."""
        return {
            path: {"count": read.count, "last_at": read.last_at} for path, read in self._reads.paths.items()
        }

    def _state(self) -> str:
        if self.process is not None:
            return self.process.life.phase.value
        return "restarting" if self._loop.wanted is Wanted.UP else self._loop.wanted.value

    async def _run_process(self) -> None:
        self._starts += 1
        listener, self._first_listener = self._first_listener, None
        if listener is None:
            await asyncio.sleep(self._rng.uniform(*BOOT_S) / self._timing.speed)
            try:
                listener = bind(self.address)
            except OSError as error:
                await asyncio.sleep(BIND_FAILURE_S)
                self._note_death(ExitCode.ABORT, f"cannot listen on {self.address}: {error.strerror}")
                return
        await self._serve(listener)

    async def _serve(self, listener: socket.socket) -> None:
        gone: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        process = Process(
            self._starts,
            timing=self._timing,
            faults=self.faults,
            rng=self._rng,
            on_running=lambda revision: self._record(What.RUNNING, revision=revision),
            on_exit=lambda rc, cause: None if gone.done() else gone.set_result((rc, cause)),
        )
        serving = Serving(process, record=self._record, reads=self._reads)
        server = await asyncio.get_running_loop().create_server(
            lambda: NodeConnection(serving, self._next_connection()), sock=listener
        )
        self.process = process
        try:
            self._record(What.LISTENING)
            for fault in self.faults.of(Flap):
                self._flap(process, fault)
            rc, cause = await gone
        finally:
            self.process = None
            process.life.abandon()
            server.close()
            serving.end()
        self._note_death(rc, cause)

    def _flap(self, process: Process, fault: Flap) -> None:
        def die() -> None:
            if any(active is fault for active in self.faults):
                process.life.die(fault.rc, "fault")

        process.life.later(fault.period_s, die)

    def _terminate(self) -> None:
        if self.process is not None:
            life = self.process.life
            life.exit_soon(ExitCode.CLEAN, "SIGTERM", within=SIGTERM_S)
            life.later(STOP_TIMEOUT_S, lambda: life.die(ExitCode.KILLED, "stop timeout"))

    def _kill(self, cause: str) -> None:
        if self.process is not None:
            self.process.life.die(ExitCode.KILLED, cause)

    def _next_connection(self) -> int:
        self._connections += 1
        return self._connections

    def _note_death(self, rc: int, cause: str) -> None:
        self._deaths += 1
        LOGGER.info("%s: process %d died, rc %d, %s", self.name, self._starts, rc, cause)
        self._record(What.DIED, rc=rc, cause=cause)

    def _note_failure(self) -> None:
        LOGGER.info("%s: stays down, start limit hit", self.name)
        self._record(What.FAILED)

    def _record(self, what: What, *, connection: int | None = None, **told: Json) -> None:
        if what in self._counts:
            self._counts[what] += 1
        self._book(self.name, what, process=self._starts, connection=connection, **told)
