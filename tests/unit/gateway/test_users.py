import asyncio
from pathlib import Path

import pytest

from conche.contract.names import NameInvalid
from conche.contract.roles import Role
from conche.gateway.directory import DirectoryAway
from conche.gateway.limits import Attempts
from conche.gateway.logins import Logins
from conche.gateway.people import Person
from conche.gateway.problems import Away, TooMany, Unauthenticated
from conche.gateway.store import FILE, StoreBroken, opened
from conche.gateway.users import Users, make_admin


async def test_the_first_admin_is_made_once_with_a_password_that_works(tmp_path: Path):
    password = make_admin(tmp_path)
    assert password is not None
    assert make_admin(tmp_path) is None
    with opened(tmp_path) as store:
        users = Users(store)
        assert await users.check("admin", password) == Person(name="admin", role=Role.ADMIN, via="password")
        assert await users.check("admin", password + "x") is None
        assert await users.check("nobody", password) is None
    assert password.encode() not in (tmp_path / FILE).read_bytes()


async def test_passwords_that_no_form_sends_are_wrong_and_nothing_else(tmp_path: Path):
    with opened(tmp_path) as store:
        users = Users(store)
        users.put("alice", role=Role.VIEWER, password="right")
        for password in ("", "x" * 100_000, "\udcff", "\0", "right\0"):
            assert await users.check("alice", password) is None


async def test_a_kept_hash_that_is_none_fits_nothing(tmp_path: Path):
    with opened(tmp_path) as store:
        users = Users(store)
        users.put("alice", role=Role.VIEWER, password="right")
        store.execute("UPDATE users SET hash = ''")
        assert await users.check("alice", "right") is None


def test_a_user_has_a_name_that_can_stand_in_topics(tmp_path: Path):
    with opened(tmp_path) as store, pytest.raises(NameInvalid):
        Users(store).put("../x", role=Role.VIEWER, password="right")


def test_a_folder_that_can_not_be_had_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreBroken, match=r"gateway\.state_dir"):
        make_admin(tmp_path / "file" / "state")


# --- logins


class Book:
    """Knows alice; counts who asks; can be away, or slow."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def check(self, name: str, password: str) -> Person | None:
        self.asked += 1
        await self.gate.wait()
        if self.is_away:
            raise DirectoryAway("gone fishing")
        return (
            Person(name="alice", role=Role.VIEWER, via="directory")
            if (name, password) == ("alice", "right")
            else None
        )


def logins(book: Book, *, most: int = 3) -> Logins:
    return Logins(book, attempts=Attempts(most, window_s=60))


async def failing(one: Logins, name: str, address: str = "10.0.0.1") -> str:
    with pytest.raises(Unauthenticated) as caught:
        await one.check(name, "wrong", address=address)
    return caught.value.detail


async def test_nobody_learns_whether_there_is_such_a_name():
    one = logins(Book())
    assert await failing(one, "alice") == await failing(one, "mallory")


async def test_a_name_that_failed_too_often_waits_wherever_it_calls_from():
    book = Book()
    one = logins(book)
    for number in range(3):
        await failing(one, ("alice", "Alice", "ALICE")[number], address=f"10.0.0.{number}")
    with pytest.raises(TooMany) as caught:
        await one.check("alice", "right", address="10.0.0.9")
    assert 1 <= int(caught.value.headers["Retry-After"]) <= 61
    assert book.asked == 3


async def test_an_address_that_failed_too_often_waits_whatever_name_it_tries():
    one = logins(Book())
    for number in range(3):
        await failing(one, f"name{number}")
    with pytest.raises(TooMany):
        await one.check("alice", "right", address="10.0.0.1")
    assert (await one.check("alice", "right", address="10.0.0.2")).name == "alice"


async def test_logging_in_now_and_then_does_not_let_an_address_go_on_guessing():
    one = logins(Book())
    for number in range(3):
        await one.check("alice", "right", address="10.0.0.1")
        await failing(one, f"name{number}")
    with pytest.raises(TooMany):
        await one.check("alice", "right", address="10.0.0.1")


async def test_many_at_once_are_no_way_around_the_limit():
    book = Book()
    book.gate.clear()
    one = logins(book)
    tries = [asyncio.create_task(one.check("alice", "wrong", address="10.0.0.1")) for _ in range(20)]
    while book.asked < 3:
        await asyncio.sleep(0)
    book.gate.set()
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["TooMany"] * 17 + ["Unauthenticated"] * 3


async def test_a_directory_that_is_away_is_nobodys_failure_and_its_words_are_for_the_log():
    book = Book()
    one = logins(book)
    book.is_away = True
    for _ in range(5):
        with pytest.raises(Away) as caught:
            await one.check("alice", "right", address="10.0.0.1")
        assert "fishing" not in caught.value.detail
    book.is_away = False
    assert (await one.check("alice", "right", address="10.0.0.1")).name == "alice"


@pytest.mark.parametrize(
    "name", ["conche", "Gateway", "eop", "", "*", ")(uid=*", "a\0b", "x" * 100, "a\nb", "alice\n"]
)
async def test_a_name_that_nobody_can_have_is_asked_of_nobody(name):
    book = Book()
    with pytest.raises(Unauthenticated):
        await logins(book).check(name, "right", address="10.0.0.1")
    assert book.asked == 0


async def test_an_empty_password_is_asked_of_nobody():
    book = Book()
    with pytest.raises(Unauthenticated):
        await logins(book).check("alice", "", address="10.0.0.1")
    assert book.asked == 0
