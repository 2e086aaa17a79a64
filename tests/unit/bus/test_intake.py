"""What comes in: noted, validated, handed out, bounded."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.json import encode

from conche import contract
from conche.bus.inbox import Inbox
from conche.bus.intake import COMPLAINTS, Intake, Listening, Reading
from conche.bus.link import Incoming
from conche.bus.topics import Topics

pytestmark = pytest.mark.looptime

OBSERVED = encode(contract.Observed(boot="b", sweep=1, reach=contract.Reach.OK))
SWEPT = (
    b'{"boot":"b","number":1,"groups":[],"at":"2026-01-01T00:00:00Z","took_s":0,"polled":0,"unreachable":0,'
    b'"overrun":false,"period_s":2}'
)


class Desk:
    """An intake with two readers, and what they were told."""

    def __init__(self) -> None:
        self.births: list[bytes] = []
        self.told: list[tuple[str, Any]] = []
        self.commands: list[Incoming] = []
        self.busy: list[Incoming] = []
        self.intake = Intake(
            Topics("c"),
            own_filters=["c/status/cx/+"],
            birth_topic="c/service/sync/cx",
            on_own_birth=self.births.append,
        )
        for message in (contract.NODE_OBSERVED, contract.SWEEP):
            self.intake.readings.append(Reading(message, f"c/{message.filter()}", self.on_any))
        self.intake.take_commands(["c/command/+/cx/+/+"], self.commands.append, on_busy=self.busy.append)

    def on_any(self, params: Any, payload: Any) -> None:
        self.told.append((params.get("node", "sweep"), payload))

    def put(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        self.intake.put(Incoming(topic=f"c/{topic}", payload=payload, retained=retained))

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.intake.deliver())
        try:
            yield
            await asyncio.sleep(1)
        finally:
            task.cancel()

    async def connect(self, **retained: bytes) -> None:
        """One connection, with what is retained on observed topics."""
        self.intake.look_around("n")
        async with self.delivering():
            for node, payload in retained.items():
                self.put(f"observed/cx/{node}", payload, retained=True)
        self.intake.looked_around()


async def test_sentinel_is_the_mark_with_the_right_nonce() -> None:
    desk = Desk()
    desk.intake.look_around("n2")
    async with desk.delivering():
        for nonce in ("n1", "n2"):
            desk.put("service/sync/cx/mark", encode(contract.Mark(nonce=nonce)))
            await asyncio.sleep(1)
            assert desk.intake.sentinel_back.is_set() is (nonce == "n2")


async def test_what_stands_on_own_topics_is_noted_while_looking_around_only() -> None:
    desk = Desk()
    desk.intake.look_around("n")
    async with desk.delivering():
        desk.put("status/cx/a", b"1", retained=True)
        desk.put("status/cx/b", b"2", retained=True)
        desk.put("status/cy/c", b"3", retained=True)
        await asyncio.sleep(1)
        desk.put("status/cx/b", b"")  # cleared meanwhile
        await asyncio.sleep(1)
        desk.intake.looked_around()
        desk.put("status/cx/d", b"4")
    assert desk.intake.own_found == {"c/status/cx/a": b"1"}


async def test_own_birth_is_found_at_the_connection_and_told_of_later() -> None:
    birth = contract.ServiceBirth(state=contract.ServiceState.ONLINE, boot="old", since=datetime.now(UTC))
    desk = Desk()
    desk.intake.look_around("n")
    async with desk.delivering():
        desk.put("service/sync/cx", encode(birth), retained=True)
        await asyncio.sleep(1)
        desk.intake.looked_around()
        desk.put("service/sync/cx", b"another")
    assert desk.intake.birth_found == birth
    assert desk.births == [b"another"]


async def test_state_that_is_gone_after_a_break_is_told() -> None:
    desk = Desk()
    await desk.connect(a=OBSERVED, b=OBSERVED)
    desk.told.clear()
    await desk.connect(b=OBSERVED)
    assert [(node, payload is None) for node, payload in desk.told] == [("b", False), ("a", True)]
    desk.told.clear()
    await desk.connect(b=OBSERVED)
    assert [node for node, _ in desk.told] == ["b"]


async def test_heartbeat_is_never_told_to_be_gone() -> None:
    desk = Desk()
    desk.intake.look_around("n")
    async with desk.delivering():
        desk.put("sweep/main", SWEPT)
    desk.intake.looked_around()
    await desk.connect()
    async with desk.delivering():
        desk.put("sweep/main", b"")
    assert [(node, payload is None) for node, payload in desk.told] == [("sweep", False)]


async def test_payload_that_breaks_the_contract_is_dropped_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    async with desk.delivering():
        for payload in (b"{", b"\xff", b"[]", b"{}", b'{"boot": 5}', b"[" * 10_000, OBSERVED):
            desk.put("observed/cx/a", payload)
            await asyncio.sleep(1)
    assert desk.intake.counters.invalid == 6
    assert [node for node, _ in desk.told] == ["a"]
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert record.getMessage().startswith("c/observed/cx/a: dropped what is not a Observed: ")


async def test_complaints_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    async with desk.delivering():
        for i in range(COMPLAINTS + 5):
            desk.put(f"observed/cx/n{i}", b"{")
    assert len(caplog.records) == COMPLAINTS
    assert desk.intake.counters.invalid == COMPLAINTS + 5


async def test_storm_of_states_leaves_the_newest_of_each_topic_and_its_size_is_known() -> None:
    desk = Desk()
    for i in range(1000):
        for node in "ab":
            observed = contract.Observed(boot="b", sweep=i, reach=contract.Reach.OK)
            desk.put(f"observed/cx/{node}", encode(observed))
    async with desk.delivering():
        pass
    assert [(node, payload.sweep) for node, payload in desk.told] == [("a", 999), ("b", 999)]
    assert desk.intake.counters.received == 2000
    assert desk.intake.inbox.replaced == 1998


async def test_command_that_finds_the_inbox_full_is_told_to_be_so() -> None:
    desk = Desk()
    desk.intake.inbox = Inbox(max_commands=2)
    for i in range(5):
        desk.put("command/alice/cx/a/resync", b"%d" % i)
    async with desk.delivering():
        pass
    assert [m.payload for m in desk.commands] == [b"0", b"1"]
    assert [m.payload for m in desk.busy] == [b"2", b"3", b"4"]


async def test_commands_of_before_a_break_are_still_handed_out() -> None:
    desk = Desk()
    desk.put("command/alice/cx/a/resync", b"1")
    desk.put("observed/cx/old", OBSERVED)
    await desk.connect(new=OBSERVED)
    assert len(desk.commands) == 1
    assert [node for node, _ in desk.told] == ["new"]


async def test_others_get_their_turn_in_a_storm() -> None:
    desk = Desk()
    for i in range(1000):
        desk.put(f"observed/cx/n{i}", OBSERVED)
    turns = 0
    async with desk.delivering():
        while len(desk.told) < 1000:
            await asyncio.sleep(0)
            turns += 1
    assert turns >= 9


async def test_every_event_of_a_topic_is_told_and_none_is_told_to_be_gone() -> None:
    desk = Desk()
    desk.intake.readings.append(Reading(contract.EVENT, f"c/{contract.EVENT.filter()}", desk.on_any))
    told = [b'{"at":"2026-01-01T00:00:00Z","kind":"state","text":"%d"}' % i for i in range(3)]
    await desk.connect()
    async with desk.delivering():
        for payload in told:
            desk.put("event/sync/cx/cx1", payload)
        desk.put("event/sync/cx/cx1", b"")
    assert [event.text for _, event in desk.told] == ["0", "1", "2"]
    desk.told.clear()
    await desk.connect()
    assert desk.told == []


async def test_text_outside_the_root_is_handed_to_whoever_listens_and_is_nothing_that_was_found() -> None:
    desk = Desk()
    texts: list[tuple[str, str]] = []
    desk.intake.listenings.append(Listening("$SYS/broker/#", lambda topic, text: texts.append((topic, text))))
    desk.intake.look_around("n")
    async with desk.delivering():
        for topic, payload in (
            ("$SYS/broker/uptime", b"12 seconds"),
            ("$SYS/broker/odd", b"\xff"),
            ("other/status/cx/cx1", b"{}"),
        ):
            desk.intake.put(Incoming(topic=topic, payload=payload, retained=True))
        await asyncio.sleep(1)
    assert texts == [("$SYS/broker/uptime", "12 seconds"), ("$SYS/broker/odd", "\ufffd")]
    desk.intake.looked_around()
    assert (desk.told, desk.intake.own_found, desk.intake.counters.invalid) == ([], {}, 0)


async def test_what_was_lost_is_told_in_two_figures() -> None:
    desk = Desk()
    desk.intake.inbox = Inbox(max_events=1)
    desk.put("event/sync/cx/cx1", b"{}")
    desk.put("event/sync/cx/cx1", b"{}")
    desk.put("observed/cx/cx1", b"no")
    desk.intake.counters.too_large = 3
    async with desk.delivering():
        await asyncio.sleep(1)
    assert desk.intake.losses() == {"dropped": 4, "invalid": 1}
