"""The one folder that holds all state of the local mode, and what runs out of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec import DecodeError, Struct, ValidationError
from msgspec.json import decode, encode, format

from conche.settings import DEFAULT_FILE, FILE_VARIABLE, Broker, Settings, SettingsInvalid, load
from conche.storage import write_atomic

from .processes import Process

HOME_VARIABLE: Final = "CONCHE_HOME"
PROJECT_VARIABLE: Final = "CONCHE_PROJECT"
_DEFAULT: Final = ".conche"
_BROKER_VARIABLES: Final = "CONCHE_BROKER__"
_PASSWORD_VARIABLES: Final = "CONCHE_BROKER__PASSWORD"
"""What these begin with says who somebody is, not which broker is meant."""


class BrokerNotFound(Exception):
    """Nothing says where the broker is, or a setting is wrong; says what to do."""


class Stack(Struct, frozen=True, kw_only=True):
    """What was started.

    Parameters
    ----------
    supervisor
        The process that holds everything else.
    source
        The config directory as it was given.
    port
        Of the broker.
    sim_control_port
        Of the simulator; None without one.
    influx_port
        Of the database; None where the stack has none of its own.
    """

    supervisor: Process
    source: str
    port: int
    sim_control_port: int | None = None
    influx_port: int | None = None

    @property
    def rehearses(self) -> bool:
        """Whether the nodes are simulated."""
        return self.sim_control_port is not None


@dataclass(frozen=True, slots=True)
class Home:
    """The paths in the folder.

    Parameters
    ----------
    path
        The folder itself, absolute.
    """

    path: Path

    @property
    def broker(self) -> Path:
        """Where mosquitto runs."""
        return self.path / "broker"

    @property
    def secrets(self) -> Path:
        """One file for each account of the broker."""
        return self.broker / "secrets"

    @property
    def settings(self) -> Path:
        """Settings of all services."""
        return self.path / "conche.yaml"

    @property
    def configs(self) -> Path:
        """The copy of a config directory that is rehearsed."""
        return self.path / "configs"

    @property
    def run(self) -> Path:
        """What lives as long as the stack: epochs, switches."""
        return self.path / "run"

    def journal(self, *, rehearsal: bool) -> Path:
        """Return the journal's database, which outlives the stack: a rehearsal has one of its own."""
        return self.path / "journal" / ("rehearsal.db" if rehearsal else "journal.db")

    def eop(self, *, rehearsal: bool) -> Path:
        """Return the Earth-orientation table that was pushed last; a rehearsal has one of its own, as above."""
        return self.path / "eop" / ("rehearsal.json" if rehearsal else "eop.json")

    @property
    def influx(self) -> Path:
        """Where the database runs, and keeps what outlives the stack."""
        return self.path / "influx"

    def notifier(self, *, rehearsal: bool) -> Path:
        """Return what the notifier has told; a rehearsal has one of its own, as above."""
        return self.path / "notifier" / ("rehearsal.json" if rehearsal else "notifier.json")

    @property
    def gateway(self) -> Path:
        """Who may log in over HTTP: sessions, tokens, local users, and the certificate."""
        return self.path / "gateway"

    @property
    def log(self) -> Path:
        """A log for each program."""
        return self.path / "log"

    @property
    def sim(self) -> Path:
        """What the simulated nodes are called and where they listen."""
        return self.path / "sim"

    @property
    def record(self) -> Path:
        """What was started last."""
        return self.path / "stack.json"

    def make(self) -> None:
        """Make the folder, for its owner only: it holds passwords."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log.mkdir(exist_ok=True)

    def write_record(self, stack: Stack) -> None:
        """Note what was started."""
        write_atomic(self.record, format(encode(stack), indent=2))

    def last_stack(self) -> Stack | None:
        """Return what was started last, whether or not it still runs."""
        try:
            return decode(self.record.read_bytes(), type=Stack)
        except (FileNotFoundError, ValidationError, DecodeError):
            return None

    def running_stack(self) -> Stack | None:
        """Return what runs."""
        stack = self.last_stack()
        return stack if stack and stack.supervisor.is_alive() else None


def find_home(environment: Mapping[str, str] = os.environ) -> Home:
    """Return the folder: ``CONCHE_HOME``, else ``.conche`` beside conche.sh, else in the working directory."""
    if named := environment.get(HOME_VARIABLE):
        return Home(Path(named).expanduser().resolve())
    return Home((Path(environment.get(PROJECT_VARIABLE, ".")) / _DEFAULT).resolve())


def find_broker(environment: Mapping[str, str] = os.environ) -> Broker:
    """Return where the command line finds the broker.

    Settings come first: the file that ``CONCHE_CONFIG`` names, ``./conche.yaml``, or ``CONCHE_BROKER__…``. Without
    any it is the broker of the stack that runs here.

    Raises
    ------
    BrokerNotFound
        If nothing runs here, or a setting is wrong.
    """
    return find_settings(environment).broker


def find_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that the command line goes by, found as the broker is.

    Raises
    ------
    BrokerNotFound
        If nothing runs here, or a setting is wrong.
    """
    return _load(_settings_file(environment), environment)


def _settings_file(environment: Mapping[str, str]) -> Path | None:
    """Return the running stack's file; None for what the environment says, or the working directory."""
    own = environment.get(FILE_VARIABLE) or DEFAULT_FILE.exists()
    if own or any(map(_names_a_broker, environment)):
        return None
    home = find_home(environment)
    if home.running_stack() is None:
        raise BrokerNotFound("no stack runs here: ./conche.sh up")
    return home.settings


def _names_a_broker(variable: str) -> bool:
    return variable.startswith(_BROKER_VARIABLES) and not variable.startswith(_PASSWORD_VARIABLES)


def _load(file: Path | None, environment: Mapping[str, str]) -> Settings:
    try:
        return load(file, environment=environment)
    except SettingsInvalid as error:
        raise BrokerNotFound(str(error)) from error
