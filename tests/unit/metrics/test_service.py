"""The service's handlers and loops in virtual time, with a broker and a database in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import generate_latest

from conche.contract import (
    BROKER_FIGURES,
    EVENT,
    NODE_STATUS,
    REGISTRY,
    SERVICE_INSTANCE,
    SWEEP,
    Event,
    EventKind,
    Message,
    NodeState,
    Payload,
    ServiceBirth,
)
from conche.metrics.service import FIGURES_S, MetricsService
from conche.settings import Kotekan, Metrics

from .samples import birth, registry, status, sweep

pytestmark = pytest.mark.looptime


class Broker:
    """Hands out what it is told to."""

    def __init__(self) -> None:
        self.connected = False
        self.losses = 0
        self.runs = False
        self._handlers: dict[str, Callable[[Any, Any], None]] = {}
        self._texts: dict[str, Callable[[str, str], None]] = {}
        self._on_connection: list[Callable[[], None]] = []

    @property
    def birth(self) -> ServiceBirth:
        return birth(boot="own", dropped=self.losses)

    async def run(self) -> None:
        self.runs = True
        try:
            await asyncio.Event().wait()
        finally:
            self.runs = False

    def subscribe(self, message: Message[Any], handler: Any, **_only: str) -> None:
        self._handlers[message.name] = handler

    def listen(self, topic_filter: str, handler: Any) -> None:
        self._texts[topic_filter] = handler

    def on_connection(self, handler: Callable[[], None]) -> None:
        self._on_connection.append(handler)

    def say(self, message: Message[Any], payload: Payload | None, **params: str) -> None:
        self._handlers[message.name](params, payload)

    def say_text(self, topic: str, text: str) -> None:
        self._texts[BROKER_FIGURES](topic, text)

    def connect(self, *, there: bool = True) -> None:
        self.connected = there
        for handler in self._on_connection:
            handler()


class Database:
    """Takes lines; there is nothing that it does not take."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.dropped = self.rejected = self.buffered = 0
        self.write_s: float | None = None
        self.away_s = 0.0

    @property
    def written(self) -> int:
        return len(self.lines)

    async def run(self) -> None:
        await asyncio.Event().wait()

    def put(self, lines: Iterable[str]) -> None:
        self.lines += lines

    def take(self, measurement: str) -> list[str]:
        """Lines of a measurement, without their times; the others are forgotten."""
        lines, self.lines = self.lines, []
        return [line.rpartition(" ")[0] for line in lines if line.startswith(measurement)]


@asynccontextmanager
async def running(database: Database | None, **settings: Any) -> AsyncIterator[tuple[Broker, MetricsService]]:
    broker = Broker()
    metrics = Metrics(scrape_s=None, **settings)
    service = MetricsService(broker, database, settings=metrics, kotekan=Kotekan(), poll_s=2.0)
    service.subscribe()
    task = asyncio.create_task(service.run())
    try:
        yield broker, service
    finally:
        task.cancel()
        await asyncio.wait([task])


def known(broker: Broker, state: NodeState = NodeState.STARTED) -> None:
    """Have one node known."""
    broker.say(REGISTRY, registry("cx/cx1"))
    broker.say(NODE_STATUS, status(state), group="cx", node="cx1")


async def test_a_state_is_written_when_it_is_said_and_again_once_a_refresh_period():
    database = Database()
    async with running(database, refresh_s=30) as (broker, _):
        known(broker)
        broker.say(SERVICE_INSTANCE, birth(), service="sync", instance="cx")
        assert database.lines == []
        broker.connect()
        assert len(database.take("node,")) == 1
        broker.say(NODE_STATUS, status(NodeState.DOWN), group="cx", node="cx1")
        (line,) = database.take("node,")
        assert 'state="down"' in line
        await asyncio.sleep(91)
        assert len(database.take("node,")) in (3, 4)  # with that of the poller that is never heard


async def test_while_the_broker_is_away_nothing_is_written_of_states():
    database = Database()
    async with running(database, refresh_s=5) as (broker, _):
        known(broker)
        broker.connect()
        broker.connect(there=False)
        database.lines.clear()
        await asyncio.sleep(100)
        assert database.take("node,") == []
        broker.connect()
        await asyncio.sleep(6)
        assert database.take("node,")


async def test_an_event_is_written_and_counted():
    database = Database()
    async with running(database) as (broker, service):
        event = Event(at=datetime.now(UTC), kind=EventKind.PUSH, action="start", text="x", ok=True, took_s=2)
        broker.say(EVENT, event, service="sync", group="cx", node="cx1")
        assert [line.partition(",")[0] for line in database.lines] == ["event", "push"]
        shown = generate_latest(service.registry).decode()
        assert 'conche_push_total{group="cx",kind="start",ok="1"} 1.0' in shown


async def test_the_service_tells_of_itself_what_it_lost():
    database = Database()
    async with running(database) as (broker, _):
        broker.connect()
        await asyncio.sleep(1.5)
        (line,) = database.take("service,")
        assert "instance=-,service=metrics dropped=0i" in line
        broker.losses = 7
        await asyncio.sleep(1)
        (line,) = database.take("service,")
        assert "dropped=7i" in line


async def test_figures_of_the_broker_and_of_the_service_are_told_once_a_period():
    database = Database()
    async with running(database) as (broker, _):
        database.write_s, database.away_s = 0.5, 3
        broker.say_text("$SYS/broker/clients/connected", "7")
        await asyncio.sleep(FIGURES_S + 0.5)
        assert database.lines[0].startswith("broker clients=7i ")
        (line,) = database.take("metrics")
        assert line == "metrics away_s=3,buffered=0i,dropped=0i,rejected=0i,write_s=0.5,written=0i"
        await asyncio.sleep(FIGURES_S)
        assert database.take("broker") == []


async def test_a_broker_that_comes_back_tells_its_figures_anew():
    database = Database()
    async with running(database) as (broker, _):
        broker.say_text("$SYS/broker/clients/connected", "7")
        broker.connect(there=False)
        await asyncio.sleep(FIGURES_S + 0.5)
        assert database.take("broker") == []


async def test_without_a_database_everything_is_shown_all_the_same():
    async with running(None) as (broker, service):
        known(broker)
        broker.connect()
        await asyncio.sleep(FIGURES_S + 1)
        broker.say(SWEEP, sweep("cx"), instance="main")
        service.prepare()
        shown = generate_latest(service.registry).decode()
        assert 'conche_node_state{group="cx",node="cx1",state="unknown"} 1.0' in shown
        assert 'conche_sweep_took_seconds{instance="main"} 1.0' in shown
        assert "conche_metrics_written" not in shown


async def test_samples_of_a_long_period_are_shown_until_the_next_one():
    async with running(None) as (broker, service):
        broker.say(SWEEP, sweep("cx", period_s=600), instance="slow")
        broker.say(SWEEP, sweep("cx", period_s=2), instance="quick")
        await asyncio.sleep(60)
        service.prepare()
        shown = generate_latest(service.registry).decode()
        assert 'conche_sweep_took_seconds{instance="slow"}' in shown
        assert 'instance="quick"' not in shown


async def test_the_bus_is_there_until_what_waits_for_the_database_is_written():
    broker = Broker()

    class Slow(Database):
        """Takes its time to write the last of what it has."""

        ended = False

        async def run(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(5)
                assert broker.runs
                self.ended = True

    database = Slow()
    service = MetricsService(broker, database, settings=Metrics(scrape_s=None), kotekan=Kotekan(), poll_s=2.0)
    task = asyncio.create_task(service.run())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert database.ended
    assert not broker.runs
