"""The whole simulated cluster as the parent process sees it: children with nodes, and the books of all."""

import asyncio
import fnmatch
import multiprocessing
import socket
from collections import defaultdict
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from typing import Any

from .books import Entry, Ledger
from .child import read_frame, run_child, write_frame
from .host import Machine, OrderRefusedError
from .plan import NamedNodes, PlanInvalidError, check_name
from .values import Json


class ChildDiedError(Exception):
    """A child process is gone, and its nodes with it."""


def fork_children(machine: Machine, parts: Sequence[NamedNodes]) -> list["Child"]:
    """Start a child for each share of the nodes; before there is an event loop."""
    context = multiprocessing.get_context("fork")
    pairs = [socket.socketpair() for _ in parts]
    children = []
    for index, part in enumerate(parts):
        ours, theirs = pairs[index]
        others = [end for pair in pairs for end in pair if end is not theirs]
        process = context.Process(target=run_child, args=(theirs, others, machine, part), daemon=True)
        process.start()
        children.append(Child(process, ours, [name for name, _ in part]))
    for _, theirs in pairs:
        theirs.close()
    return children


class Child:
    """A child process and the way to it.

    Parameters
    ----------
    process
        The operating system's.
    end
        The parent's end of the socket pair.
    names
        The nodes it has.
    """

    def __init__(self, process: BaseProcess, end: socket.socket, names: Sequence[str]) -> None:
        self.names = set(names)
        self._process = process
        self._end = end
        self._one_at_a_time = asyncio.Lock()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        """Wait until its nodes listen.

        Raises
        ------
        OrderRefusedError
            If a port is taken.
        """
        self._reader, self._writer = await asyncio.open_connection(sock=self._end)
        self._result(await read_frame(self._reader))

    async def call(self, name: str, **told: Json) -> Any:
        """Have something done by the child.

        Raises
        ------
        OrderRefusedError
            If it refuses.
        ChildDiedError
            If it is gone.
        """
        if self._reader is None or self._writer is None:
            raise ChildDiedError("the child process was never there")
        async with self._one_at_a_time:
            try:
                await write_frame(self._writer, {"call": name, "told": told})
            except ConnectionError as error:
                raise ChildDiedError(f"process {self._process.pid} is gone") from error
            return self._result(await read_frame(self._reader))

    def close(self) -> None:
        """End the child: it sees its end-of-file."""
        if self._writer is not None:
            self._writer.close()
        else:
            self._end.close()

    def join(self) -> None:
        """Wait until the child is gone; kill it if it does not go."""
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()

    async def watch(self) -> None:
        """Wait until the child ends.

        Raises
        ------
        ChildDiedError
            When it has.
        """
        gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        raise ChildDiedError(f"process {self._process.pid} died with exit code {self._process.exitcode}")

    def _result(self, frame: Any) -> Any:
        if frame is None:
            raise ChildDiedError(f"process {self._process.pid} is gone")
        if "error" in frame:
            raise OrderRefusedError(frame["error"], status=frame["status"])
        return frame["result"]


class Cluster:
    """All nodes, wherever they run.

    Parameters
    ----------
    children
        The processes that have them.
    """

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._ledger = Ledger()

    async def connect(self) -> None:
        """Wait until all nodes listen.

        Raises
        ------
        OrderRefusedError
            If a port is taken.
        """
        for child in self._children:
            await child.connect()

    async def nodes(self) -> list[Json]:
        """Describe all nodes, by name."""
        lists = await asyncio.gather(*(child.call("list") for child in self._children))
        return sorted((node for nodes in lists for node in nodes), key=lambda node: str(node["name"]))

    async def node(self, name: str) -> dict[str, Json]:
        """Describe one node, with its reads and its entries."""
        described: dict[str, Json] = await self._child(name).call("node", node=name)
        await self._collect()
        return {**described, "books": [*self._ledger.since(0, node=name)]}

    async def books(self, *, since: int, limit: int, node: str | None) -> dict[str, Json]:
        """Return entries with a serial number above `since`."""
        await self._collect()
        entries = self._ledger.since(since, node=node, limit=limit)
        return {"entries": [*entries], "last": self._ledger.last, "dropped": self._ledger.dropped}

    async def fault(self, globs: Sequence[str], fault: Json) -> list[str]:
        """Give a fault to all nodes that fit, and return their names."""
        return await self._each(globs, "fault", fault=fault)

    async def clear(self, globs: Sequence[str]) -> list[str]:
        """Take the faults from all nodes that fit, and return their names."""
        return await self._each(globs, "clear")

    async def order(self, name: str, order: Json) -> Json:
        """Give an order to one node, and describe it."""
        described: Json = await self._child(name).call("order", node=name, order=order)
        return described

    async def add(self, name: str, *, host: str, port: int, speed: float | None) -> Json:
        """Add a node to the process that has fewest."""
        try:
            check_name(name)
        except PlanInvalidError as error:
            raise OrderRefusedError(str(error)) from error
        if any(name in child.names for child in self._children):
            raise OrderRefusedError(f"there is a node {name} already: remove it first")
        child = min(self._children, key=lambda child: len(child.names))
        described: Json = await child.call("add", node=name, host=host, port=port, speed=speed)
        child.names.add(name)
        return described

    async def remove(self, name: str) -> Json:
        """Remove a node."""
        child = self._child(name)
        removed: Json = await child.call("remove", node=name)
        child.names.discard(name)
        return removed

    def _child(self, name: str) -> Child:
        for child in self._children:
            if name in child.names:
                return child
        raise OrderRefusedError(f"there is no node {name}", status=404)

    async def _each(self, globs: Sequence[str], call: str, **told: Json) -> list[str]:
        chosen: dict[Child, list[str]] = defaultdict(list)
        for child in self._children:
            for glob in globs:
                chosen[child] += fnmatch.filter(child.names, glob)
        if not any(chosen.values()):
            raise OrderRefusedError(f"no node fits {', '.join(globs)}", status=404)
        for child, names in chosen.items():
            await child.call(call, nodes=[*dict.fromkeys(names)], **told)
        return sorted({name for names in chosen.values() for name in names})

    async def _collect(self) -> None:
        parts = await asyncio.gather(*(child.call("books") for child in self._children))
        entries: list[Entry] = [entry for part in parts for entry in part["entries"]]
        self._ledger.enter(entries, dropped=sum(part["dropped"] for part in parts))
