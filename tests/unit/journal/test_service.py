"""The journal with a broker in memory and a database on disk."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.json import encode

from conche.bus import Incoming
from conche.commands import CLOCK_TOLERANCE
from conche.contract import (
    Event,
    EventKind,
    Events,
    Maintenance,
    Message,
    NodeState,
    NodeStatus,
    Payload,
    Reply,
    ServiceBirth,
    ServiceState,
)
from conche.journal import service
from conche.journal.keeping import Keeper
from conche.journal.queries import Query
from conche.journal.reading import Page
from conche.journal.service import JournalService
from conche.journal.store import Store

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
CX1 = {"group": "cx", "node": "cx1"}


class Broker:
    """Hands over what a test says, and keeps what the journal says."""

    def __init__(self) -> None:
        self.connected = False
        self.replies: list[Reply] = []
        self.told: list[Event] = []
        self.subscribed: list[str] = []
        self.command_filters: list[str] = []
        self._complete = asyncio.Event()
        self._on_connection: list[Callable[[], None]] = []

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def picture_complete(self) -> None:
        await self._complete.wait()

    def subscribe(self, message: Message[Any], handler: Any, **only: str) -> None:
        self.subscribed.append(message.filter(**only))

    def on_connection(self, handler: Callable[[], None]) -> None:
        self._on_connection.append(handler)

    def take_commands(self, filters: list[str], on_command: Any, *, on_busy: Any) -> None:
        self.command_filters = filters

    def tell(self, message: Message[Any], payload: Payload, **params: str) -> bool:
        assert params["service"] == "journal"
        assert isinstance(payload, Event)
        self.told.append(payload)
        return self.connected

    def send(self, topic: str, payload: Payload, *, correlation: bytes | None = None) -> None:
        assert isinstance(payload, Reply)
        self.replies.append(payload)

    def connect(self, *, there: bool = True) -> None:
        self.connected = there
        self._complete.set() if there else self._complete.clear()
        for told in self._on_connection:
            told()


class Desk:
    """A journal that runs."""

    def __init__(self, folder: Path) -> None:
        self.broker = Broker()
        self.keeper = Keeper(Store(folder / "journal.db", max_entries=1000))
        self.journal = JournalService(self.broker, self.keeper, root="conche")
        self.journal.subscribe()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.01)

    async def ask(self, **wish: Any) -> Reply:
        """Ask, and return the answer."""
        number = len(self.broker.replies)
        self.journal.on_command(question(Events(id=f"q{number}", **wish)))
        await self.until(lambda: len(self.broker.replies) > number)
        return self.broker.replies[-1]

    async def texts(self, **wish: Any) -> list[str]:
        """What is known, the oldest first, but for the journal's own beginning."""
        found = [entry.event.text for entry in (await self.ask(**wish)).events]
        return [text for text in reversed(found) if not text.startswith("journal came online")]

    async def settle(self) -> None:
        """Connect, and wait until what was found is believed."""
        self.broker.connect()
        await asyncio.sleep(0.1)


def question(wish: Events, *, action: str = "events") -> Incoming:
    return Incoming(topic=f"conche/command/alice/-/journal/{action}", payload=encode(wish), retained=False)


def event(text: str = "x", **fields: Any) -> Event:
    return Event(**{"at": AT, "kind": EventKind.STATE, "text": text, **fields})


def status(state: str = "started", **fields: Any) -> NodeStatus:
    defaults: dict[str, Any] = {"started": True, "maintenance": Maintenance(on=False), "epoch": "e1"}
    return NodeStatus(state=NodeState(state), **defaults | fields)


def birth(state: str, boot: str = "one") -> ServiceBirth:
    return ServiceBirth(state=ServiceState(state), boot=boot, since=AT, host="vm")


async def running(folder: Path) -> AsyncIterator[Desk]:
    desk = Desk(folder)
    task = asyncio.create_task(desk.journal.run())
    await asyncio.sleep(0.05)
    yield desk
    task.cancel()
    await asyncio.wait([task])
    await desk.keeper.close()


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(service, "OWNERS_S", 0.03)
    async for one in running(tmp_path):
        yield one


def test_it_reads_what_happens_how_nodes_and_services_are_and_what_it_is_asked() -> None:
    broker = Broker()
    JournalService(broker, Keeper(Store(Path("/nowhere"), max_entries=1)), root="conche").subscribe()
    assert broker.subscribed == ["event/+/+/+", "status/+/+", "service/+", "service/+/+"]
    assert broker.command_filters == ["command/+/-/journal/+"]


async def test_what_it_hears_it_tells_and_its_own_words_are_stored_once(desk: Desk) -> None:
    await desk.settle()
    desk.journal.on_event({"service": "sync", **CX1}, event("heard"))
    desk.journal.on_event({"service": "journal", "group": "-", "node": "-"}, event("my own, come back"))
    desk.journal.on_event({"service": "sync", **CX1}, None)
    assert await desk.texts() == ["heard"]


async def test_its_own_beginning_is_told(desk: Desk) -> None:
    desk.broker.connect()
    (begun,) = (await desk.ask()).events
    assert (begun.event.text, begun.event.kind, begun.service) == (
        "journal came online",
        EventKind.SERVICE,
        "journal",
    )


async def test_a_status_that_is_said_while_it_listens_is_its_workers_to_tell(desk: Desk) -> None:
    await desk.settle()
    desk.journal.on_status(CX1, status())
    desk.journal.on_status(CX1, status("down"))
    desk.journal.on_status(CX1, None)
    assert await desk.texts() == []


async def test_what_changed_while_the_broker_was_away_is_worked_out_and_told(desk: Desk) -> None:
    await desk.settle()
    desk.journal.on_status(CX1, status())
    desk.broker.connect(there=False)
    desk.journal.on_status(CX1, status("down"))
    await desk.settle()
    expected = "started -> down (found so: the journal was away)"
    assert await desk.texts() == [expected]
    assert desk.broker.told[-1].text == expected


async def test_what_owners_say_anew_right_after_a_connection_is_what_counts(desk: Desk) -> None:
    await desk.settle()
    desk.journal.on_status(CX1, status())
    desk.broker.connect(there=False)
    desk.journal.on_status(CX1, status("down"))  # old: the broker came back with what it saved
    desk.broker.connect()
    desk.journal.on_status(CX1, status())
    await asyncio.sleep(0.1)
    assert await desk.texts() == []


async def test_services_that_come_and_go_are_told_and_a_beginning_process_is_not_taken_for_stopped(
    desk: Desk,
) -> None:
    sync = {"service": "sync", "instance": "cx"}
    desk.journal.on_birth(sync, birth("online"))
    await desk.settle()
    for said in (birth("lost"), birth("offline", "two"), birth("online", "two"), None):
        desk.journal.on_birth(sync, said)
    assert await desk.texts(kinds=["service"]) == [
        "sync/cx came online on vm",
        "sync/cx is lost, it ran on vm",
        "sync/cx came online on vm",
    ]


async def test_births_are_known_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "OWNERS_S", 0.03)
    renderer = {"service": "renderer"}
    for told, expected in ((birth("online"), 1), (birth("online"), 1), (birth("lost"), 2)):
        async for desk in running(tmp_path):
            desk.journal.on_birth(renderer, told)
            await desk.settle()
            assert len(await desk.texts()) == expected


# --- questions


async def test_a_question_that_is_repeated_is_answered_with_what_is_so_by_then(desk: Desk) -> None:
    await desk.settle()
    asked = question(Events(id="same", kinds=["state"]))
    for number in range(2):
        desk.journal.on_event({"service": "sync", **CX1}, event(str(number)))
        desk.journal.on_command(asked)
        await desk.until(lambda number=number: len(desk.broker.replies) > number)
    assert [len(reply.events) for reply in desk.broker.replies] == [1, 2]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (question(Events(kinds=["pish"])), "there is no kind 'pish'"),
        (question(Events(limit=5000)), "<= 1000"),
        (question(Events(targets=["x"] * 101)), "<= 100"),
        (question(Events(targets=["*" + "x" * 60_000])), "of length <= 512 - at `$.targets[0]`"),
        (question(Events(before=10**20)), "<= 9223372036854775807 - at `$.before`"),
        (question(Events(after=-1)), ">= 0 - at `$.after`"),
        (question(Events(group="x" * 513)), "of length <= 512 - at `$.group`"),
        (question(Events(kinds=["state"] * 101)), "of length <= 100 - at `$.kinds`"),
        (question(Events(kinds=["x" * 65])), "of length <= 64 - at `$.kinds[0]`"),
        (question(Events(), action="evnets"), "there is no action 'evnets'; there are events"),
        (question(Events(expires_at=datetime.now(UTC) - timedelta(hours=1))), "expired"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_words(desk: Desk, message: Incoming, words: str) -> None:
    await desk.settle()
    desk.journal.on_command(message)
    (reply,) = desk.broker.replies
    assert not reply.ok
    assert words in str(reply.error)


@pytest.mark.parametrize(
    "query",
    [
        Query("node GLOB ?", ("*" + "x" * 60_000,), ascending=False, limit=1),
        Query("number < ?", (10**20,), ascending=False, limit=1),
        Query("nothing = 1", (), ascending=False, limit=1),
    ],
)
async def test_what_the_database_can_t_answer_is_refused_in_words_and_the_next_question_is_answered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    await desk.settle()
    desk.journal.on_event({"service": "sync", **CX1}, event("first"))
    with monkeypatch.context() as patch:
        patch.setattr(service, "query_of", lambda _: query)
        reply = await desk.ask()
    assert not reply.ok
    assert str(reply.error).startswith("the journal can't answer that: ")
    assert await desk.texts() == ["first"]


async def test_a_question_that_expired_while_it_waited_is_told_so_and_not_looked_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Query] = []
    real = Keeper.read

    async def slow(keeper: Keeper, query: Query) -> Page:
        read.append(query)
        await asyncio.sleep(0.05)
        return await real(keeper, query)

    monkeypatch.setattr(Keeper, "read", slow)
    await desk.settle()
    soon = datetime.now(UTC) - CLOCK_TOLERANCE + timedelta(seconds=0.02)
    desk.journal.on_command(question(Events(id="first")))
    desk.journal.on_command(question(Events(id="late", expires_at=soon)))
    await desk.until(lambda: len(desk.broker.replies) == 2)
    late = next(reply for reply in desk.broker.replies if reply.id == "late")
    assert str(late.error).startswith("expired")
    assert len(read) == 1


async def test_entries_that_can_t_be_read_are_left_out_and_said(desk: Desk) -> None:
    await desk.settle()
    desk.journal.on_event({"service": "sync", **CX1}, event("known"))
    await desk.texts()

    def spoil(store: Store) -> None:
        store.open().execute("UPDATE entries SET event = '{}' WHERE kind = 'service'")

    await desk.keeper.call(spoil)
    reply = await desk.ask()
    assert [entry.event.text for entry in reply.events] == ["known"]
    assert reply.warnings == ["entries of a later conche, which can't be read, are left out: 1"]


async def test_one_question_too_many_is_told_to_try_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_ASKED", 1)
    await desk.settle()
    for number in range(2):
        desk.journal.on_command(question(Events(id=str(number))))
    await desk.until(lambda: len(desk.broker.replies) == 2)
    assert {reply.id: reply.ok for reply in desk.broker.replies} == {"0": True, "1": False}


async def test_with_a_full_disk_it_answers_and_says_that_nothing_can_be_stored(desk: Desk) -> None:
    await desk.settle()
    await desk.texts()

    def fill(store: Store) -> None:
        (pages,) = store.open().execute("PRAGMA page_count").fetchone()
        store.open().execute(f"PRAGMA max_page_count = {pages}")

    await desk.keeper.call(fill)
    for _ in range(10):
        desk.journal.on_event({"service": "sync", **CX1}, event("x" * 900))
    reply = await desk.ask()
    assert reply.ok
    assert "nothing can be stored now" in reply.warnings[0]
    assert "full" in reply.warnings[0]
    assert desk.broker.told[-1].text.startswith("journal: nothing can be stored: ")
    assert desk.broker.told[-1].ok is False
