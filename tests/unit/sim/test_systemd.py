"""The restart loop, in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from conche.sim.systemd import RestartLoop, StartLimit, Wanted

pytestmark = pytest.mark.looptime


class Supervised:
    """A restart loop whose processes live for `lifetime_s`."""

    def __init__(self) -> None:
        self.lifetime_s = 0.5
        self.starts: list[float] = []
        self.failures = 0
        self.loop = RestartLoop(self._run, pause_s=0.1, on_failed=self._fail)

    async def _run(self) -> None:
        self.starts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.lifetime_s)

    def _fail(self) -> None:
        self.failures += 1


@asynccontextmanager
async def supervision() -> AsyncIterator[Supervised]:
    watched = Supervised()
    task = asyncio.create_task(watched.loop.run())
    yield watched
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_processes_follow_one_another_after_the_pause() -> None:
    async with supervision() as supervised:
        supervised.lifetime_s = 3
        await asyncio.sleep(10)
        gaps = [
            later - earlier for earlier, later in zip(supervised.starts, supervised.starts[1:], strict=False)
        ]
        assert [round(gap, 3) for gap in gaps] == [3.1, 3.1, 3.1]


async def test_sixth_start_in_ten_seconds_fails_the_unit_for_good() -> None:
    async with supervision() as supervised:
        await asyncio.sleep(100)
        assert (len(supervised.starts), supervised.failures) == (5, 1)
        assert supervised.loop.wanted is Wanted.FAILED


async def test_start_brings_a_failed_unit_back() -> None:
    async with supervision() as supervised:
        await asyncio.sleep(20)
        supervised.lifetime_s = 30
        supervised.loop.start()
        await asyncio.sleep(1)
        assert len(supervised.starts) == 6


async def test_reset_failed_forgets_but_does_not_start() -> None:
    async with supervision() as supervised:
        await asyncio.sleep(20)
        supervised.loop.reset_failed()
        await asyncio.sleep(20)
        assert (len(supervised.starts), supervised.loop.wanted) == (5, Wanted.STOPPED)


async def test_refused_unit_takes_no_orders() -> None:
    async with supervision() as supervised:
        supervised.loop.refuse()
        await asyncio.sleep(5)
        supervised.loop.start()
        supervised.loop.stop()
        await asyncio.sleep(5)
        begun = len(supervised.starts)
        assert supervised.loop.wanted is Wanted.REFUSED
        supervised.loop.admit()
        await asyncio.sleep(0.1)
        assert len(supervised.starts) == begun + 1


def test_start_limit_counts_any_ten_seconds() -> None:
    now = 0.0
    limit = StartLimit(lambda: now)
    for at in (0.0, 4.0, 8.0, 9.0, 9.5):
        now = at
        assert limit.admits()
    now = 9.9
    assert not limit.admits()
    now = 10.0
    assert limit.admits()
    now = 13.9
    assert not limit.admits()
