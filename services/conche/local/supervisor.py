"""supervisord, which starts every program, and starts it again for ever."""

import os
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from conche.settings import FILE_VARIABLE
from conche.storage import write_atomic

from .home import HOME_VARIABLE, Home
from .processes import MARK

CONFIG: Final = "supervisord.conf"
PATH: Final = os.pathsep.join(
    (sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin")
)
"""Where programs are looked for: beside this Python, and where Debian puts mosquitto."""
LOG_BYTES: Final = "10MB"
LOG_FILES: Final = 3
STOP_PATIENCE_S: Final = 5
"""A program that has not ended by then after SIGTERM is killed [s]."""


class Group(StrEnum):
    """Programs that start and stop together: in this order, and in the opposite one."""

    BROKER = "broker"
    DATABASE = "database"
    REHEARSAL = "rehearsal"
    SERVICES = "services"


@dataclass(frozen=True, slots=True)
class Program:
    """One program of the stack.

    Parameters
    ----------
    name
        In logs and on the screen.
    command
        How it is started; ``{sim_control_port}`` is filled in. The home is the working directory.
    births
        Topics below ``service/`` on which it is online when it works; ``{group}`` stands for each group that sync
        serves, ``{poller}`` for the poller's name.
    group
        Programs that start and stop together.
    folder
        Working directory in the home.
    """

    name: str
    command: str
    births: tuple[str, ...] = ()
    group: Group = Group.SERVICES
    folder: str = "."


PROGRAMS: Final = (
    Program("mosquitto", "mosquitto -c mosquitto.conf", group=Group.BROKER, folder="broker"),
    Program("influxd", "influxd -config influxd.conf", group=Group.DATABASE, folder="influx"),
    Program(
        "sim",
        "conche sim run --map sim/map.json --control-port {sim_control_port}",
        group=Group.REHEARSAL,
    ),
    Program("keeper", "python -P -m conche.local.keeper {sim_control_port}", group=Group.REHEARSAL),
    Program("renderer", "conche renderer --config conche.yaml", births=("renderer",)),
    Program("poller", "conche poller --config conche.yaml", births=("poller/{poller}",)),
    Program("sync", "conche sync --config conche.yaml", births=("sync/{group}",)),
    Program("journal", "conche journal --config conche.yaml", births=("journal",)),
    Program("eop", "conche eop-service --config conche.yaml", births=("eop",)),
    Program("fpga", "conche fpga-service --config conche.yaml", births=("fpga",)),
    Program("metrics", "conche metrics --config conche.yaml", births=("metrics",)),
    Program("notifier", "conche notifier --config conche.yaml", births=("notifier",)),
    Program("gateway", "conche gateway --config conche.yaml", births=("gateway",)),
)
"""Another service is one more line."""

_HEAD: Final = f"""\
; Written by conche up at every start.
[supervisord]
nodaemon = true
silent = true
logfile = log/supervisord.log
logfile_maxbytes = {LOG_BYTES}
logfile_backups = {LOG_FILES}
pidfile = supervisord.pid
childlogdir = log
{"user = root" if os.geteuid() == 0 else ""}
"""  # root is said on purpose, or it warns

_GROUP: Final = """
[group:{name}]
priority = {priority}
programs = {programs}
"""

# Any end counts as one of a running program and is answered by another start, within a second and without a
# limit: with startsecs above 0 supervisord gives up after startretries quick deaths. A program dies with its
# supervisor, also when that is killed.
_PROGRAM: Final = f"""
[program:{{name}}]
command = setpriv --pdeathsig KILL -- {{command}}
directory = {{folder}}
autorestart = true
startsecs = 0
startretries = 1000000000
stopwaitsecs = {STOP_PATIENCE_S}
killasgroup = true
redirect_stderr = true
stdout_logfile = log/{{name}}.log
stdout_logfile_maxbytes = {LOG_BYTES}
stdout_logfile_backups = {LOG_FILES}
"""


def programs(*, rehearsal: bool, database: bool) -> Iterator[Program]:
    """Yield the programs of a stack.

    Parameters
    ----------
    rehearsal
        Whether the nodes are simulated.
    database
        Whether it has a database of its own.
    """
    left_out = {
        group for group, wanted in ((Group.REHEARSAL, rehearsal), (Group.DATABASE, database)) if not wanted
    }
    for program in PROGRAMS:
        if program.group not in left_out:
            yield program


def config(*, sim_control_port: int | None, database: bool) -> str:
    """Return supervisord's configuration.

    Paths in it are relative to the home, where it is started: nothing needs quoting.

    Parameters
    ----------
    sim_control_port
        Of the simulator; None where nothing is rehearsed.
    database
        Whether it has a database of its own.
    """
    started = list(programs(rehearsal=sim_control_port is not None, database=database))
    parts = [_HEAD]
    for number, group in enumerate(Group):
        if names := [program.name for program in started if program.group is group]:
            parts.append(_GROUP.format(name=group, priority=number, programs=",".join(names)))
    for program in started:
        command = program.command.format(sim_control_port=sim_control_port)
        parts.append(_PROGRAM.format(name=program.name, command=command, folder=program.folder))
    return "".join(parts)


def start(
    home: Home, *, sim_control_port: int | None, database: bool, detach: bool
) -> subprocess.Popen[bytes]:
    """Start supervisord, and with it everything.

    Parameters
    ----------
    home
        Where.
    sim_control_port
        Of the simulator; None where nothing is rehearsed.
    database
        Whether it has a database of its own.
    detach
        Whether it outlives this process.
    """
    write_atomic(home.path / CONFIG, config(sim_control_port=sim_control_port, database=database).encode())
    command = ["supervisord", "-c", CONFIG]
    if not detach:
        command = ["setpriv", "--pdeathsig", "TERM", "--", *command]
    with (home.log / "supervisord.out").open("wb") as out:
        return subprocess.Popen(
            command,
            cwd=home.path,
            env=environment(home.path, os.environ, rehearses=sim_control_port is not None, database=database),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,  # Ctrl-C is for `up` alone, which stops everything in order
        )


def environment(home: Path, outer: Mapping[str, str], *, rehearses: bool, database: bool) -> dict[str, str]:
    """Return the environment of every program.

    Parameters
    ----------
    home
        Marks the processes of this stack.
    outer
        Environment of the caller; its settings hold except those that ``up`` has made itself.
    rehearses
        Whether nodes and FPGA master are simulated.
    database
        Whether the stack has a database of its own.
    """
    made = _MADE_HERE | _SIMULATED if rehearses else _MADE_HERE
    sections = ("CONCHE_BROKER__", INFLUX) if rehearses or database else ("CONCHE_BROKER__",)
    inner = {
        name: value for name, value in outer.items() if name not in made and not name.startswith(sections)
    }
    return {**inner, MARK: str(home), HOME_VARIABLE: str(home), "PATH": PATH, "PYTHONUNBUFFERED": "1"}


_MADE_HERE: Final = frozenset(
    {
        FILE_VARIABLE,
        "CONCHE_KOTEKAN__ADDRESSES",
        "CONCHE_RENDERER__CONFIGS",
        "CONCHE_RENDERER__RUN_DIR",
        "CONCHE_SYNC__RUN_DIR",
        "CONCHE_JOURNAL__DATABASE",
        "CONCHE_EOP__STATE_FILE",
        "CONCHE_METRICS__LISTEN_HOST",
        "CONCHE_METRICS__LISTEN_PORT",
        "CONCHE_NOTIFIER__STATE_FILE",
        "CONCHE_GATEWAY__PORT",
        "CONCHE_GATEWAY__STATE_DIR",
    }
)
_SIMULATED: Final = frozenset({"CONCHE_FPGA__URL", "CONCHE_FPGA__CA_FILE"})
"""A rehearsal asks no real FPGA master."""
INFLUX: Final = "CONCHE_INFLUX__"
"""Nor does it fill a real database."""
