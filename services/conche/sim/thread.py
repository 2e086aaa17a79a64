"""The one thread in which a kotekan answers: requests of all connections, one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


class Gate:
    """Something a request waits for; opened once."""

    __slots__ = ("_opened", "_waiters")

    def __init__(self) -> None:
        self._opened = False
        self._waiters: list[Callable[[], None]] = []

    def then(self, action: Callable[[], None]) -> None:
        """Call `action` when the gate opens, at once if it is open."""
        if self._opened:
            action()
        else:
            self._waiters.append(action)

    def open(self) -> None:
        """Let everything through that waits; more than once does no harm."""
        if self._opened:
            return
        self._opened = True
        waiters, self._waiters = self._waiters, []
        for action in waiters:
            action()


@dataclass(frozen=True, slots=True)
class Blocked:
    """What a piece of work returns that blocks the thread: it goes on with `resume` when the gate opens."""

    gate: Gate
    resume: Work


Work = Callable[[], Blocked | None]


class RestThread:
    """A queue of work, done in the order of arrival; work that is blocked blocks all that came later."""

    __slots__ = ("_queue", "_stopped", "busy")

    def __init__(self) -> None:
        self.busy = False
        self._stopped = False
        self._queue: deque[Work] = deque()

    def submit(self, work: Work) -> None:
        """Do the work now if the thread is free, else after all that arrived before."""
        self._queue.append(work)
        if not self.busy:
            self._drain()

    def stop(self) -> None:
        """End with the process: nothing that waits is done any more."""
        self._stopped = True
        self._queue.clear()

    def _drain(self) -> None:
        self.busy = True
        while self._queue and not self._stopped:
            outcome = self._queue.popleft()()
            if outcome is not None:
                self._wait(outcome)
                return
        self.busy = False

    def _wait(self, blocked: Blocked) -> None:
        def go_on() -> None:
            if self._stopped:
                return
            self._queue.appendleft(blocked.resume)
            self._drain()

        blocked.gate.then(go_on)
