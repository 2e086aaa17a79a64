"""Everything that must be on disk before the first program is started."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import yaml

from conche.renderer.files import Files
from conche.renderer.nodes import Nodes, read_nodes
from conche.settings import Influx, Settings, SettingsInvalid, load
from conche.storage import write_atomic

from . import database, rehearsal
from .broker import lay_out
from .home import Home
from .passwords import BrokerSetupFailed
from .ports import LOCALHOST, Wanted, check_ports
from .supervisor import INFLUX, PATH, environment

TOOLS: Final = {
    "mosquitto": "mosquitto",
    "mosquitto_passwd": "mosquitto",
    "setpriv": "util-linux",
    "git": "git",
}
"""Programs that are needed, with Debian's packages."""


KEPT_DAYS: Final = 90
"""What the stack's own database keeps [d]; a guess: a laptop's disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What `up` was asked for.

    Parameters
    ----------
    project
        Checkout with what is shipped.
    source
        Config directory.
    rehearse
        Whether its nodes are simulated.
    port, sim_port, sim_control_port, influx_port, metrics_port, https_port
        Of the broker, the first simulated node, the simulator, the database, the figures for Prometheus, the gateway.
    settings_file
        Settings of the user's.
    """

    project: Path
    source: Path
    rehearse: bool
    port: int
    sim_port: int
    sim_control_port: int
    influx_port: int
    metrics_port: int
    https_port: int
    settings_file: Path | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was made ready.

    Parameters
    ----------
    settings
        Of all services, as they will read them.
    nodes
        The registry.
    sim_ports
        Of the simulated nodes.
    influx_port
        Of the database; None where the stack has none of its own.
    """

    settings: Settings
    nodes: Nodes
    sim_ports: range
    influx_port: int | None

    @property
    def fpga_url(self) -> str | None:
        """Where the FPGA master is, simulated or real; None where there is none."""
        return self.settings.fpga.url


def prepare(order: Order, home: Home) -> Prepared:
    """Check what can be checked, then write everything; nothing is written where a check fails.

    Raises
    ------
    click.ClickException
        Says what is wrong, and the remedy.
    """
    theirs = _read_settings(order.settings_file, {}) if order.settings_file else Settings()
    check_tools()
    if order.rehearse and order.source.is_relative_to(home.path):
        raise click.ClickException(
            f"{order.source} is the copy of a rehearsal itself: give --configs where it came from"
        )
    nodes = rehearsal.registry(order.source) if order.rehearse else read_nodes(Files(order.source))
    count = len(list(nodes)) if order.rehearse else 0
    sim_ports = range(order.sim_port, order.sim_port + count)
    has_database = _has_database(theirs, rehearse=order.rehearse)
    check_ports(_wanted(order, sim_ports, has_database=has_database))

    home.make()
    _refresh_broker(order, home, root=theirs.broker.root)
    if order.rehearse:
        rehearsal.copy(order.source, home.configs, without=home.path)
        simulation = rehearsal.extend({}, nodes, iter(sim_ports))
        rehearsal.write(simulation, home.sim, fpga_port=sim_ports.stop)
    if has_database:
        database.lay_out(home.influx, port=order.influx_port, rehearsal=order.rehearse)
    settings = settings_for(theirs, order, home, fpga_port=sim_ports.stop, has_database=has_database)
    write_atomic(home.settings, _yaml(settings))
    shutil.rmtree(home.run, ignore_errors=True)
    home.run.mkdir()
    outer = environment(home.path, os.environ, rehearses=order.rehearse, database=has_database)
    influx_port = order.influx_port if has_database else None
    return Prepared(_read_settings(home.settings, outer), nodes, sim_ports, influx_port)


def check_tools() -> None:
    """Refuse to start where a program is missing.

    Raises
    ------
    click.ClickException
        Names the packages.
    """
    if shutil.which("supervisord", path=PATH) is None:
        raise click.ClickException("conche up needs the extra 'local': pip install 'conche[local]'")
    missing = [program for program in TOOLS if shutil.which(program, path=PATH) is None]
    if missing:
        packages = " ".join(sorted({TOOLS[program] for program in missing}))
        raise click.ClickException(f"not installed: {', '.join(missing)}; sudo apt-get install {packages}")


def settings_for(
    theirs: Settings, order: Order, home: Home, *, fpga_port: int, has_database: bool
) -> Settings:
    """Return the user's settings with what only `up` can know.

    Parameters
    ----------
    theirs
        As the user's file has them, or the defaults.
    order, home
        What was asked for, and where.
    fpga_port
        Of the simulated FPGA master, in a rehearsal.
    has_database
        Whether the stack has a database of its own.
    """
    replace = msgspec.structs.replace
    broker = replace(
        theirs.broker,
        host=LOCALHOST,
        port=order.port,
        secrets=home.secrets,
        ca_file=None,
        password=None,
        password_file=None,
    )
    kotekan, configs, fpga, influx = theirs.kotekan, order.source, theirs.fpga, theirs.influx
    notifier = replace(theirs.notifier, state_file=home.notifier(rehearsal=order.rehearse))
    if order.rehearse:
        influx = Influx()
        notifier = replace(notifier, channels={}, rules=[])
        fpga = replace(fpga, url=f"http://{LOCALHOST}:{fpga_port}", ca_file=None)
        kotekan, configs = replace(kotekan, addresses=home.sim / rehearsal.ADDRESSES), home.configs
    if has_database:
        influx = Influx(url=f"http://{LOCALHOST}:{order.influx_port}", keep_days=KEPT_DAYS)
    return replace(
        theirs,
        broker=broker,
        kotekan=kotekan,
        renderer=replace(theirs.renderer, configs=configs, run_dir=home.run),
        sync=replace(theirs.sync, run_dir=home.run),
        journal=replace(theirs.journal, database=home.journal(rehearsal=order.rehearse)),
        eop=replace(theirs.eop, state_file=_eop_state_file(theirs, order, home)),
        fpga=fpga,
        influx=influx,
        gateway=replace(theirs.gateway, port=order.https_port, state_dir=home.gateway),
        metrics=replace(theirs.metrics, listen_host=LOCALHOST, listen_port=order.metrics_port),
        notifier=notifier,
    )


def _eop_state_file(theirs: Settings, order: Order, home: Home) -> Path:
    """Return where the table is that real nodes were given: where the user's file says so, it is nowhere else."""
    if order.rehearse or order.settings_file is None:
        return home.eop(rehearsal=order.rehearse)
    given = yaml.safe_load(order.settings_file.read_bytes()) or {}
    return theirs.eop.state_file if "state_file" in (given.get("eop") or {}) else home.eop(rehearsal=False)


def _has_database(theirs: Settings, *, rehearse: bool) -> bool:
    """Return whether the stack has a database of its own; a rehearsal never fills another."""
    named = theirs.influx.url is not None or f"{INFLUX}URL" in os.environ
    return database.is_there() and (rehearse or not named)


def _read_settings(file: Path, outer: Mapping[str, str]) -> Settings:
    try:
        return load(file, environment=outer)
    except SettingsInvalid as error:
        raise click.ClickException(str(error)) from error


def _wanted(order: Order, sim_ports: range, *, has_database: bool) -> list[Wanted]:
    metrics = order.metrics_port
    wanted = [
        Wanted(range(order.port, order.port + 1), "broker", "--port"),
        Wanted(range(metrics, metrics + 1), "figures for Prometheus", "--metrics-port"),
        Wanted(range(order.https_port, order.https_port + 1), "gateway", "--https-port"),
    ]
    if has_database:
        wanted.append(Wanted(range(order.influx_port, order.influx_port + 2), "database", "--influx-port"))
    if order.rehearse:
        control = order.sim_control_port
        wanted.append(Wanted(range(control, control + 1), "simulator's control", "--sim-control-port"))
        with_fpga = range(sim_ports.start, sim_ports.stop + 1)
        wanted.append(Wanted(with_fpga, "simulated nodes and FPGA master", "--sim-port"))
    return wanted


def _refresh_broker(order: Order, home: Home, *, root: str) -> None:
    """Lay out the broker's folder; what it retained is kept for the same real nodes only."""
    last = home.last_stack()
    if order.rehearse or last is None or last.rehearses or last.source != str(order.source):
        shutil.rmtree(home.broker / "data", ignore_errors=True)
    try:
        lay_out(home.broker, shipped=order.project / "mosquitto", port=order.port, root=root)
    except BrokerSetupFailed as error:
        raise click.ClickException(str(error)) from error


def _yaml(settings: Settings) -> bytes:
    head = "# Written by conche up at every start: a change here is lost. Give a file of yours with up --config.\n"
    values = _given(msgspec.to_builtins(settings, enc_hook=str))
    return (head + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)).encode()


def _given(value: Any) -> Any:
    """Return settings without those that are not set."""
    if isinstance(value, dict):
        return {key: _given(item) for key, item in value.items() if item is not None}
    return value
