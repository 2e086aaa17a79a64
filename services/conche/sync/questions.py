"""Commands that ask: each target is looked at once, now, in maintenance too; nothing is changed."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from conche.contract import Inspect, Outcome, Ping, Result
from conche.kotekan.connection import Connection
from conche.kotekan.snapshot import Snapshot

from .fulfilment import inspected, pinged
from .node import Node

Question = Inspect | Ping

QUESTIONS: Final = frozenset({"inspect", "ping"})
"""Their actions. Nothing happens by them, so they are no events: a screen may ask every few seconds."""

PATIENCE_S: Final = 5.0
"""How long a question waits for a push, or another look, that holds a node [s]."""


class Group(Protocol):
    """What questions need of the worker."""

    def refresh(self, node: Node) -> None:
        """Decide anew about a node."""

    async def look(self, node: Node) -> Connection | None:
        """Take note of what a node runs."""


async def ask(worker: Group, question: Question, targets: Iterable[Node]) -> dict[str, Result]:
    """Return what each target answers; all are asked at once, so one that is dead delays no other."""
    nodes = list(targets)
    found = await asyncio.gather(*(_asked(worker, node, _answer_to(question)) for node in nodes))
    return {node.key: result for node, result in zip(nodes, found, strict=True)}


def _answer_to(question: Question) -> Callable[[Node, Snapshot | None, float], Result]:
    match question:
        case Inspect(config=with_config):
            return lambda node, seen, took_s: inspected(node, seen, latency_s=took_s, with_config=with_config)
        case Ping():
            return lambda node, seen, took_s: pinged(node, seen, latency_s=took_s)


async def _asked(
    worker: Group, node: Node, answer: Callable[[Node, Snapshot | None, float], Result]
) -> Result:
    lock = node.lock
    try:
        async with asyncio.timeout(PATIENCE_S):
            await lock.acquire()
    except TimeoutError:
        busy = node.in_flight or "a push"
        return Result(ok=False, outcome=Outcome.FAILED, error=f"busy with {busy}: ask again later")
    try:
        connection = await worker.look(node)
        took_s, seen = node.look_s, node.seen
        if connection is not None:
            connection.close()
    finally:
        lock.release()
    worker.refresh(node)
    return answer(node, seen, took_s)
