"""The simulated cluster as a program: children with nodes, and a parent with the control port."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import click
import uvloop

from .cluster import Child, ChildDiedError, Cluster, fork_children
from .control import Control, serve_control
from .host import Machine, OrderRefusedError
from .plan import NamedNodes
from .unit import Address, bind
from .values import Json

LOGGER: Final = logging.getLogger("conche.sim")


@dataclass(frozen=True, slots=True)
class Program:
    """What to simulate, and where the control port is."""

    machine: Machine
    parts: Sequence[NamedNodes]
    control: Address

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
        listener = _listen(program.control)
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(child.watch(), name="watch child") for child in children]
            async with serve_control(Control(cluster, about=_about(program)), listener, tasks=tasks):
                click.echo(_ready(program))
                await stop.wait()
            LOGGER.info("stopping %d nodes", program.count)
            for task in watching:
                task.cancel()
    finally:
        for child in children:
            child.close()


def _listen(address: Address) -> socket.socket:
    try:
        return bind(address)
    except OSError as error:
        words = f"the control port {address} cannot be had: {error.strerror}"
        raise OrderRefusedError(f"{words}; end what uses it, or choose another --control-port") from error


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
