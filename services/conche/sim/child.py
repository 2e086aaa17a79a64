"""One child process of the simulator: it has a share of the nodes and takes calls from the parent.

Calls and answers are frames over a socket pair: a length of four bytes, then msgpack. End-of-file means that the parent
is gone, however it went, and ends the child.
"""

import asyncio
import signal
import socket
from collections.abc import Sequence
from typing import Any

import msgpack
import uvloop

from .host import Machine, NodeHost, OrderRefusedError
from .plan import NamedNodes


async def read_frame(reader: asyncio.StreamReader) -> Any:
    """Read one frame; None at end-of-file."""
    try:
        length = int.from_bytes(await reader.readexactly(4), "big")
        return msgpack.unpackb(await reader.readexactly(length), strict_map_key=False)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def write_frame(writer: asyncio.StreamWriter, frame: Any) -> None:
    """Write one frame.

    Raises
    ------
    ConnectionError
        If the other side is gone.
    """
    data: bytes = msgpack.packb(frame)
    writer.write(len(data).to_bytes(4, "big") + data)
    await writer.drain()


def run_child(
    end: socket.socket, others: Sequence[socket.socket], machine: Machine, nodes: NamedNodes
) -> None:
    """Be a child until the parent is gone.

    Parameters
    ----------
    end
        The child's end of its socket pair.
    others
        Ends that were inherited and belong to others.
    machine, nodes
        What to simulate.
    """
    for other in others:
        other.close()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they reach the whole group; the parent's end-of-file is ours
    uvloop.run(_serve(end, machine, nodes))


async def _serve(end: socket.socket, machine: Machine, nodes: NamedNodes) -> None:
    reader, writer = await asyncio.open_connection(sock=end)
    _die_of_errors()
    try:
        async with asyncio.TaskGroup() as tasks:
            host = NodeHost(machine, tasks=tasks)
            try:
                await _answer_calls(host, nodes, reader, writer)
            except ConnectionError:
                pass
            finally:
                host.close()
    finally:
        writer.close()


def _die_of_errors() -> None:
    """Have an error in a callback end the process: a simulator that has one is no judge."""
    loop, serving = asyncio.get_running_loop(), asyncio.current_task()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        error = context.get("exception")
        if error is not None and not isinstance(error, OSError) and serving is not None:
            serving.cancel()

    loop.set_exception_handler(handle)


async def _answer_calls(
    host: NodeHost, nodes: NamedNodes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        host.open(nodes)
    except OrderRefusedError as error:
        await write_frame(writer, {"error": error.words, "status": error.status})
        return
    await write_frame(writer, {"result": len(nodes)})
    while (frame := await read_frame(reader)) is not None:
        try:
            answer = {"result": host.call(frame["call"], frame["told"])}
        except OrderRefusedError as error:
            answer = {"error": error.words, "status": error.status}
        await write_frame(writer, answer)
