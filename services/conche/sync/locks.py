"""One thing at a time is done to a machine, whichever node it is just now."""

import asyncio
from weakref import WeakValueDictionary

from conche.contract import RegisteredNode


class Locks:
    """A lock for each address.

    An address may be given to another node, or back to one that left, while something that began for the one
    that had it is still under way. A lock lives as long as somebody holds or awaits it.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, int], asyncio.Lock] = WeakValueDictionary()

    def of(self, entry: RegisteredNode) -> asyncio.Lock:
        """Return the lock of a node's address."""
        return self._locks.setdefault((entry.host, entry.port), asyncio.Lock())
