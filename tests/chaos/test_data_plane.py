"""Services and broker are killed at random while pushes are under way; the simulator's books are the judge."""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from conche.contract import SetMaintenance
from tests.integration.dataplane import DataPlane, converged, running_data_plane

from .books import Wishes, broken_rules

pytestmark = pytest.mark.chaos

KILLS = int(os.environ.get("CONCHE_CHAOS_KILLS", "40"))
SEED = int(os.environ.get("CONCHE_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
VICTIMS = ("renderer", "poller", "sync", "mosquitto")
CONVERGED_WITHIN_S = 15.0


async def kill(stack: DataPlane, victim: str) -> None:
    if victim != "mosquitto":
        stack.processes[victim].send(signal.SIGKILL)
        return
    stack.mosquitto.stop(signal.SIGKILL)
    await asyncio.sleep(0.3)
    await stack.mosquitto.start()


async def change_configs(stack: DataPlane, wishes: Wishes, dice: random.Random) -> None:
    """Now and then wish for a config that was never wished for before: another base, or other values."""
    for number in range(1, 1000):
        await asyncio.sleep(dice.uniform(3.0, 5.0))
        base = dice.random() < 0.5
        stack.depth += base
        wishes.desired.append((time.time(), stack.revision(depth=stack.depth, coeff=number + 0.5)))
        stack.write_vars(depth=stack.depth, coeff=number + 0.5)


async def test_no_rule_is_broken_while_services_and_broker_are_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\nchaos: {KILLS} kills, CONCHE_CHAOS_SEED={SEED}\n")
    dice = random.Random(SEED)
    wishes = Wishes()
    async with running_data_plane(tmp_path, {"cx": 6, "recv": 4, "beam": 2}) as stack:
        await stack.start_all()
        held = dice.sample(sorted(stack.nodes), 2)
        for node in held:
            wish = SetMaintenance(maintenance=True, reason="chaos")
            await stack.command("set_maintenance", wish, node)
            wishes.held[node].append((time.time(), float("inf")))
        changing = asyncio.create_task(change_configs(stack, wishes, random.Random(SEED + 1)))
        for _ in range(KILLS):
            await asyncio.sleep(dice.uniform(0.7, 1.3))
            await kill(stack, dice.choice(VICTIMS))
        changing.cancel()
        free = [node for node in stack.nodes if node not in held]
        found = await stack.until(
            lambda s: all(converged(s[node]) for node in free) and all(s[n].maintenance.on for n in held),
            CONVERGED_WITHIN_S,
        )
        newest = wishes.desired[-1][1]
        entries = await stack.books()
    assert {found[node].live for node in free} == {newest}
    assert all(found[node].started and not found[node].maintenance.on for node in free)
    assert all(found[node].started and found[node].maintenance.reason == "chaos" for node in held)
    assert broken_rules(entries, wishes) == []
    restarts = [e for e in entries if e.what == "kill"]
    assert restarts, "nothing was pushed: the test tested nothing"
