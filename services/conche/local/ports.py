"""Ports on this machine, looked at before anything is started."""

import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

LOCALHOST: Final = "127.0.0.1"
_EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LINUX_DEFAULT: Final = 32768


@dataclass(frozen=True, slots=True)
class Wanted:
    """Ports that something will listen on.

    Parameters
    ----------
    ports
        Which.
    what
        What for, in words.
    option
        Option of ``up`` that chooses others.
    """

    ports: range
    what: str
    option: str


def check_ports(wanted: Iterable[Wanted]) -> None:
    """Refuse ports that can't be had.

    Raises
    ------
    click.ClickException
        Names the port and the remedy.
    """
    owner: dict[int, Wanted] = {}
    for want in wanted:
        _check_not_ephemeral(want)
        for port in want.ports:
            other = owner.setdefault(port, want)
            if other is not want:
                raise _problem(f"port {port} is wanted twice, for {other.what} and for {want.what}", want)
            if trouble := _trouble(port):
                raise _problem(f"port {port} {trouble}", want)


def is_free(port: int) -> bool:
    """Tell whether something can listen on a port."""
    return _trouble(port) is None


def _trouble(port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, port))
            probe.listen()  # a bind alone succeeds beside a listener that has the same option
        except OverflowError:
            return "does not exist: there are 65535"
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "is taken (by another stack? ./conche.sh down)"
            return f"can't be had: {error.strerror}"
    return None


def _check_not_ephemeral(want: Wanted) -> None:
    """Refuse many ports that reach into those of outgoing connections, one of which would sooner or later be taken."""
    limit = first_ephemeral_port()
    if len(want.ports) > 1 and want.ports.start < limit < want.ports.stop:
        raise _problem(
            f"{want.what} need {len(want.ports)} ports from {want.ports.start} and reach beyond {limit - 1}, where "
            "the kernel's own begin",
            want,
        )


def first_ephemeral_port() -> int:
    """Return the first port that the kernel gives to outgoing connections."""
    try:
        return int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _LINUX_DEFAULT


def _problem(words: str, want: Wanted) -> click.ClickException:
    return click.ClickException(f"{words} - choose another with {want.option} N")
