"""A running mosquitto that reads its accounts again: SIGHUP, by which nobody else is disconnected.

Measured on mosquitto 2.0.11: connections whose password is still right stay, with their subscriptions, and what the
new access list denies stops at once; those whose account is gone or has another password are closed within 0.1 s.
"""

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .processes import Process

_PROC: Final = Path("/proc")
_PROGRAM: Final = "mosquitto"
_CONFIG: Final = "mosquitto.conf"


@dataclass(frozen=True, slots=True)
class Reloaded:
    """Whom the signal was sent to.

    Parameters
    ----------
    told
        Brokers that read their files again.
    forbidden
        Brokers that belong to somebody else.
    """

    told: tuple[int, ...] = ()
    forbidden: tuple[int, ...] = ()


def reload(folder: Path) -> Reloaded:
    """Have the broker of a folder read its passwords and its access list again, if it runs on this machine."""
    told, forbidden = [], []
    for process in set(_brokers_of(folder)):
        try:
            process.send(signal.SIGHUP)
        except PermissionError:
            forbidden.append(process.pid)
        else:
            told.append(process.pid)
    return Reloaded(tuple(told), tuple(forbidden))


def _brokers_of(folder: Path) -> Iterator[Process]:
    """Yield every mosquitto that was started in the folder, also under another name of it, and by its pid file."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and _is_mosquitto(int(entry.name)) and _works_in(entry / "cwd", folder):
            yield from _processes([int(entry.name)])
    yield from _processes(number for number in _pid_of_file(folder) if _is_mosquitto(number))


def _processes(numbers: Iterable[int]) -> Iterator[Process]:
    for number in numbers:
        if (process := Process.of(number)) is not None:
            yield process


def _is_mosquitto(number: int) -> bool:
    """Tell whether a number is a mosquitto's here: a pid file of a container has numbers of another world."""
    try:
        return (_PROC / str(number) / "comm").read_text().strip() == _PROGRAM
    except OSError:
        return False


def _works_in(cwd: Path, folder: Path) -> bool:
    try:
        return os.path.samefile(cwd, folder)
    except OSError:  # gone by now, or somebody else's
        return False


def _pid_of_file(folder: Path) -> Iterator[int]:
    """Yield the number in the pid file that mosquitto.conf names, if there is any."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in (folder / _CONFIG).read_text().splitlines():
            key, _, value = line.strip().partition(" ")
            if key == "pid_file":
                with contextlib.suppress(ValueError):
                    yield int((folder / value.strip()).read_text())
