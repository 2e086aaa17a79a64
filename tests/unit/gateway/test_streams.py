"""Events for everybody who listens: each once, numbered, and nobody is waited for. In virtual time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from conche.contract import Event, EventKind, Events, JournalEntry
from conche.gateway import streams
from conche.gateway.problems import Away
from conche.gateway.streams import Hub, Stream, Told, Wanted, frame_of, key_of

from .picture_samples import NOW

pytestmark = pytest.mark.looptime
WHERE = {"service": "sync", "group": "cx", "node": "cx1"}


def event(text: str) -> Event:
    return Event(at=NOW, kind=EventKind.STATE, text=text)


def entry(number: int, text: str) -> JournalEntry:
    return JournalEntry(number=number, **WHERE, event=event(text))


@dataclass
class Journal:
    """What it has stored."""

    entries: list[JournalEntry] = field(default_factory=list)
    away: bool = False
    asked: int = 0

    async def ask(self, wish: Events) -> Sequence[JournalEntry]:
        self.asked += 1
        if self.away:
            raise Away("the journal is away")
        if wish.after is None:
            return self.entries[::-1][: wish.limit]
        return [one for one in self.entries if one.number > wish.after][: wish.limit]


@asynccontextmanager
async def running(journal: Journal) -> AsyncIterator[Hub]:
    hub = Hub(journal.ask)
    task = asyncio.create_task(hub.run())
    try:
        yield hub
    finally:
        task.cancel()
        await asyncio.wait([task])


async def lines(stream: Stream) -> list[str]:
    return (await stream.next(within_s=1.0)).decode().split("\n\n")[:-1]


async def test_an_event_is_told_at_once_and_its_number_later():
    journal = Journal([entry(7, "before")])
    async with running(journal) as hub:
        with hub.open(Wanted()) as stream:
            assert await lines(stream) == ["id: 7"]
            hub.on_event(WHERE, event("now"))
            (told,) = await lines(stream)
            assert '"text":"now"' in told
            assert not told.startswith("id")
            journal.entries.append(entry(8, "now"))
            assert await lines(stream) == ["id: 8"]


async def test_what_was_not_heard_is_told_from_the_journal():
    journal = Journal([entry(1, "before")])
    async with running(journal) as hub:
        with hub.open(Wanted()) as stream:
            await lines(stream)
            hub.on_event(WHERE, event("heard"))
            await lines(stream)
            journal.entries += [entry(2, "missed"), entry(3, "heard")]
            missed, checkpoint = await lines(stream)
            assert missed.startswith("id: 2\n")
            assert checkpoint == "id: 3"


async def test_what_the_journal_had_first_is_not_told_again():
    journal = Journal([entry(1, "before")])
    async with running(journal) as hub:
        with hub.open(Wanted()) as stream:
            await lines(stream)
            journal.entries.append(entry(2, "early"))
            await asyncio.sleep(streams.LOOK_S + 1)
            assert len(await lines(stream)) == 2
            hub.on_event(WHERE, event("early"))
            hub.on_event(WHERE, event("early"))  # it happened twice
            (told,) = await lines(stream)
            assert "early" in told


async def test_events_go_on_while_the_journal_is_away():
    journal = Journal(away=True)
    async with running(journal) as hub:
        with hub.open(Wanted()) as stream:
            hub.on_event(WHERE, event("now"))
            assert len(await lines(stream)) == 1
            journal.away = False
            journal.entries.append(entry(5, "now"))
            await asyncio.sleep(20)
            assert (await lines(stream))[-1] == "id: 5"


async def test_nobody_asks_the_journal_while_nobody_listens():
    journal = Journal()
    async with running(journal) as hub:
        hub.on_event(WHERE, event("now"))
        await asyncio.sleep(100)
        assert journal.asked == 0


async def test_a_reader_who_is_too_far_behind_is_done_with(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streams, "MAX_WAITING", 10)
    async with running(Journal()) as hub:
        with hub.open(Wanted()) as slow, hub.open(Wanted()) as good:
            for number in range(20):
                hub.on_event(WHERE, event(f"{number}"))
                await good.next(within_s=1.0)
            assert slow.is_over
            assert await slow.next(within_s=1.0) == b""
            assert not good.is_over


async def test_streams_end_with_the_hub():
    async with running(Journal()) as hub:
        opened = hub.open(Wanted())
        stream = opened.__enter__()
        await asyncio.sleep(0)
    assert stream.is_over
    opened.__exit__(None, None, None)


async def test_the_past_is_told_page_by_page_and_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streams, "PAGE", 2)
    monkeypatch.setattr(streams, "MAX_PAST", 4)
    hub = Hub(Journal([entry(number, "x") for number in range(10)]).ask)
    assert [[one.number for one in page] async for page in hub.past(Wanted(), 7)] == [[8, 9]]
    pages = []

    async def read() -> None:
        async for page in hub.past(Wanted(), 0):
            pages.append([one.number for one in page])

    with pytest.raises(Away, match="left out"):
        await read()
    assert pages == [[1, 2], [3, 4]]


def test_what_was_told_as_past_is_left_out_once():
    stream = Stream(Wanted())
    told = Told(**WHERE, event=event("x"))
    for _ in range(2):
        stream.put(frame_of(told), key=key_of(told))
    stream.leave_out(Counter([key_of(Told(**WHERE, event=event("x"), number=3))]))
    assert len(stream._frames) == 1


@pytest.mark.parametrize(
    ("targets", "kinds", "group", "node", "kind", "has"),
    [
        ((), (), "cx", "cx1", "state", True),
        ((), ("push",), "cx", "cx1", "state", False),
        (("cx",), (), "cx", "cx1", "state", True),
        (("cx/cx2",), (), "cx", "cx1", "state", False),
        (("cx/cx?",), (), "cx", "cx1", "state", True),
        (("cx/cx2",), (), "cx", "-", "command", True),
        (("recv",), (), "cx", "-", "command", False),
        (("cx/cx2",), (), "-", "-", "config", True),
        (("cx/cx2",), (), "-", "-", "service", False),
    ],
)
def test_only_what_is_wanted_is_told(
    targets: tuple[str, ...], kinds: tuple[str, ...], group: str, node: str, kind: str, has: bool
):
    told = Told(service="s", group=group, node=node, event=Event(at=NOW, kind=EventKind(kind), text=""))
    assert Wanted(targets, frozenset(kinds)).has(told) is has
