"""A connection to a kotekan, or to what poses as one, and what is sent over it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from conche.kotekan.client import Writer
from conche.kotekan.connection import Address, Connection

from .raw import RawServer
from .sim_support import GAINS, Node

CONFIG = json.dumps(GAINS).encode()


def allow() -> None:
    """A gate that is open."""


@asynccontextmanager
async def connected(to: Node | RawServer | Address) -> AsyncIterator[Connection]:
    """A connection; what goes wrong unseen in the loop fails the test."""
    unseen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    address = to if isinstance(to, Address) else Address(to.address.host, to.address.port)
    connection = await Connection.open(address)
    try:
        yield connection
    finally:
        connection.close()
        await asyncio.sleep(0)
    assert not unseen, unseen


async def start(connection: Connection, config: bytes = CONFIG) -> None:
    await Writer(connection, allow).start(config, timeout=5)
