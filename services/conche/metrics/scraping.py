"""Each kotekan asked for its own metrics, slowly: its REST server has one thread, and that is for its poll.

Nobody waits for anybody: a node that hangs holds one connection until its time is over, and is asked less often.
"""

import asyncio
import logging
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from conche.contract import measurements as m
from conche.kotekan.addresses import AddressMap
from conche.kotekan.client import error_words
from conche.kotekan.connection import Address, Connection
from conche.kotekan.errors import KotekanBusy, KotekanError, KotekanHttpError
from conche.settings import Kotekan, Metrics

from .cluster import Key
from .readings import Reading
from .samples import Families, MetricsGarbled, Taken

logger = logging.getLogger(__name__)

Take: TypeAlias = Callable[[list[Reading]], None]

MAX_PERIODS: Final = 16
"""A node that does not answer in time is asked once in 2, 4, 8 periods, at last in so many; a guess."""

MAX_BODY: Final = 2_000_000
"""Bytes of an answer, with its head; a real one of 2,000 feeds has 300 kB."""

_SLOTS: Final = 2**32


@dataclass
class _Round:
    """What happened since the last report."""

    nodes: int = 0
    failed: int = 0
    series: int = 0
    left: int = 0


@dataclass
class Scraper:
    """Asks every node that answers its poller.

    A connection of its own for each request, that of the package `conche.kotekan`: a request goes out once, whatever
    becomes of the connection, and what goes wrong has the words that it has elsewhere.

    Parameters
    ----------
    settings
        Period, timeout, families; asked is nobody where there is no period.
    kotekan
        Timeout of a connection, and address map.
    may_ask
        Whether a node answered its poller the last time.
    take
        Takes readings.
    """

    settings: Metrics
    kotekan: Kotekan
    may_ask: Callable[[Key], bool]
    take: Take
    _wanted: Mapping[Key, Address] = field(default_factory=dict)
    _tasks: dict[Key, tuple[Address, asyncio.Task[None]]] = field(default_factory=dict)
    _troubles: dict[Key, str] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _round: _Round = field(default_factory=_Round)

    def __post_init__(self) -> None:
        self._addresses = AddressMap(self.kotekan.addresses)
        self._families = Families(self.settings.families)

    def follow(self, nodes: Mapping[Key, Address]) -> None:
        """Ask these nodes from now on, and no others."""
        self._wanted = dict(nodes)
        self._changed.set()

    async def run(self) -> None:
        """Ask each node once a period, in its own slot."""
        period_s = self.settings.scrape_s
        if period_s is None:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._report(period_s), name="report scrapes")
            while True:
                self._follow_up(group, period_s)
                self._changed.clear()
                await self._changed.wait()

    def _follow_up(self, group: asyncio.TaskGroup, period_s: float) -> None:
        for key, (address, task) in list(self._tasks.items()):
            if self._wanted.get(key) != address:
                task.cancel()
                del self._tasks[key]
                self._troubles.pop(key, None)
        for key, address in self._wanted.items():
            if key not in self._tasks:
                asking = self._ask_again_and_again(key, address, period_s)
                self._tasks[key] = address, group.create_task(asking, name=f"scrape {'/'.join(key)}")

    async def _ask_again_and_again(self, key: Key, address: Address, period_s: float) -> None:
        loop = asyncio.get_running_loop()
        slot = loop.time() + period_s * zlib.crc32("/".join(key).encode()) / _SLOTS
        periods = 1
        while True:
            await asyncio.sleep(slot - loop.time())
            if self.may_ask(key):
                in_time = await self._ask(key, address)
                periods = 1 if in_time else min(2 * periods, MAX_PERIODS)
            # One that took longer than the period skips slots; it never doubles them.
            slot += period_s * max(periods, -(-(loop.time() - slot) // period_s))

    async def _ask(self, key: Key, address: Address) -> bool:
        """Ask a node; return whether it did something in time, be it to refuse."""
        self._round.nodes += 1
        try:
            taken = self._parse(key, await self._body(address))
        except (KotekanError, MetricsGarbled) as error:
            self._round.failed += 1
            self._say(key, str(error))
            return not isinstance(error, KotekanBusy)
        self._keep(key, taken)
        return True

    def _keep(self, key: Key, taken: Taken) -> None:
        left = f"{taken.left} series are left out: more than metrics.max_series, or their labels are too long"
        self._say(key, left if taken.left else "")
        self._round.series += len(taken.readings)
        self._round.left += taken.left
        if taken.readings:
            self.take(taken.readings)

    async def _body(self, address: Address) -> bytes:
        """Ask one node.

        Raises
        ------
        KotekanError
            One of its kinds.
        """
        where = self._addresses.resolve(address.host, address.port)
        patience_s = self.kotekan.connect_timeout_s
        connection = await Connection.open(where, timeout=patience_s, max_body=MAX_BODY)
        try:
            answer = await connection.request("GET", "/metrics", timeout=self.settings.scrape_timeout_s)
        finally:
            connection.close()
        if answer.status != 200:
            raise KotekanHttpError("GET /metrics", status=answer.status, words=error_words(answer))
        return answer.body

    def _parse(self, key: Key, body: bytes) -> Taken:
        text = body.decode("utf-8", "replace")
        return self._families.take(
            text, group=key[0], node=key[1], at_ns=time.time_ns(), most=self.settings.max_series
        )

    def _say(self, key: Key, trouble: str) -> None:
        """Log what is wrong with a node's metrics, once for each change."""
        before = self._troubles.get(key, "")
        if trouble == before:
            return
        logger.info("%s: metrics: %s", "/".join(key), trouble or "answers again as it should")
        if trouble:
            self._troubles[key] = trouble
        else:
            self._troubles.pop(key, None)

    async def _report(self, period_s: float) -> None:
        """Once a period tell how asking went."""
        while True:
            await asyncio.sleep(period_s)
            done, self._round = self._round, _Round()
            fields = {"nodes": done.nodes, "failed": done.failed, "series": done.series, "left": done.left}
            self.take([Reading(m.SCRAPE, {}, fields, time.time_ns())])
