"""The notifier with a broker and a channel in memory, and its file on disk."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from conche.contract import (
    NODE_STATUS,
    REGISTRY,
    SERVICE,
    SERVICE_INSTANCE,
    SWEEP,
    Event,
    Message,
    NodeStatus,
    Payload,
    Registry,
    Service,
)
from conche.contract.alerts import AlertKind
from conche.notifier import service
from conche.notifier.memory import MemoryFile, drops_of, records_of
from conche.notifier.message import Message as Told
from conche.notifier.outbox import Outbox
from conche.notifier.picture import Picture
from conche.notifier.raising import Ledger
from conche.notifier.service import NotifierService
from conche.notifier.times import read_clocks

from .samples import birth, plan, registry, status, sweep


class Broker:
    """Hands over what a test says, and keeps what the notifier says."""

    def __init__(self) -> None:
        self.connected = False
        self.told: list[Event] = []
        self.filters: list[str] = []
        self._handlers: dict[str, Any] = {}
        self._on_connection: list[Callable[[], None]] = []
        self.dropped: Any = None

    async def run(self) -> None:
        await asyncio.Event().wait()

    def subscribe(self, message: Message[Any], handler: Any, **only: str) -> None:
        self.filters.append(message.filter(**only))
        self._handlers[message.name] = handler

    def listen(self, topic_filter: str, handler: Any) -> None:
        self.filters.append(topic_filter)
        self.dropped = handler

    def on_connection(self, handler: Callable[[], None]) -> None:
        self._on_connection.append(handler)

    def tell(self, message: Message[Any], payload: Payload, **params: str) -> bool:
        assert params["service"] == Service.NOTIFIER
        assert isinstance(payload, Event)
        if self.connected:
            self.told.append(payload)
        return self.connected

    def connect(self, *, there: bool = True) -> None:
        self.connected = there
        for handler in self._on_connection:
            handler()

    def say(self, message: Message[Any], payload: Payload | None, **params: str) -> None:
        self._handlers[message.name](params, payload)

    def say_node(self, name: str, one: NodeStatus | None) -> None:
        self.say(NODE_STATUS, one, group="cx", node=name)

    def say_cluster(self) -> None:
        """A cluster of two nodes that is well."""
        self.say(REGISTRY, registry({"cx": 2}))
        self.say(SERVICE_INSTANCE, birth(), service="sync", instance="cx")
        for name in ("cx1", "cx2"):
            self.say_node(name, status())


class Wire:
    """A channel that takes everything."""

    def __init__(self) -> None:
        self.taken: list[Told] = []

    async def send(self, message: Told) -> None:
        self.taken.append(message)

    @property
    def titles(self) -> list[str]:
        return [message.title for message in self.taken]


class House:
    """A notifier that runs."""

    def __init__(self, file: Path) -> None:
        self.broker, self.wire = Broker(), Wire()
        memory_file = MemoryFile(file)
        memory, self.problem = memory_file.read()
        now = read_clocks()
        rules = plan(gather_s=0.0, after_s={kind: 0.1 for kind in AlertKind})
        ledger = Ledger(rules, records_of(memory, rules.channels, now))
        self.service = NotifierService(
            self.broker,
            picture=Picture(60.0, drops=drops_of(memory, now)),
            ledger=ledger,
            outboxes=[Outbox("ops", self.wire, ledger, clock=read_clocks, timeout_s=1.0, link=None)],
            memory=memory_file,
        )
        self.service.subscribe()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.01)

    async def settle(self) -> None:
        """Wait until what is said now was judged a few times."""
        await asyncio.sleep(0.3)


@asynccontextmanager
async def running(file: Path) -> AsyncIterator[House]:
    house = House(file)
    task = asyncio.create_task(house.service.run())
    try:
        yield house
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(service, "OWNERS_S", 0.1)
    monkeypatch.setattr(service, "LOOK_S", 0.02)
    return tmp_path / "notifier.json"


def test_it_reads_states_births_sweeps_and_one_figure_of_the_broker(tmp_path: Path):
    assert House(tmp_path / "x").broker.filters == [
        "registry", "status/+/+", "sweep/+", "fpga", "eop", "service/+", "service/+/+",
        "$SYS/broker/publish/messages/dropped",
    ]  # fmt: skip


async def test_nothing_is_decided_before_owners_had_their_time(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service, "OWNERS_S", 0.5)
    async with running(file) as house:
        house.broker.connect()
        house.broker.say_cluster()
        house.broker.say_node("cx1", status("down"))
        await asyncio.sleep(0.35)
        assert house.wire.taken == []
        house.broker.say_node("cx1", status())
        await asyncio.sleep(0.6)
        assert house.wire.taken == []


async def test_a_broker_that_is_away_is_told_and_so_is_its_return(file: Path):
    async with running(file) as house:
        house.broker.say_cluster()
        house.broker.say_node("cx1", status("down"))
        await house.until(lambda: house.wire.taken)
        assert house.wire.titles == [
            "ERROR the broker can't be reached (this notifier has no connection to it)"
        ]
        house.broker.connect()
        await house.until(lambda: len(house.wire.taken) == 2)
        told = house.wire.taken[1].notification
        assert [one.subject for one in told.raised] == ["cx/cx1"]
        assert [one.subject for one in told.cleared] == ["broker"]


async def test_what_ends_while_the_broker_is_away_is_told_once_that_is_known(file: Path):
    async with running(file) as house:
        house.broker.connect()
        house.broker.say_cluster()
        house.broker.say_node("cx1", status("down"))
        await house.until(lambda: house.wire.taken)
        house.broker.connect(there=False)
        house.broker.say_node("cx1", None)
        await house.settle()
        assert not any(message.notification.cleared for message in house.wire.taken)


async def test_a_restart_tells_nothing_twice_and_forgets_no_end(file: Path):
    async with running(file) as house:
        house.broker.connect()
        house.broker.say_cluster()
        house.broker.say_node("cx1", status("down"))
        await house.until(lambda: house.wire.taken)
        await house.until(lambda: b'"ops"' in file.read_bytes())
    async with running(file) as house:
        house.broker.connect()
        house.broker.say_cluster()
        house.broker.say_node("cx1", status("down"))
        await house.settle()
        assert house.wire.taken == []
        house.broker.say_node("cx1", status())
        await house.until(lambda: house.wire.taken)
        assert house.wire.titles == ["CLEARED cx: node cx1 down (it is started)"]


async def test_what_can_not_be_remembered_is_told_all_the_same_and_said_once(tmp_path: Path, file: Path):
    folder = tmp_path / "state"
    folder.write_text("in the way")
    async with running(folder / "notifier.json") as house:
        house.broker.connect()
        house.broker.say_cluster()
        house.broker.say_node("cx1", status("down"))
        await house.until(lambda: house.wire.taken and house.broker.told)
        assert "can't be written" in house.broker.told[0].text
        folder.unlink()
        await house.until(lambda: len(house.broker.told) == 2)
        assert house.broker.told[1].text.endswith("can be written again")
    assert [event.ok for event in house.broker.told] == [False, True]


async def test_what_it_has_to_say_of_itself_waits_for_the_broker_bounded(file: Path):
    async with running(file) as house:
        for i in range(150):
            house.service.tell(f"word {i}", ok=False)
        house.broker.connect()
        await house.until(lambda: house.broker.told)
        assert [event.text for event in house.broker.told] == [f"word {i}" for i in range(50, 150)]


async def test_the_brokers_drops_are_told_and_what_is_no_number_is_nothing(file: Path):
    async with running(file) as house:
        house.broker.connect()
        house.broker.say_cluster()
        for text in ("7", "seven", "", "7"):
            house.broker.dropped("$SYS/x", text)
        await house.settle()
        assert house.wire.taken == []
        house.broker.dropped("$SYS/x", "12")
        await house.until(lambda: house.wire.taken)
        assert house.wire.titles == ["WARNING the broker drops messages (5 messages so far)"]


async def test_a_service_that_is_cleared_is_not_missed(file: Path):
    async with running(file) as house:
        house.broker.connect()
        house.broker.say_cluster()
        house.broker.say(SERVICE, birth("lost"), service="eop")
        house.broker.say(SERVICE, None, service="eop")
        house.broker.say(SWEEP, sweep(overrun=True), instance="main")
        house.broker.say(SERVICE_INSTANCE, birth(), service="poller", instance="main")
        await house.until(lambda: house.wire.taken)
        assert [title.partition(" (")[0] for title in house.wire.titles] == ["WARNING poller main overrun"]


def test_a_registry_that_is_broken_takes_no_node_away(tmp_path: Path):
    house = House(tmp_path / "x")
    house.broker.say_cluster()
    house.broker.say(REGISTRY, Registry(boot="b", groups={}, error="conche.yaml can't be read"))
    assert house.service._picture.is_registered("cx", "cx1")
