"""Processes by pid and start time, so that a number that was given again is never taken for the old process.

Everything that a stack starts carries its home in the environment; that is how it is found again when no file
tells, and why nothing else is ever touched.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Self

from msgspec import Struct

MARK: Final = "CONCHE_STACK"
"""Variable in the environment of every process of a stack: its home."""

_PROC: Final = Path("/proc")
_STATE, _STARTED = 0, 19
"""Places in /proc/<pid>/stat behind the command; proc_pid_stat(5)."""
_DEAD: Final = frozenset({"Z", "X"})
_LOOK_AGAIN_S: Final = 0.05


class Process(Struct, frozen=True):
    """One process.

    Parameters
    ----------
    pid
        Its number.
    started
        When it began [clock ticks since boot].
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the process that has this number now; None if there is none, or only its remains."""
        try:
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[_STATE] in _DEAD else cls(pid, int(fields[_STARTED]))

    def is_alive(self) -> bool:
        """Tell whether it still runs."""
        return Process.of(self.pid) == self

    def send(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def members(home: Path) -> list[Process]:
    """Return every process of the stack that has its state in a folder."""
    return list(_marked(f"{MARK}={home}".encode()))


def _marked(variable: bytes) -> Iterator[Process]:
    for entry in _PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        process = Process.of(int(entry.name))
        # Gone by now, or somebody else's.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if process and variable in (entry / "environ").read_bytes().split(b"\0"):
                yield process


def wait_until_gone(processes: Iterable[Process], *, patience_s: float) -> list[Process]:
    """Wait for processes to end.

    Parameters
    ----------
    processes
        Which.
    patience_s
        How long [s].

    Returns
    -------
    list
        Those that still run.
    """
    deadline = time.monotonic() + patience_s
    left = [process for process in processes if process.is_alive()]
    while left and time.monotonic() < deadline:
        time.sleep(_LOOK_AGAIN_S)
        left = [process for process in left if process.is_alive()]
    return left


def end(processes: Iterable[Process], *, patience_s: float) -> None:
    """End processes: asked at first, killed when they take too long."""
    listed = list(processes)
    for process in listed:
        process.send(signal.SIGTERM)
    left = wait_until_gone(listed, patience_s=patience_s)
    for process in left:
        process.send(signal.SIGKILL)
    wait_until_gone(left, patience_s=patience_s)
