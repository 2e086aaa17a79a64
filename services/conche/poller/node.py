"""One node under observation: its connection, its slot, and what was last seen of it."""

import asyncio
import zlib
from typing import Final

from conche.contract import Reach
from conche.kotekan.addresses import AddressMap
from conche.kotekan.client import Reader
from conche.kotekan.connection import Address, Connection
from conche.kotekan.errors import KotekanClosed, KotekanError, KotekanGarbled, KotekanHttpError
from conche.kotekan.revision import FingerprintCache
from conche.kotekan.snapshot import Snapshot, failure, look
from conche.settings import Kotekan

_SLOTS: Final = 2**32

EARLY_S: Final = 0.05
"""A process that has just begun to listen answers 404 to everything for 1 to 2 ms [s]."""


class WatchedNode:
    """Looks at one kotekan, over one connection that is kept between looks.

    Parameters
    ----------
    name
        ``group/node``.
    address
        As the registry has it.
    addresses
        Where that really is, looked up at each connection.
    settings
        Timeouts.
    cache
        Fingerprints, shared by all nodes: equal configs are parsed once.
    """

    def __init__(
        self,
        name: str,
        *,
        address: Address,
        addresses: AddressMap,
        settings: Kotekan,
        cache: FingerprintCache,
    ) -> None:
        self.name = name
        self.address = address
        self.version: str | None = None
        self._addresses = addresses
        self._settings = settings
        self._cache = cache
        self._connection: Connection | None = None
        self._last_running: bool | None = None

    @property
    def slot(self) -> float:
        """Where in the period this node is asked (0 to 1), the same at every start."""
        return zlib.crc32(self.name.encode()) / _SLOTS

    async def look(self) -> Snapshot:
        """Ask once what it runs."""
        kept = self._connection is not None and not self._connection.closed
        try:
            return await self._look()
        except KotekanClosed as error:
            self.close()
            return failure(error) if not kept else await self._look_anew()
        except KotekanError as error:
            self.close()
            early = isinstance(error, KotekanHttpError) and error.status == 404 and not kept
            return failure(error) if not early else await self._look_anew(after_s=EARLY_S)

    async def _look_anew(self, *, after_s: float = 0.0) -> Snapshot:
        """Look again where the first answer says nothing yet about the node, as when a kept connection was dead."""
        await asyncio.sleep(after_s)
        try:
            return await self._look()
        except KotekanError as error:
            self.close()
            return failure(error)

    async def _look(self) -> Snapshot:
        reader = await self._reader()
        snapshot = await look(reader, self._cache)
        if snapshot.idle and self._last_running is not False and await reader.running():
            snapshot = await look(reader, self._cache)  # it may have been started between the two questions
            if snapshot.idle:
                raise KotekanGarbled("GET /config says idle and GET /status says running")
        self._last_running = not snapshot.idle
        return snapshot

    async def _reader(self) -> Reader:
        if self._connection is None or self._connection.closed:
            self.close()
            address = self._addresses.resolve(self.address.host, self.address.port)
            self._connection = await Connection.open(address, timeout=self._settings.connect_timeout_s)
            reader = Reader(self._connection, self._settings.answer_timeout_s)
            self.version = await reader.version()
        return Reader(self._connection, self._settings.answer_timeout_s)

    def close(self) -> None:
        """Let go of the connection: the next look makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._last_running = None


def is_away(snapshot: Snapshot) -> bool:
    """Return whether a node could not be reached at all."""
    return snapshot.reach in (Reach.REFUSED, Reach.UNREACHABLE)
