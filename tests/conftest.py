"""What every test needs."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in a shell's background: programs under test inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
async def _no_leaked_tasks() -> AsyncIterator[None]:
    """Fail a test that leaves a task behind."""
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    leaked = [t for t in asyncio.all_tasks() - before if not t.done() and t is not asyncio.current_task()]
    for task in leaked:
        task.cancel()
    gc.collect()  # a future whose error nobody saw, or a socket left open, warns when it is collected
    assert not leaked, f"left behind: {leaked}"
