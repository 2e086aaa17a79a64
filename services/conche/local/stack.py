"""A stack that runs: it is started, asked to stop, waited for, and ended from elsewhere."""

import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import click

from .home import Home, Stack
from .processes import Process, end, members, wait_until_gone
from .supervisor import PROGRAMS, STOP_PATIENCE_S, start

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ALL_STOPPED_S: Final = (len(PROGRAMS) + 1) * float(STOP_PATIENCE_S)
"""The supervisor stops one program after the other [s]."""
_LEFTOVERS_S: Final = 5.0


class RunningStack:
    """What `up` has started.

    Parameters
    ----------
    home
        Where.
    supervisor
        The process that holds everything.
    """

    def __init__(self, home: Home, supervisor: "subprocess.Popen[bytes]") -> None:
        self._home = home
        self._supervisor = supervisor

    @classmethod
    def launch(
        cls,
        home: Home,
        *,
        source: Path,
        port: int,
        sim_control_port: int | None,
        influx_port: int | None,
        detach: bool,
    ) -> "RunningStack":
        """Start the supervisor and note that it runs.

        Parameters
        ----------
        home
            Where, all laid out.
        source, port, sim_control_port, influx_port
            To be found by the command line.
        detach
            Whether it outlives this process.

        Raises
        ------
        click.ClickException
            It ended at once.
        """
        database = influx_port is not None
        supervisor = start(home, sim_control_port=sim_control_port, database=database, detach=detach)
        process = Process.of(supervisor.pid)
        if process is None:
            supervisor.wait()
            raise click.ClickException(f"the supervisor does not start: {_words(home)}")
        home.write_record(
            Stack(
                supervisor=process,
                source=str(source),
                port=port,
                sim_control_port=sim_control_port,
                influx_port=influx_port,
            )
        )
        return cls(home, supervisor)

    def is_alive(self) -> bool:
        """Tell whether the supervisor runs."""
        return self._supervisor.poll() is None

    @contextlib.contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Stop everything in order on Ctrl-C and its kin; whoever waits sees the supervisor end."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            click.echo("\nstopping ...", err=True)
            self._supervisor.terminate()

        before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def wait(self) -> None:
        """Wait until the supervisor has ended.

        Raises
        ------
        click.ClickException
            If it did not end by order.
        """
        code = self._supervisor.wait()
        end(members(self._home.path), patience_s=_LEFTOVERS_S)
        if code < 0:
            raise click.ClickException(f"the supervisor was killed (signal {-code}); everything has ended")
        if code > 0:
            raise click.ClickException(f"the supervisor ended with code {code}: {_words(self._home)}")
        click.echo("stopped", err=True)


@contextlib.contextmanager
def sole(home: Home) -> Iterator[None]:
    """Hold the home while something is started in it.

    Raises
    ------
    click.ClickException
        If somebody else starts one, or one runs.
    """
    home.make()
    with (home.path / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(f"another up is starting in {home.path}") from None
        if stack := home.running_stack():
            raise click.ClickException(
                f"a stack runs in {home.path} already (broker on port {stack.port}): ./conche.sh down ends it; "
                "for a second one beside it set CONCHE_HOME and other ports"
            )
        end(members(home.path), patience_s=_LEFTOVERS_S)  # of one whose supervisor was killed
        yield


def stop(home: Home) -> bool:
    """Stop everything that runs out of a home, however it came to be there; return whether there was anything."""
    found = members(home.path)
    if stack := home.running_stack():
        stack.supervisor.send(signal.SIGTERM)
        wait_until_gone(found, patience_s=_ALL_STOPPED_S)
    end(members(home.path), patience_s=_LEFTOVERS_S)
    return bool(found)


def last_line(path: Path) -> str:
    """Return the last line of a log, or nothing."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(-min(4096, os.fstat(file.fileno()).st_size), os.SEEK_END)
        lines = file.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
    return ""


def _words(home: Home) -> str:
    return last_line(home.log / "supervisord.out") or f"see {home.log}"
