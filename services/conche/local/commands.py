"""``conche up`` and ``conche down``."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from .firstlogin import first_login, first_password
from .home import Home, find_home
from .preparation import Order, Prepared, prepare
from .project import find_project
from .ready import Lack, StackEnded, Watch
from .screen import Picture, screen, shortened
from .stack import RunningStack, last_line, sole, stop
from .supervisor import programs

READY_PATIENCE_S: Final = 60.0
"""Services of a dozen nodes are online after three; a guess for slow disks."""
EXAMPLE: Final = Path("examples/configs")

_Function = TypeVar("_Function", bound=Callable[..., None])


def _port(option: str, default: int, variable: str, what: str) -> Callable[[_Function], _Function]:
    return click.option(
        option,
        type=click.IntRange(1, 65535),
        default=default,
        envvar=variable,
        show_default=True,
        show_envvar=True,
        help=what,
    )


@click.command()
@click.option(
    "--configs",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Config directory. Default: the shipped example, rehearsed.",
)
@click.option("--sim", "rehearse", is_flag=True, help="Rehearse: on a copy of it, with simulated nodes.")
@click.option("--detach", is_flag=True, help="Return when every service is online.")
@click.option(
    "--config",
    "settings_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Settings of yours, as for the services; broker and folders are filled in.",
)
@_port("--port", 1883, "CONCHE_PORT", "Port of the broker.")
@_port("--sim-port", 21000, "CONCHE_SIM_PORT", "Port of the first simulated node.")
@_port("--sim-control-port", 20999, "CONCHE_SIM_CONTROL_PORT", "Port of the simulator.")
@_port("--influx-port", 20980, "CONCHE_INFLUX_PORT", "Port of the database; it takes the next one, too.")
@_port("--https-port", 5000, "CONCHE_HTTPS_PORT", "Port of the gateway.")
@_port("--metrics-port", 20990, "CONCHE_METRICS_PORT", "Port of the figures for Prometheus.")
def up(*, configs: Path | None, rehearse: bool, detach: bool, **given: Any) -> None:
    """Start everything on this machine, and stay until Ctrl-C.

    All state lies in the folder .conche beside conche.sh, or where CONCHE_HOME says. Stacks with other folders
    and ports run side by side.
    """
    project = find_project()
    order = Order(
        project=project,
        source=(configs or project / EXAMPLE).resolve(),
        rehearse=rehearse or configs is None,
        **given,
    )
    home = find_home()
    began = datetime.now(UTC)
    control = order.sim_control_port if order.rehearse else None
    with sole(home):
        prepared = prepare(order, home)
        if prepared.settings.ldap.host is None and (password := first_password(home.gateway)):
            _echo(first_login(password))
        stack = RunningStack.launch(
            home,
            source=order.source,
            port=order.port,
            sim_control_port=control,
            influx_port=prepared.influx_port,
            detach=detach,
        )
    with stack.stopped_by_signals():
        lacking = _wait_until_ready(stack, prepared, began, control)
        if lacking is None:
            stack.wait()
        else:
            _tell(order, home, prepared, lacking, detach=detach)
            if not detach:
                stack.wait()
    raise SystemExit(1 if lacking and detach else 0)


@click.command()
def down() -> None:
    """End everything that up has started, also when it was killed; no harm where nothing runs."""
    home = find_home()
    click.echo("stopped" if stop(home) else f"nothing runs in {home.path}")


def _wait_until_ready(
    stack: RunningStack, prepared: Prepared, began: datetime, control: int | None
) -> list[Lack] | None:
    """Return what is missing in the end; None where the stack has ended meanwhile."""
    watch = Watch(
        settings=prepared.settings,
        programs=list(programs(rehearsal=control is not None, database=prepared.influx_port is not None)),
        since=began,
        alive=stack.is_alive,
        sim_control_port=control,
        influx_port=prepared.influx_port,
    )
    try:
        return asyncio.run(watch.wait(patience_s=READY_PATIENCE_S))
    except StackEnded:
        return None


def _tell(order: Order, home: Home, prepared: Prepared, lacking: list[Lack], *, detach: bool) -> None:
    if lacking:
        _echo(f"after {READY_PATIENCE_S:.0f} s this is missing:")
        for lack in lacking:
            log = home.log / f"{lack.program}.log"
            _echo(f"  {lack.words} ({shortened(log)}: {last_line(log)[:300] or 'empty'})")
        _echo(
            "the programs go on trying" + ("; ./conche.sh down ends them" if detach else "; Ctrl-C ends them")
        )
        return
    picture = Picture(
        home=home,
        source=order.source,
        port=order.port,
        nodes=prepared.nodes,
        sim_control_port=order.sim_control_port if order.rehearse else None,
        sim_ports=prepared.sim_ports,
        fpga_url=prepared.fpga_url,
        influx_url=prepared.settings.influx.url,
        influx_port=prepared.influx_port,
        metrics_port=order.metrics_port,
        gateway=f"https://{prepared.settings.gateway.listen_host}:{order.https_port}",
        detached=detach,
    )
    _echo(screen(picture))


def _echo(text: str) -> None:
    click.echo(text, color=False if "NO_COLOR" in os.environ else None)
