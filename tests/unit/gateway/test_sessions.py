import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from itsdangerous import Signer

from conche.contract.roles import Role
from conche.gateway.people import Person
from conche.gateway.sessions import MAX_OF_ONE, Sessions
from conche.gateway.store import opened

KEY = b"k" * 32
ALICE = Person(name="alice", role=Role.OPERATOR, via="password")


class Clock:
    """A time that only the test moves."""

    def __init__(self) -> None:
        self.at = 1e9

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with opened(tmp_path) as store:
        yield store


@pytest.fixture
def sessions(store, clock) -> Sessions:
    return Sessions(store, key=KEY, idle_s=100, max_s=1000, now=clock)


def test_a_cookie_leads_to_the_person_who_logged_in(sessions):
    session = sessions.begin(ALICE)
    found = sessions.find(sessions.cookie(session))
    assert found == session
    assert (found.person.name, found.person.role, found.person.via) == ("alice", Role.OPERATOR, "session")


def test_a_session_ends_when_it_is_not_used(sessions, clock):
    cookie = sessions.cookie(sessions.begin(ALICE))
    clock.at += 99.9
    assert sessions.find(cookie) is not None
    clock.at += 99.9
    assert sessions.find(cookie) is not None
    clock.at += 100
    assert sessions.find(cookie) is None


def test_a_session_that_is_used_all_the_time_ends_all_the_same(sessions, clock):
    cookie = sessions.cookie(sessions.begin(ALICE))
    for _ in range(19):
        clock.at += 50
        assert sessions.find(cookie) is not None
    clock.at += 50
    assert sessions.find(cookie) is None


def test_a_session_outlives_the_process(tmp_path: Path, clock):
    with opened(tmp_path) as store:
        one = Sessions(store, key=KEY, idle_s=100, max_s=1000, now=clock)
        session = one.begin(ALICE)
        cookie = one.cookie(session)
    with opened(tmp_path) as store:
        assert Sessions(store, key=KEY, idle_s=100, max_s=1000, now=clock).find(cookie) == session


def test_a_session_that_was_ended_can_not_be_gone_on_with(sessions):
    session = sessions.begin(ALICE)
    cookie = sessions.cookie(session)
    sessions.end(session.id)
    assert sessions.find(cookie) is None


def test_all_sessions_of_a_person_end_and_those_of_others_go_on(sessions):
    his = [sessions.cookie(sessions.begin(ALICE)) for _ in range(3)]
    others = sessions.cookie(sessions.begin(Person(name="bob", role=Role.VIEWER, via="password")))
    assert sessions.end_all("alice") == 3
    assert [sessions.find(cookie) for cookie in his] == [None, None, None]
    assert sessions.find(others) is not None


def test_who_logs_in_with_another_role_has_no_sessions_with_the_old_one(sessions):
    old = sessions.cookie(sessions.begin(ALICE))
    new = sessions.cookie(sessions.begin(Person(name="alice", role=Role.VIEWER, via="password")))
    assert sessions.find(old) is None
    assert sessions.find(new).person.role is Role.VIEWER


def test_of_too_many_sessions_of_one_the_oldest_end(sessions, clock):
    cookies = []
    for _ in range(MAX_OF_ONE + 2):
        cookies.append(sessions.cookie(sessions.begin(ALICE)))
        clock.at += 1
    assert [sessions.find(one) is not None for one in cookies] == [False] * 2 + [True] * MAX_OF_ONE


def test_a_clock_that_was_set_back_ends_sessions_whose_age_nobody_knows(sessions, clock):
    cookie = sessions.cookie(sessions.begin(ALICE))
    clock.at -= 500
    assert sessions.find(cookie) is None


def test_tidying_removes_what_is_over_and_nothing_else(sessions, store, clock):
    sessions.begin(ALICE)
    clock.at += 150
    on = sessions.cookie(sessions.begin(ALICE))
    assert sessions.tidy() == 1
    assert sessions.find(on) is not None
    assert store.execute("SELECT count(*) FROM sessions").fetchone() == (1,)


def test_the_file_holds_nothing_that_a_cookie_could_be_made_of(sessions, tmp_path: Path):
    session = sessions.begin(ALICE)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert session.id.encode() not in kept
    assert session.csrf.encode() not in kept


def test_the_token_for_changes_is_another_for_each_session(sessions):
    assert sessions.begin(ALICE).csrf != sessions.begin(ALICE).csrf


@pytest.mark.parametrize(
    "forge",
    [
        lambda cookie, _: cookie[:-1] + ("A" if cookie[-1] != "A" else "B"),
        lambda cookie, _: cookie.partition(".")[0],
        lambda cookie, _: "A" + cookie[1:],
        lambda _, session: Signer(b"another key" * 3, salt="conche session").sign(session.id).decode(),
        lambda _, session: Signer(KEY, salt="something else").sign(session.id).decode(),
        lambda _, session: session.id,
        lambda *_: "",
        lambda *_: "." * 200,
        lambda cookie, _: cookie * 100,
        lambda *_: "\udcff.ä",
    ],
)
def test_a_forged_cookie_is_nobodys(sessions, forge):
    session = sessions.begin(ALICE)
    assert sessions.find(forge(sessions.cookie(session), session)) is None


def test_a_cookie_that_is_signed_and_of_no_session_is_nobodys(sessions):
    session = sessions.begin(ALICE)
    forged = sessions.cookie(session)
    sessions.end_all("alice")
    sessions.begin(ALICE)
    assert sessions.find(forged) is None
