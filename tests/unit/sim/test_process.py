"""The life of a process, in virtual time."""

import asyncio
import random
from typing import Any

import pytest

from conche.sim.config import StartRefusedError
from conche.sim.faults import Finish, SlowStop
from conche.sim.faultset import FaultSet
from conche.sim.lifetime import ExitCode, Phase, Timing
from conche.sim.process import Process, RunningGauge

pytestmark = pytest.mark.looptime

MINIMAL: dict[str, Any] = {"log_level": "info", "cpu_affinity": [0]}


class Watched:
    """A process and what became of it."""

    def __init__(self, *, speed: float = 1.0, early_404: float = 0.0, seed: int = 1) -> None:
        self.loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[tuple[int, str]] = self.loop.create_future()
        self.revisions: list[str] = []
        self.faults = FaultSet()
        self.process = Process(
            1,
            timing=Timing(speed=speed, early_404=early_404),
            faults=self.faults,
            rng=random.Random(seed),
            on_running=self.revisions.append,
            on_exit=lambda rc, cause: self.gone.set_result((rc, cause)),
        )

    async def died(self) -> tuple[int, float]:
        began = self.loop.time()
        rc, _ = await self.gone
        return rc, self.loop.time() - began


async def test_signal_takes_a_process_down_within_the_main_loops_second() -> None:
    times = []
    for seed in range(50):
        watched = Watched(seed=seed)
        watched.process.life.exit_soon(ExitCode.CLEAN, "/kill")
        assert watched.process.life.phase is Phase.DYING
        rc, seconds = await watched.died()
        assert (rc, watched.process.life.phase) == (0, Phase.DEAD)
        times.append(seconds)
    assert 0.12 <= min(times) < 0.25
    assert 0.9 < max(times) <= 1.06


async def test_speed_shortens_the_death() -> None:
    watched = Watched(speed=100)
    watched.process.life.exit_soon(ExitCode.CLEAN, "/kill")
    assert (await watched.died())[1] <= 0.0105


async def test_first_reason_to_die_decides_the_exit_status() -> None:
    watched = Watched()
    with pytest.raises(StartRefusedError):
        watched.process.start({})
    watched.process.life.exit_soon(ExitCode.CLEAN, "/kill")
    assert (await watched.died())[0] == 1


async def test_slow_stages_are_joined_first() -> None:
    watched = Watched()
    watched.process.start(MINIMAL)
    watched.faults.add(SlowStop(seconds=8))
    watched.process.life.exit_soon(ExitCode.CLEAN, "/kill")
    await asyncio.sleep(1.1)
    assert watched.process.life.phase is Phase.JOINING
    assert watched.process.life.lock is not None
    rc, seconds = await watched.died()
    assert (rc, 6.9 < seconds < 8.1) == (0, True)


async def test_stage_beyond_the_join_timeout_aborts() -> None:
    watched = Watched()
    watched.process.start(MINIMAL)
    watched.faults.add(SlowStop(seconds=100))
    watched.process.life.exit_soon(ExitCode.CLEAN, "/kill")
    rc, seconds = await watched.died()
    assert (rc, 60 <= seconds <= 61.1) == (134, True)


async def test_idle_process_has_nothing_to_join() -> None:
    watched = Watched()
    watched.faults.add(SlowStop(seconds=100))
    watched.process.life.exit_soon(ExitCode.CLEAN, "/kill")
    assert (await watched.died())[1] < 1.1


async def test_timers_of_a_config_end_with_it() -> None:
    watched = Watched()
    watched.faults.add(Finish(after_s=5))
    watched.process.start(MINIMAL)
    watched.process.unload()
    await asyncio.sleep(10)
    assert not watched.gone.done()
    watched.process.start(MINIMAL)
    rc, seconds = await watched.died()
    assert (rc, round(seconds, 3)) == (0, 5.0)


async def test_some_processes_register_their_endpoints_late() -> None:
    watched = Watched(early_404=1.0)
    assert not watched.process.registered
    await asyncio.sleep(0.003)
    assert watched.process.registered


async def test_started_process_tells_its_revision() -> None:
    watched = Watched()
    watched.process.start(MINIMAL)
    assert watched.process.config is not None
    assert watched.revisions == [watched.process.config.revision]


def test_running_gauge_follows_once_a_second() -> None:
    now = 100.0
    gauge = RunningGauge(lambda: now)
    now = 100.4
    gauge.set(True)
    assert gauge.read()[0] is False
    now = 101.0
    assert gauge.read()[0] is True
    now = 101.2
    gauge.set(False)
    now = 101.4
    gauge.set(True)
    now = 101.6
    gauge.set(False)
    assert gauge.read()[0] is True
    now = 102.1
    assert gauge.read()[0] is False
