"""Which nodes there shall be, where they listen, and in how many processes they run."""

import json
import math
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .unit import Address

NODES_PER_PROCESS: Final = 2500
"""A guess: at one poll in two seconds a process is then a tenth busy."""
DESCRIPTORS_PER_NODE: Final = 4
"""One listener and a few connections."""
SPARE_DESCRIPTORS: Final = 64
EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")

NamedNodes = list[tuple[str, Address]]


class PlanInvalidError(Exception):
    """Nodes that cannot be had like this; the words name the remedy."""


def first_ephemeral_port() -> int:
    """Return the first port that the kernel gives to outgoing connections."""
    try:
        return int(EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32768


def numbered_nodes(count: int, *, host: str, first_port: int) -> NamedNodes:
    """Name nodes `sim/n0001` and so on, on consecutive ports.

    Raises
    ------
    PlanInvalidError
        If the ports reach into those of outgoing connections: one of these would sooner or later take a node's port.
    """
    limit = first_ephemeral_port()
    if first_port + count > limit:
        words = f"{count} nodes from port {first_port} reach beyond port {limit - 1}, where the kernel's own begin"
        raise PlanInvalidError(f"{words}: choose a --first-port of at most {limit - count}")
    return [(f"sim/n{index + 1:04d}", Address(host, first_port + index)) for index in range(count)]


def mapped_nodes(path: Path) -> NamedNodes:
    """Read names and addresses from `{"nodes": {"cx/cx27": {"host": "127.0.0.1", "port": 20001}, ...}}`.

    Raises
    ------
    PlanInvalidError
        If the file cannot be read, is no such map, or gives one address twice.
    """
    try:
        entries = json.loads(path.read_text())["nodes"]
        nodes = [(name, Address(str(entry["host"]), int(entry["port"]))) for name, entry in entries.items()]
    except OSError as error:
        raise PlanInvalidError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        shape = '{"nodes": {"cx/cx27": {"host": "127.0.0.1", "port": 20001}}}'
        raise PlanInvalidError(f"{path} is not a map such as {shape}: {error!r}") from error
    seen: dict[Address, str] = {}
    for name, address in nodes:
        check_name(name)
        if address in seen:
            raise PlanInvalidError(f"{path}: {seen[address]} and {name} have the same address {address}")
        seen[address] = name
    return nodes


def mapped_fpga(path: Path) -> Address | None:
    """Read where an FPGA master is wanted, from `{"nodes": ..., "fpga": {"host": "127.0.0.1", "port": 20100}}`.

    Raises
    ------
    PlanInvalidError
        If it is no address.
    """
    try:
        entry = json.loads(path.read_text()).get("fpga")
        return None if entry is None else Address(str(entry["host"]), int(entry["port"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        shape = '{"fpga": {"host": "127.0.0.1", "port": 20100}}'
        raise PlanInvalidError(
            f"{path}: the FPGA master has no address such as {shape}: {error!r}"
        ) from error


def check_name(name: str) -> None:
    """Refuse a name that is not `group/node`.

    Raises
    ------
    PlanInvalidError
        With the words.
    """
    group, slash, node = name.partition("/")
    if not (group and slash and node) or "/" in node:
        raise PlanInvalidError(f"a node is named group/node, such as cx/cx27; {name!r} is not")


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files to the hard one, and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def shares(nodes: NamedNodes, *, processes: int | None, descriptors: int) -> Sequence[NamedNodes]:
    """Spread nodes over processes.

    Parameters
    ----------
    nodes
        All of them.
    processes
        How many, or None for as many as they need.
    descriptors
        Files that one process may have open.

    Raises
    ------
    PlanInvalidError
        If the given number of processes is too small.
    """
    per_process = max(1, (descriptors - SPARE_DESCRIPTORS) // DESCRIPTORS_PER_NODE)
    needed = max(1, math.ceil(len(nodes) / min(per_process, NODES_PER_PROCESS)))
    count = needed if processes is None else processes
    if len(nodes) > count * per_process:
        words = f"{len(nodes)} nodes in {count} process(es) need more than {descriptors} open files each"
        raise PlanInvalidError(f"{words}: give --processes {needed} or more, or raise the limit (ulimit -Hn)")
    return [nodes[index::count] for index in range(count)]
