"""Simulated nodes for tests and benchmarks: in this process, or as the program itself."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from .control_client import SimControl
from .fpga import FpgaMaster, serve_fpga
from .host import Machine, NodeHost
from .lifetime import Timing
from .plan import NamedNodes, first_ephemeral_port
from .unit import Address, bind

NODE_PORTS: Final = (12000, 65536)
CONTROL_PORTS: Final = (10000, 12000)
"""Apart, so that a control port is never among the ports of nodes that are yet to be opened."""
TRIES: Final = 100
READY_S: Final = 20.0


class NotReadyError(Exception):
    """The simulator did not come up; the words are its own."""


def free_ports(count: int, *, among: tuple[int, int] = NODE_PORTS) -> int:
    """Find consecutive free ports on loopback below those of outgoing connections; return the first.

    Raises
    ------
    NotReadyError
        If there seem to be none.
    """
    for _ in range(TRIES):
        first = random.randrange(among[0], min(among[1], first_ephemeral_port()) - count)
        opened = []
        try:
            for index in range(count):
                opened.append(bind(Address("127.0.0.1", first + index)))
        except OSError:
            continue
        finally:
            for listener in opened:
                listener.close()
        return first
    raise NotReadyError(f"no {count} consecutive free ports were found")


@asynccontextmanager
async def simulated_nodes(
    *names: str, speed: float = 1.0, early_404: float = 0.0, seed: int = 1
) -> AsyncIterator[tuple[NodeHost, dict[str, Address]]]:
    """Run nodes in this event loop, without a control port.

    Parameters
    ----------
    names
        Group and node of each.
    speed, early_404, seed
        As on the command line.

    Yields
    ------
    NodeHost, dict
        Takes the calls of the control port; and the addresses.
    """
    first = free_ports(len(names))
    nodes: NamedNodes = [(name, Address("127.0.0.1", first + index)) for index, name in enumerate(names)]
    machine = Machine(Timing(speed=speed, early_404=early_404), seed)
    opened: asyncio.Future[NodeHost] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(_run_nodes(machine, nodes, opened), name="run simulated nodes")
    either: set[asyncio.Future[Any]] = {running, opened}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    host = opened.result()
    try:
        yield host, dict(nodes)
    finally:
        host.close()
        await running


async def _run_nodes(machine: Machine, nodes: NamedNodes, opened: "asyncio.Future[NodeHost]") -> None:
    """Run nodes in a task of their own, so that errors of the context's body are not grouped with theirs."""
    async with asyncio.TaskGroup() as tasks:
        host = NodeHost(machine, tasks=tasks)
        host.open(nodes)
        opened.set_result(host)
        await host.closed.wait()


@asynccontextmanager
async def simulated_fpga() -> AsyncIterator[tuple[FpgaMaster, str]]:
    """Run an FPGA master in this event loop.

    Yields
    ------
    FpgaMaster, str
        Takes orders; and its URL.
    """
    address = Address("127.0.0.1", free_ports(1))
    master = FpgaMaster()
    async with serve_fpga(master, bind(address)):
        yield master, f"http://{address}"


@asynccontextmanager
async def simulated_cluster(*arguments: str, control_port: int | None = None) -> AsyncIterator[SimControl]:
    """Run `conche sim run` with some arguments, and end it.

    Parameters
    ----------
    arguments
        Such as `"--nodes", "12", "--first-port", "21000"`.
    control_port
        None for a free one.

    Raises
    ------
    NotReadyError
        If it does not come up.
    """
    port = free_ports(1, among=CONTROL_PORTS) if control_port is None else control_port
    process = await _spawn((*arguments, "--control-port", str(port)))
    try:
        await _ready(process)
        yield SimControl(port)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _spawn(arguments: Sequence[str]) -> asyncio.subprocess.Process:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "conche.sim", "run", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )


async def _ready(process: asyncio.subprocess.Process) -> None:
    if process.stdout is None or process.stderr is None:
        raise NotReadyError("the simulator has no output")
    try:
        async with asyncio.timeout(READY_S):
            line = await process.stdout.readline()
    except TimeoutError as error:
        raise NotReadyError(f"the simulator was not ready within {READY_S:g} s") from error
    if not line.startswith(b"ready:"):
        words = (await process.stderr.read()).decode(errors="replace").strip()
        raise NotReadyError(words.splitlines()[-1] if words else "the simulator ended without a word")
