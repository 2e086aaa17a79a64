"""The journal's database, in real files."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conche.commands import CommandRefused
from conche.contract import (
    Event,
    EventKind,
    Events,
    Maintenance,
    NodeState,
    NodeStatus,
    ServiceBirth,
    ServiceState,
)
from conche.journal import reading
from conche.journal.errors import QueryImpossible, StoreDamaged, StoreUnavailable
from conche.journal.notes import Born, Found, Heard, Said
from conche.journal.queries import query_of
from conche.journal.reading import MAX_ANSWER
from conche.journal.store import FORMAT, Store, StoreTooNew

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "journal.db"


def opened(path: Path, **limits: Any) -> Store:
    return Store(path, **{"max_entries": 1000, **limits})


def heard(text: str = "x", *, group: str = "cx", node: str = "cx1", **fields: Any) -> Heard:
    given: dict[str, Any] = {"at": AT, "kind": EventKind.STATE, **fields}
    return Heard("sync", group, node, Event(text=text, **given))


def status(state: str = "started", **fields: Any) -> NodeStatus:
    defaults: dict[str, Any] = {
        "started": True,
        "maintenance": Maintenance(on=False),
        "epoch": "e1",
        "since": AT,
    }
    return NodeStatus(state=NodeState(state), **defaults | fields)


def found(*, node: str = "cx1", **fields: Any) -> Found:
    return Found({("cx", node): status(**fields)}, AT)


def texts(store: Store, **wish: Any) -> list[str]:
    return [entry.event.text for entry in store.read(query_of(Events(**wish))).entries]


# --- what is stored is there again


def test_what_was_stored_is_there_after_a_restart_and_numbers_go_on(path: Path) -> None:
    store = opened(path)
    store.write([heard("first", user="alice", reason="why", took_s=1.5, ok=True)])
    store.close()
    again = opened(path)
    again.write([heard("second")])
    entries = again.read(query_of(Events())).entries
    assert [(entry.number, entry.event.text) for entry in entries] == [(2, "second"), (1, "first")]
    assert entries[1].event == heard("first", user="alice", reason="why", took_s=1.5, ok=True).event
    assert (entries[1].service, entries[1].group, entries[1].node) == ("sync", "cx", "cx1")
    again.close()


def test_each_commit_reaches_the_disk(path: Path) -> None:
    store = opened(path)
    assert store.open().execute("PRAGMA synchronous").fetchone() == (2,)
    assert store.open().execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_births_are_kept(path: Path) -> None:
    birth = ServiceBirth(state=ServiceState.ONLINE, boot="b", since=AT)
    store = opened(path)
    store.write([Born("sync/cx", birth)])
    assert store.births() == {"sync/cx": birth}
    assert store.last_at() is None
    store.close()


# --- questions


@pytest.fixture
def full(path: Path):
    store = opened(path)
    store.write(
        [
            heard("1", at=AT - timedelta(hours=3)),
            heard("2", node="cx2", kind=EventKind.PUSH),
            heard("3", node="-", kind=EventKind.COMMAND),
            heard("4", group="recv", node="recv1"),
            heard("5", group="-", node="-", kind=EventKind.SERVICE),
            heard("6", at=AT + timedelta(hours=1)),
            heard("7", group="-", node="-", kind=EventKind.CONFIG),
            heard("8", group="-", node="cx2", kind=EventKind.REPLY),
        ]
    )
    yield store
    store.close()


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({}, "87654321"),
        ({"limit": 2}, "87"),
        ({"before": 3}, "21"),
        ({"after": 3}, "45678"),
        ({"after": 3, "limit": 1}, "4"),
        ({"group": "cx"}, "876321"),
        ({"group": "-"}, "875"),
        ({"group": "cx", "node": "cx2"}, "8732"),
        ({"group": "cx", "node": "cx1"}, "7631"),
        ({"targets": ["cx/cx2"]}, "8732"),
        ({"targets": ["cx/cx1"]}, "7631"),
        ({"targets": ["cx"]}, "876321"),
        ({"targets": ["cx/"]}, "876321"),
        ({"targets": ["cx/all"]}, "876321"),
        ({"targets": ["all"]}, "87654321"),
        ({"targets": ["cx/cx[!1]", "recv/*"]}, "87432"),
        ({"targets": ["cx/cx[!1]"]}, "8732"),
        ({"targets": ["r*"]}, "874"),
        ({"targets": ["cx/nobody"]}, "73"),
        ({"targets": ["nobody"]}, "87"),
        ({"targets": ["nobody/x"]}, "7"),
        ({"targets": ["'; DROP TABLE entries; --"]}, "87"),
        ({"kinds": ["push", "service"]}, "52"),
        ({"since": AT}, "8765432"),
        ({"since": AT, "kinds": ["state"], "targets": ["cx"]}, "6"),
    ],
)
def test_a_question_is_answered_with_what_fits(full: Store, wish: dict[str, Any], expected: str) -> None:
    assert "".join(texts(full, **wish)) == expected


def add_unreadable(store: Store, *, node: str = "cx1") -> None:
    """Have an entry as a later conche may write it: of a kind that there is not yet."""
    event = b'{"at":"2030-01-01T00:00:00Z","kind":"eclipse","text":"dark"}'
    store.open().execute(
        "INSERT INTO entries (at, service, grp, node, kind, event) VALUES (0, 'sync', 'cx', ?, 'state', ?)",
        (node, event.decode()),
    )


@pytest.mark.parametrize("ascending", [False, True])
def test_entries_of_a_later_conche_are_left_out_and_counted_and_others_take_their_place(
    path: Path, ascending: bool
) -> None:
    store = opened(path)
    store.write([heard("1"), heard("2")])
    for _ in range(3):
        add_unreadable(store)
    store.write([heard("3")])
    wish = Events(limit=2, after=1) if ascending else Events(limit=2)
    page = store.read(query_of(wish))
    assert [entry.event.text for entry in page.entries] == (["2", "3"] if ascending else ["3", "2"])
    assert page.unreadable == 3
    assert store.read(query_of(Events(limit=1000))).unreadable == 3
    store.close()


def test_what_a_later_conche_told_does_not_hinder_working_out_what_happened(path: Path) -> None:
    store = opened(path)
    store.write([Said("cx", "cx1", status())])
    add_unreadable(store)
    (told,) = store.write([found(state="down")])
    assert told.event.after == "down"
    store.close()


def test_a_birth_of_a_later_conche_is_not_known(path: Path) -> None:
    store = opened(path)
    store.open().execute("INSERT INTO births VALUES ('sync/cx', '{\"state\": \"asleep\"}')")
    assert store.births() == {}
    store.close()


def test_a_question_that_takes_too_long_is_given_up_in_words(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(path)
    store.write([heard(node=f"cx{number}") for number in range(3000)])
    monkeypatch.setattr(reading, "READ_WITHIN_S", -1.0)
    with pytest.raises(QueryImpossible, match="it takes longer than"):
        store.read(query_of(Events(targets=["cx/*q*"] * 20)))
    store.close()


def test_reading_changes_nothing_and_begins_no_database(path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        Store(path, max_entries=1).read(query_of(Events()))
    assert not path.exists()


def test_a_kind_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(CommandRefused, match=r"no kind 'pish'; there are state, switch"):
        query_of(Events(kinds=["pish"]))


def test_an_answer_is_far_smaller_than_a_packet_and_the_next_question_goes_on(path: Path) -> None:
    store = opened(path)
    store.write([heard("x" * 100_000) for _ in range(30)])
    first = store.read(query_of(Events(limit=1000))).entries
    assert 1 <= len(first) < 30
    assert sum(len(entry.event.text) for entry in first) <= MAX_ANSWER
    rest = store.read(query_of(Events(limit=1000, before=first[-1].number))).entries
    assert rest[0].number == first[-1].number - 1
    store.close()


def test_an_entry_that_is_too_long_by_itself_comes_alone(path: Path) -> None:
    store = opened(path)
    store.write([heard("x" * 2 * MAX_ANSWER), heard("short")])
    assert texts(store) == ["short"]
    assert len(texts(store, before=2)) == 1
    store.close()


# --- bounds


def test_the_oldest_go_when_there_are_too_many(path: Path) -> None:
    store = opened(path, max_entries=3)
    for number in range(5):
        store.write([heard(str(number)), heard(f"{number}b")])
    assert texts(store) == ["4b", "4", "3b"]
    store.close()


def test_entries_that_are_too_old_go(path: Path) -> None:
    store = opened(path, max_age_days=30)
    now = datetime.now(UTC)
    store.write([heard("old", at=now - timedelta(days=31)), heard("young", at=now - timedelta(days=29))])
    assert texts(store) == ["young"]
    store.close()


# --- a file that is no good


@pytest.mark.parametrize("garbage", [b"no database at all" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(
    path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(garbage)
    store = opened(path)
    store.write([heard("new")])
    assert texts(store) == ["new"]
    (aside,) = path.parent.glob("journal.db.damaged-*Z")
    assert aside.read_bytes() == garbage
    assert aside.name in caplog.text
    store.close()


def test_another_programs_database_is_set_aside_and_not_written_to(path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    store = opened(path)
    store.write([heard("new")])
    store.close()
    assert len(list(path.parent.glob("journal.db.damaged-*"))) >= 1


def test_damage_that_shows_later_is_told_from_what_may_be_over_in_a_while(path: Path) -> None:
    store = opened(path)
    store.write([heard("x" * 3000) for _ in range(100)])
    store.close()
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xab" * (len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(StoreDamaged):
        store.read(query_of(Events()))
    store.set_aside("it is")
    store.write([heard("new")])
    assert texts(store) == ["new"]
    store.close()


def test_a_later_conches_file_is_left_alone(path: Path) -> None:
    store = opened(path)
    store.open().execute(f"PRAGMA user_version = {FORMAT + 1}")
    store.close()
    with pytest.raises(StoreTooNew, match="a later conche wrote it"):
        store.open()
    assert [entry.name for entry in path.parent.iterdir()] == ["journal.db"]


def test_a_full_disk_stores_nothing_and_spoils_nothing(path: Path) -> None:
    store = opened(path)
    store.write([heard("kept")])
    database = store.open()
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="full"):
        store.write([heard("x" * 50_000) for _ in range(10)])
    assert texts(store) == ["kept"]
    database.execute(f"PRAGMA max_page_count = {pages + 1000}")
    store.write([heard("after")])
    assert texts(store) == ["after", "kept"]
    store.close()


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="can't be made"):
        opened(tmp_path / "file" / "journal.db").open()


# --- what changed while it was away


def test_what_changed_since_the_last_status_is_worked_out(path: Path) -> None:
    store = opened(path)
    store.write([Said("cx", "cx1", status())])
    (worked_out,) = store.write([found(state="down", error="refused", since=AT + timedelta(minutes=1))])
    assert worked_out.event.text == "started -> down, refused (found so: the journal was away)"
    assert worked_out.service == "journal"
    assert texts(store) == [worked_out.event.text]
    assert store.write([found(state="down", error="refused", since=AT + timedelta(minutes=1))]) == []
    store.close()


def test_a_journal_that_begins_knows_nothing_that_could_have_changed(path: Path) -> None:
    store = opened(path)
    both = Found({("cx", "cx1"): status(), ("cx", "cx2"): status()}, AT)
    assert store.write([both]) == []
    (joined,) = store.write([found(node="cx3")])
    assert joined.event.kind is EventKind.EPOCH
    store.close()


def test_what_was_told_all_the_same_is_not_told_again(path: Path) -> None:
    later = AT + timedelta(minutes=1)
    store = opened(path)
    store.write([Said("cx", "cx1", status()), heard("started -> stopped, x", after="stopped")])
    assert store.write([found(state="stopped", since=later)]) == []
    store.close()


def test_what_was_told_before_the_last_status_does_not_hide_that_it_happened_again(path: Path) -> None:
    store = opened(path)
    store.write([heard("started -> stopped", after="stopped"), Said("cx", "cx1", status())])
    assert len(store.write([found(state="stopped", since=AT + timedelta(minutes=1))])) == 1
    store.close()


def test_an_old_status_of_a_broker_that_came_back_changes_nothing(path: Path) -> None:
    store = opened(path)
    store.write([Said("cx", "cx1", status("down"))])
    assert store.write([found(state="started", since=AT - timedelta(hours=1))]) == []
    assert store.write([found(state="down")]) == []
    store.close()


def test_a_state_that_is_not_known_is_not_worked_out(path: Path) -> None:
    store = opened(path)
    store.write([Said("cx", "cx1", status())])
    assert store.write([found(state="unknown", since=AT + timedelta(minutes=1))]) == []
    store.close()
