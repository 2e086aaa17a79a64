"""An event loop in virtual time whose network and disk are in memory."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from .network import Network

DISK_S = 0.002
"""How long a write to the disk takes [s]."""


class Disk:
    """What threads are for: writes, which may find it full, or never be made because their process is gone."""

    def __init__(self) -> None:
        self.full = False
        self.lag_s = 0.0
        """From a write's being due to its being made, and from that to its being known [s]."""
        self.generation = 0
        """Counts the processes that write: what one that is gone would still have written is never written."""
        self.before_write: list[Callable[[], None]] = []
        self.after_write: list[Callable[[], None]] = []

    def clear(self) -> None:
        """Have room again."""
        self.full = False

    def hurry(self) -> None:
        """Be as quick as usual again."""
        self.lag_s = 0.0


class MemoryLoop(asyncio.SelectorEventLoop):
    """Time passes only while there is nothing to do; connections lead into a network in memory.

    Parameters
    ----------
    network
        Where connections lead.
    disk
        What threads work for.
    """

    def __init__(self, network: Network, disk: Disk) -> None:
        super().__init__()
        self._now_us = 0
        self._network = network
        self._disk = disk
        self._selector.select = self._pass_time

    def time(self) -> float:
        return self._now_us / 1e6

    def _pass_time(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen again")
        if timeout > 0:
            self._now_us += max(1, round(timeout * 1e6))
        return []

    # --- network

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port))]

    async def create_connection(self, factory: Any, host: str, port: int, **_: Any) -> Any:
        return await self._network.connect(factory, host, port)

    async def create_server(self, factory: Any, *, sock: Any) -> Any:
        return self._network.serve(factory, sock)

    # --- threads: all that they do is to write files

    def run_in_executor(self, executor: Any, function: Callable[..., Any], *arguments: Any) -> Any:
        done = self.create_future()
        work = partial(function, *arguments)
        self.call_later(DISK_S, self._begin_write, done, work, self._disk.generation)
        return done

    def _begin_write(self, done: asyncio.Future[Any], work: Callable[[], Any], generation: int) -> None:
        for told in self._disk.before_write:
            told()
        self._after_lag(self._write, done, work, generation)

    def _write(self, done: asyncio.Future[Any], work: Callable[[], Any], generation: int) -> None:
        if generation != self._disk.generation:
            return
        try:
            result = work()
        except OSError as error:
            self._after_lag(_end_write, done, error)
            return
        for told in self._disk.after_write:
            told()
        self._after_lag(_end_write, done, result)

    def _after_lag(self, action: Callable[..., None], *arguments: Any) -> None:
        if self._disk.lag_s:
            self.call_later(self._disk.lag_s, action, *arguments)
        else:
            action(*arguments)


def _end_write(done: asyncio.Future[Any], result: Any) -> None:
    if done.done():
        return
    if isinstance(result, OSError):
        done.set_exception(result)
    else:
        done.set_result(result)
