"""How a kotekan process ends.

Its main thread looks once a second for a signal, joins the stages while it holds the state lock, and returns. Between
the signal and that moment the REST thread answers as if nothing had happened.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from .thread import Gate, RestThread

KILL_S: Final = (0.12, 1.05)
"""From /kill (or a fatal error) to the end [s]: what is left of the main loop's second."""
SIGTERM_S: Final = (0.15, 0.25)
"""From a signal to the end [s]: it ends the main loop's sleep at once."""
LAST_WORDS_S: Final = 0.002
"""From the release of the state lock to the end [s] (a guess): requests that waited for it are answered."""


class Phase(StrEnum):
    """Where a process is in its life.

    IDLE and RUNNING are the two that last. DYING has a signal pending and answers on. JOINING holds the state lock.
    DEAD answers nothing, and no phase follows it.
    """

    IDLE = "idle"
    RUNNING = "running"
    DYING = "dying"
    JOINING = "joining"
    DEAD = "dead"


class ExitCode(IntEnum):
    """Exit statuses as systemd shows them."""

    CLEAN = 0
    FATAL = 1
    ABORT = 134
    KILLED = 137
    SEGFAULT = 139


@dataclass(frozen=True, slots=True)
class Timing:
    """How fast the simulated machine is.

    Parameters
    ----------
    speed
        Divides the times of its own (deaths, joins, restarts), not those given with a fault.
    early_404
        Share of process starts with a window of 1 to 2 ms in which everything is 404.
    """

    speed: float = 1.0
    early_404: float = 0.13


@dataclass(frozen=True, slots=True)
class Join:
    """How long the stages take to join, and how long kotekan waits for them [s]."""

    seconds: float
    limit: float


class Lifetime:
    """The life of one process: its timers, its state lock, its end.

    Parameters
    ----------
    timing
        Of the node.
    rng
        Of the node.
    join
        Returns what joining the stages takes now.
    on_exit
        Called once, with the exit status and its cause.
    """

    def __init__(
        self,
        *,
        timing: Timing,
        rng: random.Random,
        join: Callable[[], Join],
        on_exit: Callable[[int, str], None],
    ) -> None:
        self.phase = Phase.IDLE
        self.thread = RestThread()
        self.lock: Gate | None = None
        self._timing = timing
        self._rng = rng
        self._join = join
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._timers: list[asyncio.TimerHandle] = []
        self._rc, self._cause = int(ExitCode.CLEAN), ""

    def scaled(self, span: tuple[float, float]) -> float:
        """Draw a time from a span of the simulated machine [s]."""
        return self._rng.uniform(*span) / self._timing.speed

    def later(self, seconds: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        """Do something after a time, if the process still lives."""
        now = self._loop.time()
        self._timers = [timer for timer in self._timers if timer.when() > now and not timer.cancelled()]
        self._timers.append(self._loop.call_later(seconds, action))
        return self._timers[-1]

    def hold_lock(self) -> Gate:
        """Take the state lock for something that lasts."""
        self.lock = Gate()
        return self.lock

    def release_lock(self) -> None:
        """Release the state lock; what waited for it goes on."""
        lock, self.lock = self.lock, None
        if lock is not None:
            lock.open()

    def exit_soon(self, rc: int, cause: str, *, within: tuple[float, float] = KILL_S) -> None:
        """Raise the signal that the main loop sees at its next look; the first one decides the exit status."""
        if self.phase in {Phase.IDLE, Phase.RUNNING}:
            self.phase = Phase.DYING
            self._rc, self._cause = rc, cause
            self.later(self.scaled(within), self._look)

    def join(self, then: Callable[[], None], *, at_least_s: float = 0.0) -> None:
        """Wait for the stages; abort where one takes longer than the config allows."""
        need = self._join()
        if need.seconds > need.limit:
            self.later(need.limit, lambda: self.die(ExitCode.ABORT, "join timeout"))
        else:
            self.later(max(need.seconds, at_least_s), then)

    def die(self, rc: int, cause: str) -> None:
        """Be gone, at once."""
        if self.phase is not Phase.DEAD:
            self.abandon()
            self._on_exit(rc, cause)

    def abandon(self) -> None:
        """Stop everything that would still happen, without an exit: the simulated machine itself ends."""
        self.phase = Phase.DEAD
        self.thread.stop()
        for timer in self._timers:
            timer.cancel()

    def _look(self) -> None:
        if self.lock is not None:
            self.lock.then(self._look)
        elif self._join().seconds == 0.0:
            self.die(self._rc, self._cause)
        else:
            self.phase = Phase.JOINING
            self.hold_lock()
            self.join(self._joined)

    def _joined(self) -> None:
        self.later(LAST_WORDS_S, lambda: self.die(self._rc, self._cause))
        self.release_lock()
