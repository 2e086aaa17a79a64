"""Notes on their way to the database: kept while it can't take them, bounded, in their order."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conche.contract import Event, EventKind, Events
from conche.journal import keeping
from conche.journal.errors import StoreUnavailable
from conche.journal.keeping import Keeper
from conche.journal.notes import Heard
from conche.journal.queries import Query, query_of
from conche.journal.reading import Page, read_page
from conche.journal.store import Store

ALL = query_of(Events(limit=1000, after=0))


def heard(text: str) -> Heard:
    return Heard("sync", "cx", "cx1", Event(at=datetime.now(UTC), kind=EventKind.STATE, text=text))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "journal.db", max_entries=1000)


@pytest.fixture
async def keeper(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Keeper]:
    monkeypatch.setattr(keeping, "RETRY_S", 0.05)
    kept = Keeper(store, max_pending=3)
    running = asyncio.create_task(kept.run())
    yield kept
    running.cancel()
    await asyncio.wait([running])
    await kept.close()


async def texts(keeper: Keeper) -> list[str]:
    return [entry.event.text for entry in (await keeper.read(ALL)).entries]


async def limit(keeper: Keeper, *, full: bool) -> None:
    """Have the disk full, or not."""

    def set_limit(store: Store) -> None:
        (pages,) = store.open().execute("PRAGMA page_count").fetchone()
        store.open().execute(f"PRAGMA max_page_count = {pages if full else pages + 1000}")

    await keeper.call(set_limit)


async def test_an_answer_has_all_that_was_noted_before(keeper: Keeper) -> None:
    keeper.note(heard("1"), heard("2"))
    assert await texts(keeper) == ["1", "2"]


async def test_what_is_noted_is_stored_without_being_asked_for(keeper: Keeper, store: Store) -> None:
    keeper.note(heard("1"))
    async with asyncio.timeout(5):
        while not await keeper.call(_count):
            await asyncio.sleep(0.02)


async def test_what_was_noted_is_stored_at_the_end(store: Store) -> None:
    keeper = Keeper(store)
    keeper.note(heard("last words"))
    await keeper.close()
    assert [entry.event.text for entry in store.read(ALL).entries] == ["last words"]
    store.close()


async def test_with_a_full_disk_it_goes_on_keeps_what_it_can_and_says_so_once(
    keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    said: list[str] = []
    keeper.on_trouble = said.append
    keeper.note(heard("before"))
    assert await texts(keeper) == ["before"]
    await limit(keeper, full=True)
    for number in range(5):
        keeper.note(heard(f"{number}" + "x" * 20_000))
        assert await texts(keeper) == ["before"]
    assert keeper.trouble is not None
    assert "full" in keeper.trouble
    assert keeper.lost == 2
    await limit(keeper, full=False)
    assert [text[0] for text in (await texts(keeper))[1:]] == ["2", "3", "4"]
    assert keeper.trouble is None
    assert len(caplog.records) == 2
    assert said[0].startswith("nothing can be stored: ")
    assert said[1] == "stored again; 2 events were lost"


async def test_a_database_that_is_damaged_while_it_is_in_use_is_set_aside_and_nothing_noted_is_lost(
    keeper: Keeper, store: Store
) -> None:
    keeper.note(*(heard("x" * 3000) for _ in range(3)))
    await texts(keeper)
    await keeper.call(Store.close)
    store.path.write_bytes(store.path.read_bytes()[:4096] + b"\xab" * 50_000)
    keeper.note(heard("after"))
    assert await texts(keeper) == ["after"]
    assert len(list(store.path.parent.glob("journal.db.damaged-*Z"))) == 1


async def test_storing_goes_on_while_a_question_is_answered(
    keeper: Keeper, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: Store, query: Query) -> Page:
        begun.set()
        assert go_on.wait(5)
        return read_page(store.path, query)

    monkeypatch.setattr(Store, "read", slow)
    asked = asyncio.create_task(keeper.read(ALL))
    assert await asyncio.to_thread(begun.wait, 5)
    keeper.note(heard("meanwhile"))
    async with asyncio.timeout(5):
        while not await keeper.call(_count):
            await asyncio.sleep(0.02)
    go_on.set()
    assert [entry.event.text for entry in (await asked).entries] == ["meanwhile"]


def _count(store: Store) -> int:
    (count,) = store.open().execute("SELECT count(*) FROM entries").fetchone()
    return int(count)


async def test_a_database_that_can_not_be_opened_is_said_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    keeper = Keeper(Store(tmp_path / "folder" / "journal.db", max_entries=10))
    keeper.note(heard("1"))
    with pytest.raises(StoreUnavailable, match="can't be made"):
        await keeper.read(ALL)
    (tmp_path / "folder").unlink()
    assert await texts(keeper) == ["1"]
    await keeper.close()
