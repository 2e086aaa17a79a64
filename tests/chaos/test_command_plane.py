"""Commands that change configs, each repeated until it is answered, while services and broker are killed: each has one
effect and one answer, and what is stored is what the last one wished.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from conche.bus import BusUnavailable
from conche.contract import ALL, Reply, SetMaintenance, UpdatableConfig
from conche.renderer.history import History
from tests.integration.dataplane import DataPlane, converged, running_data_plane

pytestmark = pytest.mark.chaos

SEED: Final = int(os.environ.get("CONCHE_CHAOS_SEED", "0")) or random.randrange(1_000_000)
KILLS: Final = 200 if os.environ.get("CONCHE_CHAOS_FULL") else 25
BETWEEN_S: Final = (0.4, 1.4)
REPEAT_S: Final = 1.5
START_TIME: Final = 1772838439000002880
HELD: Final = "cx/cx6"
QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[DataPlane]:
    async with running_data_plane(tmp_path, {"cx": 6}, speed=3, **QUICK) as running:
        await running.start_all()
        await running.command("set_maintenance", SetMaintenance(maintenance=True), HELD)
        yield running


class Engineer:
    """Sets values, one command after another, and repeats each until it is answered."""

    def __init__(self, name: str, stack: DataPlane, rng: random.Random) -> None:
        self.replies: defaultdict[str, list[Reply]] = defaultdict(list)
        self._name = name
        self._stack = stack
        self._rng = rng
        self._count = 0

    async def run(self, until: asyncio.Event) -> None:
        while not until.is_set():
            self._count += 1
            wish = UpdatableConfig(
                id=f"{self._name}-{self._count}",
                endpoint="gains",
                values={"coeff": round(self._rng.uniform(1, 9), 6), "start_time": START_TIME},
            )
            target = self._rng.choice([ALL, ALL, "cx1", "cx2", "cx3"])
            await self._ask(wish, target)

    async def _ask(self, wish: UpdatableConfig, target: str) -> None:
        while True:
            with contextlib.suppress(BusUnavailable):
                async with self._stack.connect() as client:
                    while True:
                        await client.send("updatable_config", wish, group="cx", node=target)
                        if (reply := await client.reply(timeout=REPEAT_S)) is not None:
                            self.replies[str(wish.id)].append(reply)
                            again = await client.reply(timeout=0.01)
                            self.replies[str(wish.id)] += [again] if again is not None else []
                            return
            await asyncio.sleep(0.1)


async def kill(stack: DataPlane, victim: str) -> None:
    if victim == "mosquitto":
        stack.mosquitto.stop(signal.SIGKILL)
        await asyncio.sleep(0.3)
        await stack.mosquitto.start()
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(stack.processes[victim].pid, signal.SIGKILL)


async def test_each_wish_has_one_effect_and_one_answer_whoever_is_killed(
    stack: DataPlane, capsys: pytest.CaptureFixture[str]
):
    def say(words: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\nchaos of commands: {words}\n")

    say(f"{KILLS} kills, CONCHE_CHAOS_SEED={SEED}")
    rng = random.Random(SEED)
    before = await stack.last_entry()
    over = asyncio.Event()
    people = [Engineer(name, stack, random.Random(f"{name} {SEED}")) for name in ("ann", "bob")]
    async with asyncio.TaskGroup() as tasks:
        for person in people:
            tasks.create_task(person.run(over))
        for _ in range(KILLS):
            await asyncio.sleep(rng.uniform(*BETWEEN_S))
            await kill(stack, rng.choice(["renderer", "renderer", "sync", "poller", "mosquitto"]))
        over.set()
    await stack.until(
        lambda found: all(converged(status) for key, status in found.items() if key != HELD), timeout=60
    )
    commits = list(History(stack.configs).log())
    by_command = [commit.trailers["Command-Id"] for commit in commits if "Command-Id" in commit.trailers]
    assert len(by_command) == len(set(by_command)), "a wish was carried out twice"
    answered = {name: replies for person in people for name, replies in person.replies.items()}
    for name, replies in answered.items():
        assert len({reply.commit for reply in replies}) == 1, replies
        commit = replies[0].commit
        assert (f"operator/{name}" in by_command) is (commit is not None), replies
    assert await stack.writes(HELD, since=before) == []
    left = [path for path in stack.configs.rglob(".*.conche-*")]
    assert left == []
    statuses = await stack.statuses()
    for key, status in statuses.items():
        group, _, node = key.partition("/")
        stored = json.loads((stack.configs / f".updatable/{group}/{node}.json").read_text())
        assert status.desired == stack.revision(depth=4, coeff=stored["gains"]["coeff"])
    say(f"{len(answered)} commands, {len(by_command)} commits, {len(commits)} in all")
