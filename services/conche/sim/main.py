"""The simulated cluster as a program: children with nodes, and a parent with the control port."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import click
import uvloop

from .cluster import Child, ChildDiedError, Cluster, fork_children
from .control import Control, serve_control
from .fpga import FpgaMaster, serve_fpga
from .host import Machine, OrderRefusedError
from .plan import NamedNodes
from .unit import Address, bind
from .values import Json

LOGGER: Final = logging.getLogger("conche.sim")


@dataclass(frozen=True, slots=True)
class Program:
    """What to simulate, and where the control port and, if there is one, the FPGA master are."""

    machine: Machine
    parts: Sequence[NamedNodes]
    control: Address
    fpga: Address | None = None

    @property
    def count(self) -> int:
        """Number of nodes."""
        return sum(len(part) for part in self.parts)


def run(program: Program) -> None:
    """Run the cluster until SIGTERM or SIGINT.

    Raises
    ------
    OrderRefusedError
        If a port is taken; then nothing is left running.
    ChildDiedError
        If a child process died.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    children = fork_children(program.machine, program.parts)
    died: list[BaseException] = []
    try:
        uvloop.run(_serve(program, children))
    except* ChildDiedError as group:
        died.extend(group.exceptions)
    finally:
        for child in children:
            child.join()
    if died:
        raise died[0]


async def _serve(program: Program, children: Sequence[Child]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    cluster = Cluster(children)
    try:
        await cluster.connect()
        listener = _listen("control port", program.control, option="--control-port")
        async with _fpga_master(program.fpga) as fpga, asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(child.watch(), name="watch child") for child in children]
            control = Control(cluster, fpga=fpga, about=_about(program))
            async with serve_control(control, listener, tasks=tasks):
                click.echo(_ready(program))
                await stop.wait()
            LOGGER.info("stopping %d nodes", program.count)
            for task in watching:
                task.cancel()
    finally:
        for child in children:
            child.close()


@asynccontextmanager
async def _fpga_master(address: Address | None) -> AsyncIterator[FpgaMaster | None]:
    if address is None:
        yield None
        return
    listener = _listen("FPGA master's port", address, option="--fpga-port")
    master = FpgaMaster()
    async with serve_fpga(master, listener):
        yield master


def _listen(what: str, address: Address, *, option: str) -> socket.socket:
    try:
        return bind(address)
    except OSError as error:
        words = f"the {what} {address} cannot be had: {error.strerror}"
        raise OrderRefusedError(f"{words}; end what uses it, or choose another {option}") from error


def _about(program: Program) -> dict[str, Json]:
    machine = program.machine
    return {
        "seed": machine.seed,
        "speed": machine.timing.speed,
        "processes": len(program.parts),
        "nodes": program.count,
        "pid": os.getpid(),
    }


def _ready(program: Program) -> str:
    nodes = [node for part in program.parts for node in part]
    ports = sorted(address.port for _, address in nodes)
    hosts = sorted({address.host for _, address in nodes})
    where = f"{', '.join(hosts)}:{ports[0]}-{ports[-1]}" if nodes else "no address yet"
    return (
        f"ready: {program.count} nodes on {where}, control http://{program.control}, "
        f"seed {program.machine.seed}, {len(program.parts)} process(es)"
    )
