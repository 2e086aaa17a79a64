"""Questions to many nodes at once: those that are dead cost one timeout, however many they are."""

import asyncio

import pytest

from conche.contract import Outcome, Ping, Reach
from conche.kotekan.errors import KotekanBusy, KotekanUnreachable
from conche.sync.node import Node
from conche.sync.questions import PATIENCE_S, ask
from conche.sync.tending import LOOKS_AT_ONCE, PACE_S, Tender

from .samples import IDLE, entry

pytestmark = pytest.mark.looptime

CONNECT_S, ANSWER_S = 1.0, 2.0
NODES = 1_000


class Line:
    """A connection to a node that answers, or does not."""

    address = None

    def close(self) -> None:
        """Nothing is open."""


class Network:
    """Connects to nodes; their names say how they are."""

    def address_of(self, node: Node) -> None:
        return None

    async def connect(self, node: Node) -> Line:
        if node.name.startswith("dead"):
            await asyncio.sleep(CONNECT_S)
            raise KotekanUnreachable("no answer")
        return Line()

    async def look(self, node: Node, connection: Line) -> None:
        if node.name.startswith("hung"):
            await asyncio.sleep(ANSWER_S)
            raise KotekanBusy("no answer")
        await asyncio.sleep(0.001)
        node.saw(IDLE, asyncio.get_running_loop().time())


class Worker:
    """Looks at nodes as the real one does."""

    def __init__(self) -> None:
        self.look = Tender(
            Network(),  # type: ignore[arg-type]  # all of a pusher that a look needs
            judge=None,  # type: ignore[arg-type]  # a look asks nobody
            recorder=None,  # type: ignore[arg-type]  # and writes nothing
            refresh=self.refresh,
            push_begins=self.refresh,
            push_ended=self.refresh,
        ).look

    def refresh(self, node: Node) -> None:
        """Nothing follows."""


def node(name: str) -> Node:
    return Node("cx", name, entry())


@pytest.mark.parametrize(("dead", "hung"), [(100, 0), (0, 100), (500, 500)])
async def test_however_many_are_dead_a_ping_of_a_thousand_takes_one_timeout(dead: int, hung: int) -> None:
    names = [f"dead{i}" for i in range(dead)] + [f"hung{i}" for i in range(hung)]
    names += [f"ok{i}" for i in range(NODES - dead - hung)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    results = await ask(Worker(), Ping(), [node(name) for name in names])
    assert loop.time() - began < CONNECT_S + ANSWER_S + NODES / LOOKS_AT_ONCE * PACE_S
    outcomes = [result.outcome for result in results.values()]
    assert outcomes.count(Outcome.UNREACHABLE) == dead
    assert outcomes.count(Outcome.FAILED) == hung
    alive = results[f"cx/{names[-1]}"].inspection
    if dead + hung < NODES:
        assert alive is not None
        assert (alive.reach, alive.running) == (Reach.OK, False)
        assert (alive.latency_s or 0) < 0.1  # waiting for its turn does not count
    await asyncio.sleep(PACE_S)


async def test_a_node_that_is_held_is_named_and_the_others_are_answered() -> None:
    free, held = node("ok1"), node("ok2")
    held.in_flight = "GET /kill, sent at 03:00:00"
    async with held.lock:
        began = asyncio.get_running_loop().time()
        results = await ask(Worker(), Ping(), [free, held])
        assert asyncio.get_running_loop().time() - began < PATIENCE_S + 0.1
    assert results["cx/ok1"].ok
    assert results["cx/ok2"].error == "busy with GET /kill, sent at 03:00:00: ask again later"
