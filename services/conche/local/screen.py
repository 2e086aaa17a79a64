"""What stands on the screen when everything runs: what is where, and what to try next."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from textwrap import wrap
from typing import Final

import click

from conche.renderer.nodes import Nodes

from .broker import OPERATOR
from .home import Home
from .ports import LOCALHOST
from .supervisor import programs

WIDTH: Final = 80
INDENT: Final = 12


@dataclass(frozen=True, slots=True)
class Picture:
    """What there is to tell.

    Parameters
    ----------
    home
        Where the state is.
    source
        The config directory as it was given.
    port
        Of the broker.
    nodes
        The registry.
    sim_control_port
        Of the simulator; None with real nodes.
    sim_ports
        Of the simulated nodes.
    detached
        Whether `up` returns.
    fpga_url
        Of the FPGA master, simulated or real; None where there is none.
    influx_url
        Of the database; None where there is none.
    influx_port
        Of the stack's own.
    metrics_port
        Of the figures for Prometheus.
    gateway
        Its address.
    """

    home: Home
    source: Path
    port: int
    nodes: Nodes
    sim_control_port: int | None
    sim_ports: range
    detached: bool
    fpga_url: str | None = None
    influx_url: str | None = None
    influx_port: int | None = None
    metrics_port: int | None = None
    gateway: str | None = None

    @property
    def configs(self) -> Path:
        """The directory to edit."""
        return self.source if self.sim_control_port is None else self.home.configs


def screen(picture: Picture) -> str:
    """Return the text, at most 80 columns wide where the paths are short."""
    return "\n".join(("", _title(picture), "", *_table(_places(picture)), "", *_next(picture)))


def _title(picture: Picture) -> str:
    count = len(list(picture.nodes))
    kind = "node" if picture.sim_control_port is None else "simulated node"
    groups = ", ".join(f"{group} ({len(nodes)})" for group, nodes in picture.nodes.groups.items())
    return click.style(
        f"conche runs, with {_several(count, kind)} in {_several(len(picture.nodes.groups), 'group')}: "
        f"{groups or 'none'}",
        bold=True,
    )


def _several(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _places(picture: Picture) -> Iterator[tuple[str, str]]:
    yield "broker", f"{LOCALHOST}:{picture.port}, account {OPERATOR}"
    yield "", f"password in {shortened(picture.home.secrets / OPERATOR)}"
    if picture.sim_control_port is None:
        yield "configs", f"{shortened(picture.configs)} - your nodes are real"
    else:
        ports = picture.sim_ports
        where = f"{LOCALHOST}, ports {ports.start} to {ports.stop - 1}" if ports else "none"
        yield "configs", f"{shortened(picture.configs)}/"
        yield "", f"a copy of {shortened(picture.source)}, made fresh at each up"
        yield "nodes", f"{where}; control port {picture.sim_control_port}"
    if picture.fpga_url:
        kind = "real" if picture.sim_control_port is None else "simulated"
        yield "fpga", f"{picture.fpga_url}, {kind}"
    if picture.gateway:
        yield "gateway", picture.gateway
    if picture.influx_url:
        yield "influxdb", picture.influx_url
    else:
        yield "influxdb", "none here, so no conche history: InfluxDB 1 can't be had"
    if picture.metrics_port:
        yield "metrics", f"http://{LOCALHOST}:{picture.metrics_port}/metrics, for Prometheus"
    started = programs(
        rehearsal=picture.sim_control_port is not None, database=picture.influx_port is not None
    )
    names = ", ".join(program.name for program in started)
    yield from zip(chain(("programs",), repeat("")), wrap(names, WIDTH - INDENT), strict=False)
    yield "settings", shortened(picture.home.settings)
    yield "logs", f"{shortened(picture.home.log)}/"


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in rows:
        yield f"{f'  {name}':<{INDENT}}{text}"


def _next(picture: Picture) -> Iterator[str]:
    group = next((group for group, nodes in picture.nodes.groups.items() if nodes), None)
    if group is None:
        yield picture.nodes.error or f"There are no nodes yet: write {shortened(picture.configs)}/nodes.yaml"
        return
    node = next(iter(picture.nodes.groups[group].values())).key
    yield "Every node is in maintenance: nothing is written to it until you say so."
    yield "Try next:" if picture.detached else "Try next, in another terminal:"
    yield ""
    me = _command()
    steps = [
        (f"{me} status", "what every node runs"),
        (f"{me} maintenance off {group}", f"let conche keep {group}"),
        (f"{me} start {group}", "have it run"),
    ]
    if picture.sim_control_port is not None:
        steps.append((f"{me} sim order {node} sigkill", "make trouble"))
    steps.append((f"{me} events", "what has happened"))
    steps.append((f"{me} down" if picture.detached else "Ctrl-C", "stop everything"))
    widest = max(len(command) for command, _ in steps)
    for command, words in steps:
        yield f"  {command:<{widest}}  {words}"


def _command() -> str:
    """Return how the caller calls the command line."""
    project = os.environ.get("CONCHE_PROJECT")
    return "conche" if project is None else shortened(Path(project) / "conche.sh", mark=True)


def shortened(path: Path, *, mark: bool = False) -> str:
    """Return a path as seen from the working directory where that is shorter."""
    relative = os.path.relpath(path)
    if relative.startswith(os.pardir):
        return str(path) if len(str(path)) < len(relative) else relative
    return f"./{relative}" if mark else relative
