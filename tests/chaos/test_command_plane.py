"""Commands that change configs, each repeated until it is answered, while services and broker are killed: each has one
effect and one answer, what is stored is what the last one wished, and the journal, which is killed too, tells nothing
that did not happen, the last push of each node, and all that happens while it is there.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest

from conche.bus import BusUnavailable
from conche.client import Conche, ConcheError
from conche.contract import ALL, EventKind, JournalEntry, NodeStatus, Reply, SetMaintenance, UpdatableConfig
from conche.journal.service import OWNERS_S
from conche.renderer.history import History
from tests.integration.dataplane import SERVICES, DataPlane, converged, running_data_plane

from .telling import miscounted, untold_commands, untold_pushes, untrue

pytestmark = pytest.mark.chaos

SEED: Final = int(os.environ.get("CONCHE_CHAOS_SEED", "0")) or random.randrange(1_000_000)
KILLS: Final = 200 if os.environ.get("CONCHE_CHAOS_FULL") else 25
BETWEEN_S: Final = (0.4, 1.4)
REPEAT_S: Final = 1.5
START_TIME: Final = 1772838439000002880
HELD: Final = "cx/cx6"
VICTIMS: Final = ("renderer", "renderer", "sync", "poller", "mosquitto", "journal", "journal")
CALM: Final = 6
"""Commands after the last kill, of which the journal must have told everything."""
QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[DataPlane]:
    services = (*SERVICES, "journal")
    async with running_data_plane(tmp_path, {"cx": 6}, speed=3, services=services, **QUICK) as running:
        await running.start_all()
        await running.until_online(*services)
        await running.command("set_maintenance", SetMaintenance(maintenance=True), HELD)
        yield running


class Engineer:
    """Sets values, one command after another, and repeats each until it is answered."""

    def __init__(self, name: str, stack: DataPlane, rng: random.Random) -> None:
        self.sent: list[str] = []
        self.replies: defaultdict[str, list[Reply]] = defaultdict(list)
        self._name = name
        self._stack = stack
        self._rng = rng
        self._count = 0

    async def run(self, until: asyncio.Event) -> None:
        while not until.is_set():
            await self.ask_for_something()

    async def ask_for_something(self) -> None:
        """Set values; return when that is answered."""
        self._count += 1
        wish = UpdatableConfig(
            id=f"{self._name}-{self._count}",
            endpoint="gains",
            values={"coeff": round(self._rng.uniform(1, 9), 6), "start_time": START_TIME},
        )
        self.sent.append(str(wish.id))
        await self._ask(wish, self._rng.choice([ALL, ALL, "cx1", "cx2", "cx3"]))

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
    before, first = await stack.last_entry(), (await journal(stack))[-1].number
    over = asyncio.Event()
    people = [Engineer(name, stack, random.Random(f"{name} {SEED}")) for name in ("ann", "bob")]
    async with asyncio.TaskGroup() as tasks:
        for person in people:
            tasks.create_task(person.run(over))
        for _ in range(KILLS):
            await asyncio.sleep(rng.uniform(*BETWEEN_S))
            await kill(stack, rng.choice(VICTIMS))
        over.set()
    await settled(stack)
    await calm_is_told_in_full(stack, people[0])
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
    await nodes_run_what_is_stored(stack)
    sent = [name for person in people for name in person.sent]
    updates = Counter(entry.node or "" for entry in await stack.books(since=before, what="update"))
    entries = [entry for entry in await journal(stack) if entry.number > first]
    assert untrue(entries, sent=sent, commits=commits, updates=updates) == []
    assert HELD not in {f"{one.group}/{one.node}" for one in entries if one.event.kind is EventKind.PUSH}
    told = {entry.event.command for entry in entries if entry.event.kind is EventKind.REPLY}
    say(f"{len(answered)} commands, {len(by_command)} commits, {len(commits)} in all")
    say(f"the journal: {len(entries)} entries, {len(told & set(answered))} of {len(answered)} replies")


async def settled(stack: DataPlane) -> dict[str, NodeStatus]:
    return await stack.until(
        lambda found: all(converged(status) for key, status in found.items() if key != HELD), timeout=60
    )


async def nodes_run_what_is_stored(stack: DataPlane) -> None:
    for key, status in (await stack.statuses()).items():
        group, _, node = key.partition("/")
        stored = json.loads((stack.configs / f".updatable/{group}/{node}.json").read_text())
        assert status.desired == stack.revision(depth=4, coeff=stored["gains"]["coeff"])


# --- the journal


async def journal(stack: DataPlane) -> list[JournalEntry]:
    """Return all that it has, the oldest first; it may just be beginning."""
    while True:
        try:
            async with Conche(account="operator", broker=stack.mosquitto.settings) as telescope:
                return await telescope.events(limit=100_000)
        except ConcheError:
            await asyncio.sleep(0.2)


async def calm_is_told_in_full(stack: DataPlane, person: Engineer) -> None:
    """Nobody is killed any more: the journal catches up with what it missed, and then tells all that happens."""
    await until_empty(stack, untold_pushes, within_s=OWNERS_S + 20)
    before, last = await stack.last_entry(), (await journal(stack))[-1].number
    calm = len(person.sent)
    for _ in range(CALM):
        await person.ask_for_something()
        await settled(stack)
    replies = {name: person.replies[name][0] for name in person.sent[calm:]}
    made = Counter(entry.node or "" for entry in await stack.books(since=before, what="update"))

    def untold(entries: list[JournalEntry], statuses: dict[str, NodeStatus]) -> list[str]:
        new = [entry for entry in entries if entry.number > last]
        return miscounted(new, made) + untold_commands(new, replies) + untold_pushes(entries, statuses)

    await until_empty(stack, untold, within_s=10)


async def until_empty(
    stack: DataPlane,
    wrong: Callable[[list[JournalEntry], dict[str, NodeStatus]], list[str]],
    *,
    within_s: float,
) -> None:
    """Wait until nothing is wrong with the journal."""
    found: list[str] = ["it was never read"]
    try:
        async with asyncio.timeout(within_s):
            while found := wrong(await journal(stack), await stack.statuses()):
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"the journal after {within_s:g} s: {found}") from None
