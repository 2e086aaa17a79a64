"""Messages that no broker would take: an event is dropped and counted, and nobody ends for it."""

import asyncio
from datetime import UTC, datetime

import pytest

from conche.bus import Bus, PayloadTooLarge, encoding
from conche.contract import EVENT, NODE_STATUS, Event, EventKind, Maintenance, NodeState, NodeStatus, Service
from conche.settings import Broker
from tests.unit.sync.world.broker import Broker as MemoryBroker
from tests.unit.sync.world.broker import MemoryLink

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
NODE = {"group": "cx", "node": "cx1"}


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> MemoryBroker:
    made = MemoryBroker()
    monkeypatch.setattr("conche.bus.bus.Link", lambda *a, **more: MemoryLink(*a, **more, broker=made))
    monkeypatch.setattr("conche.bus.bus.BEAT_S", 0.02)
    monkeypatch.setattr(encoding, "MAX_PAYLOAD", 1000)
    return made


async def test_an_event_that_is_too_large_is_dropped_and_shown_as_dropped(broker: MemoryBroker):
    bus = Bus(Broker(), service=Service.SYNC, instance="cx", scope={"group": "cx"})
    heard: list[str] = []
    broker.listeners.append(lambda topic, _: heard.append(topic))
    running = asyncio.create_task(bus.run())
    await bus.picture_complete()
    large = Event(at=AT, kind=EventKind.STATE, text="x" * 2000)
    assert bus.tell(EVENT, large, service=Service.SYNC, **NODE)
    assert bus.tell(EVENT, Event(at=AT, kind=EventKind.STATE, text="x"), service=Service.SYNC, **NODE)
    async with asyncio.timeout(5):
        while b'"dropped":1' not in broker.retained["conche/service/sync/cx"]:
            await asyncio.sleep(0.01)
    assert heard.count("conche/event/sync/cx/cx1") == 1
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])


async def test_who_owns_a_state_is_told_that_it_is_too_large(broker: MemoryBroker):
    bus = Bus(Broker(), service=Service.SYNC, instance="cx", scope={"group": "cx"})
    status = NodeStatus(
        state=NodeState.DOWN, started=True, maintenance=Maintenance(on=False), epoch="e", error="x" * 2000
    )
    with pytest.raises(PayloadTooLarge, match="conche/status/cx/cx1: "):
        bus.own(NODE_STATUS, status, **NODE)
