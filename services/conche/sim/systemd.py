"""The restart loop around a kotekan, with systemd's start limit and orders."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final

RESTART_PAUSE_S: Final = 0.1
"""RestartSec of the unit."""
STOP_TIMEOUT_S: Final = 90.0
"""TimeoutStopSec: after it systemd kills."""
START_BURST: Final = 5
"""StartLimitBurst."""
START_INTERVAL_S: Final = 10.0
"""StartLimitIntervalSec. Not scaled by the speed: the budgets of others are counted in real time."""


class Order(StrEnum):
    """What an operator can tell systemd, and the kernel."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    RESET_FAILED = "reset-failed"
    SIGKILL = "sigkill"


class Wanted(StrEnum):
    """UP, or what keeps a unit from starting a process."""

    UP = "up"
    STOPPED = "stopped"
    FAILED = "failed"
    REFUSED = "refused"


class StartLimit:
    """At most five starts within any ten seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._starts: deque[float] = deque(maxlen=START_BURST)

    def admits(self) -> bool:
        """Tell whether a start is allowed now, and count it if so."""
        now = self._clock()
        if len(self._starts) == START_BURST and now - self._starts[0] < START_INTERVAL_S:
            return False
        self._starts.append(now)
        return True

    def reset(self) -> None:
        """Forget all starts."""
        self._starts.clear()


class RestartLoop:
    """One process after another, as long as that is wanted and the start limit admits it.

    Parameters
    ----------
    run_process
        Starts a process and returns when it is gone.
    pause_s
        Between two processes [s].
    on_failed
        Called when the start limit is hit.
    """

    def __init__(
        self, run_process: Callable[[], Awaitable[None]], *, pause_s: float, on_failed: Callable[[], None]
    ) -> None:
        self.wanted = Wanted.UP
        self._run_process = run_process
        self._pause_s = pause_s
        self._on_failed = on_failed
        self._wake = asyncio.Event()
        self._limit = StartLimit(asyncio.get_running_loop().time)

    async def run(self) -> None:
        """Run processes, for ever."""
        while True:
            await self._permission()
            await self._run_process()
            await asyncio.sleep(self._pause_s)

    def stop(self) -> None:
        """Start no further process."""
        if self.wanted is not Wanted.REFUSED:
            self.wanted = Wanted.STOPPED

    def start(self) -> None:
        """Start processes again, whatever was counted."""
        if self.wanted is not Wanted.REFUSED:
            if self.wanted is not Wanted.UP:
                self._limit.reset()
            self.wanted = Wanted.UP
            self._wake.set()

    def reset_failed(self) -> None:
        """Forget what was counted; a unit that has failed is stopped from now on."""
        self._limit.reset()
        if self.wanted is Wanted.FAILED:
            self.wanted = Wanted.STOPPED

    def refuse(self) -> None:
        """Start no further process until the fault is cleared."""
        self.wanted = Wanted.REFUSED

    def admit(self) -> None:
        """End a refusal."""
        if self.wanted is Wanted.REFUSED:
            self.wanted = Wanted.UP
            self._wake.set()

    async def _permission(self) -> None:
        while True:
            self._wake.clear()
            if self.wanted is Wanted.UP:
                if self._limit.admits():
                    return
                self.wanted = Wanted.FAILED
                self._on_failed()
            await self._wake.wait()
