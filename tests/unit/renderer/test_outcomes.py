import asyncio
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from conche.contract import Maintenance, NodeState, NodeStatus, Outcome, Result
from conche.renderer.outcomes import OVERTAKEN, Sightings, outcome_of

pytestmark = pytest.mark.looptime

NEW, OLD = "b" * 32, "a" * 32
RUNS = NodeStatus(
    state=NodeState.STARTED,
    started=True,
    maintenance=Maintenance(on=False),
    epoch="e",
    desired=NEW,
    live=NEW,
)
IDLE = replace(RUNS, state=NodeState.STOPPED, live=None)
WHERE = {"group": "cx", "node": "cx1"}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (RUNS, Outcome.OK),
        (replace(RUNS, desired=OLD, live=OLD), None),
        (replace(RUNS, live=OLD, pending=True), None),
        (replace(RUNS, state=NodeState.SYNCING), None),
        (replace(RUNS, state=NodeState.UNKNOWN, live=None), None),
        (replace(IDLE, maintenance=Maintenance(on=True, by="ann")), Outcome.HELD),
        (replace(RUNS, maintenance=Maintenance(on=True)), Outcome.OK),
        (replace(IDLE, started=False), Outcome.SKIPPED),
        (replace(RUNS, live=OLD, held="two have rejected it"), Outcome.HELD),
        (replace(IDLE, state=NodeState.DOWN, error="no route"), Outcome.UNREACHABLE),
        (replace(RUNS, live=OLD, error="restart failed"), Outcome.FAILED),
        (replace(RUNS, live=OLD, error="restart failed", retry_at=datetime.now(UTC)), None),
        (replace(RUNS, live=OLD), Outcome.OK),  # drift that is let stand
        (IDLE, None),
    ],
)
def test_outcome_follows_from_the_status(status: NodeStatus, outcome: Outcome | None) -> None:
    found = outcome_of(status, NEW)
    assert (found.outcome if found else None) == outcome


def test_words_say_what_holds_it() -> None:
    held = replace(IDLE, maintenance=Maintenance(on=True, by="ann", reason="new fan"))
    assert outcome_of(held, NEW) == Result(
        ok=False,
        outcome=Outcome.HELD,
        error="stored; in maintenance by ann: new fan; it gets this when taken out",
    )


async def waiting(sightings: Sightings, seconds: float = 60) -> "asyncio.Task[Result]":
    deadline = asyncio.get_running_loop().time() + seconds
    expected = sightings.expect({"cx/cx1": NEW})

    async def result() -> Result:
        return (await expected.results(deadline=deadline))["cx/cx1"]

    task = asyncio.create_task(result())
    await asyncio.sleep(0)
    return task


async def test_outcome_is_awaited() -> None:
    sightings = Sightings()
    task = await waiting(sightings)
    sightings.on_status(WHERE, replace(RUNS, state=NodeState.SYNCING))
    await asyncio.sleep(1)
    assert not task.done()
    sightings.on_status(WHERE, RUNS)
    assert (await task).ok


async def test_one_that_does_not_come_is_told_with_what_is_known() -> None:
    sightings = Sightings()
    sightings.on_status(WHERE, replace(RUNS, live=OLD, pending=True, held="waits for cx/cx2"))
    result = await (await waiting(sightings))
    assert (result.outcome, result.error) == (
        Outcome.FAILED,
        "stored; not known to run after 60 s, it goes on: started, waits for cx/cx2",
    )


async def test_a_group_without_a_worker_is_told() -> None:
    result = await (await waiting(Sightings(), 3))
    assert "its group's worker has not taken note of it" in (result.error or "")


async def test_who_waits_is_told_when_something_else_is_desired() -> None:
    sightings = Sightings()
    task = await waiting(sightings)
    sightings.supersede("cx/cx1", NEW, OVERTAKEN)
    await asyncio.sleep(0)
    assert not task.done()
    sightings.supersede("cx/cx1", OLD, OVERTAKEN)
    assert await task == OVERTAKEN
