"""The operator's commands for the simulated cluster."""

import asyncio
import json
import random
import textwrap
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from .cluster import ChildDiedError
from .control import DEFAULT_PORT
from .control_client import DEFAULT_CONTROL, SimControl, SimControlError, SimEntry, SimNode
from .faults import KINDS
from .fpga import FpgaFault
from .host import Machine, OrderRefusedError
from .lifetime import Timing
from .main import Program
from .main import run as run_program
from .plan import PlanInvalidError, mapped_fpga, mapped_nodes, numbered_nodes, raise_descriptor_limit, shares
from .systemd import Order
from .unit import Address

_T = TypeVar("_T")

CONTROL = click.option(
    "--control",
    default=DEFAULT_CONTROL,
    envvar="CONCHE_SIM_CONTROL",
    show_default=True,
    show_envvar=True,
    help="Control port of the simulator: URL or port.",
)


@click.group()
def sim() -> None:
    """Run a simulated kotekan cluster, and make trouble in it."""


@sim.command()
@click.option("--nodes", type=click.IntRange(min=0), help="That many nodes: sim/n0001 and so on.")
@click.option(
    "--map",
    "map_file",
    type=click.Path(path_type=Path),
    help='Names and addresses: {"nodes": {"cx/cx27": {"host": "127.0.0.1", "port": 20001}}}; '
    'beside "nodes" may stand "fpga", an address.',
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address that the nodes listen on.")
@click.option("--first-port", type=click.IntRange(1, 65535), default=21000, show_default=True)
@click.option("--control-port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True)
@click.option("--fpga-port", type=click.IntRange(1, 65535), help="Of an FPGA master. Default: there is none.")
@click.option("--processes", type=click.IntRange(min=1), help="Default: one for every 2500 nodes.")
@click.option("--seed", type=int, help="Of all randomness. Default: a random one, printed.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Deaths and restarts are faster by this factor.",
)
@click.option(
    "--early-404",
    type=click.FloatRange(0, 1),
    default=0.13,
    show_default=True,
    help="Share of process starts that answer 404 for 1-2 ms; 0 switches it off.",
)
def run(
    *,
    nodes: int | None,
    map_file: Path | None,
    host: str,
    first_port: int,
    control_port: int,
    fpga_port: int | None,
    processes: int | None,
    seed: int | None,
    speed: float,
    early_404: float,
) -> None:
    """Run a simulated cluster until interrupted; all nodes are idle at first."""
    if nodes is not None and map_file is not None:
        raise click.UsageError("give --nodes or --map, not both")
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    fpga = Address(host, fpga_port) if fpga_port is not None else None
    try:
        if map_file is not None:
            named, fpga = mapped_nodes(map_file), fpga or mapped_fpga(map_file)
        else:
            named = numbered_nodes(12 if nodes is None else nodes, host=host, first_port=first_port)
        parts = shares(named, processes=processes, descriptors=raise_descriptor_limit())
        machine = Machine(Timing(speed=speed, early_404=early_404), seed)
        run_program(Program(machine, parts, Address("127.0.0.1", control_port), fpga))
    except (PlanInvalidError, OrderRefusedError, ChildDiedError) as error:
        raise click.ClickException(str(error)) from error


@sim.command("nodes")
@CONTROL
def nodes_(control: str) -> None:
    """List the nodes."""
    click.echo(f"{'node':<18} {'address':<21} {'state':<10} {'rev':<7} {'proc':>4} {'writes':>6} faults")
    for node in _ask(SimControl(control).nodes()).values():
        click.echo(_node_line(node))


@sim.command()
@click.argument("node", required=False)
@click.option("--since", type=int, default=0, help="Only entries with a higher number.")
@click.option("--last", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@CONTROL
def books(node: str | None, since: int, last: int, control: str) -> None:
    """Show what arrived at the nodes, or at one, and what became of it."""
    told = _ask(SimControl(control).books(since, node=node))
    for entry in told.entries[-last:]:
        click.echo(_entry_line(entry))
    if told.dropped:
        click.echo(f"{told.dropped} older entries were dropped", err=True)


@sim.command()
@click.argument("node")
@click.argument("kind", type=click.Choice([*KINDS]), metavar="KIND")
@click.argument("parameters", nargs=-1, metavar="[KEY=VALUE]...")
@CONTROL
def fault(node: str, kind: str, parameters: tuple[str, ...], control: str) -> None:
    """Give a fault to a node, or to all that fit a pattern such as 'cx/*'.

    `faults` lists the kinds. Values are JSON; what is not JSON is a string: `fault cx/cx27 die after_start_s=3`.
    """
    given = dict(_parameter(text) for text in parameters)
    names = _ask(SimControl(control).fault(node, kind, **given))
    click.echo(f"{kind}: {_few(names)}")


@sim.command("faults")
def faults_() -> None:
    """Explain the kinds of faults and their parameters."""
    for name, kind in KINDS.items():
        words = " ".join((kind.__doc__ or "").split())
        click.echo(click.wrap_text(f"{name}: {words}", width=80, subsequent_indent="    "))


@sim.command()
@click.argument("node", default="*")
@CONTROL
def clear(node: str, control: str) -> None:
    """Take all faults from a node, from all that fit a pattern, or from all."""
    click.echo(f"cleared: {_few(_ask(SimControl(control).clear(node)))}")


@sim.command()
@click.argument("node")
@click.argument("order", type=click.Choice([order.value for order in Order]))
@CONTROL
def order(node: str, order: str, control: str) -> None:
    """Do to a node what systemctl (or kill -9) would do."""
    click.echo(_node_line(_ask(SimControl(control).order(node, str(order)))))


@sim.command(
    epilog=f"Faults: {', '.join(FpgaFault)}. `null` takes the fault away. frame0_ns and start_ctime may be any JSON."
)
@click.argument("changes", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--restart", is_flag=True, help="Start the F-engine anew: frame0 is another one.")
@CONTROL
def fpga(changes: tuple[str, ...], restart: bool, control: str) -> None:
    """Show what the FPGA master says, after changing it.

    Keys are frame0_ns, start_ctime, rollovers (periods of 1024 weeks that its receiver is behind) and fault:
    `fpga fault=html`, `fpga rollovers=1`, `fpga frame0_ns=1.5e18`.
    """
    given = dict(_parameter(text) for text in changes) | ({"restart": True} if restart else {})
    for key, value in _ask(SimControl(control).fpga(**given)).items():
        click.echo(f"{key:<12} {json.dumps(value)}")


def _ask(question: Coroutine[Any, Any, _T]) -> _T:
    try:
        return asyncio.run(question)
    except SimControlError as error:
        raise click.ClickException(str(error)) from error


def _parameter(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"a parameter is KEY=VALUE, not {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _node_line(node: SimNode) -> str:
    address = f"{node.host}:{node.port}"
    faults = ",".join(fault["kind"] for fault in node.faults) or "-"
    return (
        f"{node.name:<18} {address:<21} {node.state:<10} {(node.revision or '-')[:7]:<7} "
        f"{node.process:>4} {sum(node.writes.values()):>6} {faults}"
    )


def _entry_line(entry: SimEntry) -> str:
    hidden = {"arrived_at", "abandoned"}
    told = " ".join(f"{key}={_short(value)}" for key, value in entry.told.items() if key not in hidden)
    clock = f"{entry.at % 86400 // 3600:02.0f}:{entry.at % 3600 // 60:02.0f}:{entry.at % 60:06.3f}"
    line = f"{entry.serial:>6} {clock}Z {entry.node:<12} #{entry.process} {entry.what:<9} {told}"
    return textwrap.fill(line, width=80, subsequent_indent=" " * 11, break_on_hyphens=False)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:7] if len(text) == 32 and text.isalnum() else text
