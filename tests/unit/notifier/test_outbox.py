"""A channel's task in virtual time, with a channel that fails as the test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from conche.notifier.channels import ChannelRefused, ChannelUnavailable
from conche.notifier.conditions import Findings, Key, Standing
from conche.notifier.message import Message
from conche.notifier.outbox import RETRY_S, Outbox
from conche.notifier.raising import Ledger
from conche.notifier.times import Now

from .samples import AT, down, plan, rule

pytestmark = pytest.mark.looptime


def clock() -> Now:
    s = asyncio.get_running_loop().time()
    return Now(AT + timedelta(seconds=s), s)


class Wire:
    """A channel: it fails as often as it is told to, then takes everything."""

    def __init__(self, *failures: Exception | float) -> None:
        self.failures = list(failures)
        self.tried: list[float] = []
        self.taken: list[Message] = []

    async def send(self, message: Message) -> None:
        self.tried.append(clock().s)
        failure = self.failures.pop(0) if self.failures else None
        if isinstance(failure, Exception):
            raise failure
        if failure is not None:
            await asyncio.sleep(failure)
        self.taken.append(message)


class Room:
    """A ledger, what stands, and outboxes that are looked after every second."""

    def __init__(self, **wires: Wire) -> None:
        self.ledger = Ledger(
            plan(rule(*wires), gather_s=0.0, after_s={kind: 0.0 for kind in plan().after_s}, repeat_s=3600.0)
        )
        self.standing: dict[Key, Standing] = {}
        self.said: list[tuple[str, bool]] = []
        self.outboxes = [
            Outbox(name, wire, self.ledger, clock=clock, timeout_s=10.0, link=None)
            for name, wire in wires.items()
        ]
        for outbox in self.outboxes:
            outbox.on_trouble = self.take

    def take(self, words: str, *, ok: bool) -> None:
        self.said.append((words, ok))

    def set(self, *alerts: Standing) -> None:
        self.standing = {alert.key: alert for alert in alerts}

    async def look(self) -> None:
        while True:
            self.ledger.step(Findings(self.standing), clock())
            for outbox in self.outboxes:
                outbox.look()
            await asyncio.sleep(1)


@asynccontextmanager
async def room(**wires: Wire) -> AsyncIterator[Room]:
    one = Room(**wires)
    tasks = [asyncio.create_task(one.look()), *(asyncio.create_task(box.run()) for box in one.outboxes)]
    try:
        yield one
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_what_can_not_be_told_is_tried_again_less_and_less_often_and_said_once():
    wire = Wire(*[ChannelUnavailable("refused: nobody listens there")] * 12)
    async with room(ops=wire) as one:
        one.set(down())
        await asyncio.sleep(3600)
        waits = [b - a for a, b in zip(wire.tried, wire.tried[1:], strict=False)]
        assert len(wire.taken) == 1
        assert all(
            0.5 * min(2**i, RETRY_S[1]) <= wait <= min(2**i, RETRY_S[1]) for i, wait in enumerate(waits)
        )
        (first, ok), (again, well) = one.said
    assert (first, ok) == (
        "channel ops can't be reached: refused: nobody listens there; it is tried again", False
    )  # fmt: skip
    assert again.startswith("channel ops works again, after ")
    assert well


async def test_a_channel_that_does_not_answer_delays_no_other():
    hung, well = Wire(*[3600.0] * 10), Wire()
    async with room(ops=hung, night=well) as one:
        one.set(down())
        await asyncio.sleep(5)
        assert (len(hung.tried), len(hung.taken), len(well.taken)) == (1, 0, 1)
        await asyncio.sleep(10)
        assert one.said == [("channel ops can't be reached: no answer within 10 s; it is tried again", False)]


async def test_who_asks_to_be_left_alone_is_left_alone():
    wire = Wire(ChannelUnavailable("HTTP 429", retry_after_s=120.0))
    async with room(ops=wire) as one:
        one.set(down())
        await asyncio.sleep(200)
    first, second = wire.tried
    assert 120 <= second - first < 122


async def test_what_is_refused_is_given_up_counted_and_said_once():
    wire = Wire(*[ChannelRefused("HTTP 404: no_service")] * 3)
    async with room(ops=wire) as one:
        for i in range(3):
            one.set(*(down(f"cx/cx{k}") for k in range(i + 1)))
            await asyncio.sleep(400)
        assert len(wire.tried) == 3
        assert one.outboxes[0].given_up == 3
        assert one.said == [
            (
                "channel ops refuses what it is told: HTTP 404: no_service; given up: "
                "ERROR cx: node cx0 down (refused)",
                False,
            )
        ]
        await asyncio.sleep(3600)  # what lasts is told again
        assert [message.title for message in wire.taken] == ["STILL ERROR cx: 3 nodes down: cx0, cx1, cx2"]
        assert one.said[-1][1]
        assert "3 messages were given up so far" in one.said[-1][0]


async def test_what_waits_for_a_channel_is_one_message_of_what_stands_by_then():
    wire = Wire(*[ChannelUnavailable("HTTP 503")] * 6)
    async with room(ops=wire) as one:
        one.set(down("cx/cx1"))
        await asyncio.sleep(10)
        one.set(down("cx/cx2"), down("cx/cx3"))
        await asyncio.sleep(200)
    (message,) = wire.taken
    assert message.title == "ERROR cx: 2 nodes down: cx2, cx3"
    assert message.notification.missed == 1
