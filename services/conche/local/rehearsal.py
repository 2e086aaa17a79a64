"""A rehearsal: a copy of a config directory, a simulated node for each of its registry, and an FPGA master.

The copy keeps the real addresses, which templates see; a file maps each to the simulated node that stands in.
"""

import json
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from conche.renderer.files import Files
from conche.renderer.nodes import Node, Nodes, read_nodes
from conche.storage import write_atomic

from .ports import LOCALHOST

MAP: Final = "map.json"
"""Names and addresses, for the simulator."""
ADDRESSES: Final = "addresses.json"
"""Real address to simulated one, for the services."""

_OWN_REPOSITORY: Final = ".git"


@dataclass(frozen=True, slots=True)
class SimNode:
    """A simulated node."""

    name: str
    port: int


Simulation = dict[str, SimNode]
"""``host:port`` in the registry to the node that stands in."""


def extend(simulation: Simulation, nodes: Iterable[Node], ports: Iterator[int]) -> Simulation:
    """Return a simulation with a node for each address of the registry; those that there are stay what they are.

    Parameters
    ----------
    simulation
        What there is.
    nodes
        The registry.
    ports
        Ports for new ones.
    """
    extended = dict(simulation)
    names = {known.name for known in extended.values()}
    for node in nodes:
        address = f"{node.host}:{node.port}"
        if address not in extended:
            port = next(ports)
            # A node that has moved leaves its name with the old address, where its kotekan still is.
            name = node.key if node.key not in names else f"{node.key}.{port}"
            extended[address] = SimNode(name, port)
            names.add(name)
    return extended


def write(simulation: Simulation, folder: Path, *, fpga_port: int) -> None:
    """Write the files for simulator and services; a simulator that is started later has the new nodes from here."""
    folder.mkdir(exist_ok=True)
    nodes = {node.name: {"host": LOCALHOST, "port": node.port} for node in simulation.values()}
    addresses = {address: f"{LOCALHOST}:{node.port}" for address, node in simulation.items()}
    _write_json(folder / MAP, {"nodes": nodes, "fpga": {"host": LOCALHOST, "port": fpga_port}})
    _write_json(folder / ADDRESSES, addresses)


def read(folder: Path) -> Simulation:
    """Return the simulation that was written."""
    names = {entry["port"]: name for name, entry in _read_json(folder / MAP)["nodes"].items()}
    simulation = {}
    for address, real in _read_json(folder / ADDRESSES).items():
        port = int(real.rpartition(":")[2])
        simulation[address] = SimNode(names[port], port)
    return simulation


def read_fpga_port(folder: Path) -> int:
    """Return where the simulated FPGA master listens."""
    port: int = _read_json(folder / MAP)["fpga"]["port"]
    return port


def registry(configs: Path) -> Nodes:
    """Return the nodes of a config directory.

    Raises
    ------
    click.ClickException
        If they can't be understood: there is nothing to simulate then.
    """
    nodes = read_nodes(Files(configs))
    if nodes.error:
        raise click.ClickException(f"{configs}: {nodes.error} (a rehearsal simulates exactly these nodes)")
    return nodes


def copy(source: Path, target: Path, *, without: Path) -> None:
    """Copy a config directory; a copy that stands there already is set aside, for what was edited in it.

    Links to folders elsewhere are left out: files through them are refused in any case. The git history
    stays behind: it may be a link into the repository that must stay untouched.

    Parameters
    ----------
    source, target
        From where, and to where.
    without
        The folder of all state, should it lie in the source.

    Raises
    ------
    click.ClickException
        If it can't be copied.
    """

    def left_out(folder: str, names: list[str]) -> list[str]:
        return [n for n in names if n == _OWN_REPOSITORY or (Path(folder) / n).resolve() == without]

    try:
        if target.exists():
            previous = target.with_name(f"{target.name}.previous")
            shutil.rmtree(previous, ignore_errors=True)
            target.rename(previous)
        shutil.copytree(source, target, symlinks=True, ignore=left_out)
        for path in (target, *target.rglob("*")):
            if path.is_symlink():
                _mend_link(path, source.resolve(), target)
            else:
                path.chmod(path.stat().st_mode | stat.S_IRUSR | stat.S_IWUSR)  # the source may be read-only
    except (OSError, shutil.Error) as error:
        raise click.ClickException(f"{source} can't be copied to {target}: {_first(error)}") from error


def _mend_link(link: Path, source: Path, target: Path) -> None:
    """Keep a link of the copy from leading into the source, or to a folder in which something could be written."""
    leads_to = link.resolve()
    if leads_to.is_relative_to(target):
        return
    if leads_to.is_relative_to(source):
        link.unlink()
        link.symlink_to(target / leads_to.relative_to(source))
    elif leads_to.is_dir():
        link.unlink()


def _first(error: OSError) -> str:
    """Return the first trouble; shutil gathers them in a list of (source, target, words)."""
    listed = error.args[0] if isinstance(error, shutil.Error) else None
    return f"{listed[0][0]}: {listed[0][2]}" if isinstance(listed, list) else str(error)


def _write_json(path: Path, value: Any) -> None:
    write_atomic(path, json.dumps(value, indent=2).encode())


def _read_json(path: Path) -> Any:
    return json.loads(path.read_bytes())
