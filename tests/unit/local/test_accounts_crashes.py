"""What is left of the files of a broker's accounts when a change ends between two of them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conche.contract import ACTIONS_OF, Role
from conche.local import accounts as module
from conche.local.accounts import Account, AccountRefused

from .books import SECRET, again, content, hashes, rights, roles


class Crash(BaseException):
    """The power goes."""


@pytest.fixture
def crash_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many files are still written before the power goes; empty: all."""
    left: list[int] = []
    real = module.write_atomic

    def write(path: Path, data: bytes, **options) -> None:
        if left and left[0] == 0:
            raise Crash
        real(path, data, **options)
        if left:
            left[0] -= 1

    monkeypatch.setattr(module, "write_atomic", write)
    yield left
    left.clear()


STEPS = {
    "add": lambda accounts: accounts.add("carol", role=Role.ADMIN, password=SECRET),
    "remove": lambda accounts: accounts.remove("alice"),
    "raise": lambda accounts: accounts.set_role("alice", Role.ADMIN),
    "lower": lambda accounts: accounts.set_role("alice", Role.VIEWER),
    "password": lambda accounts: accounts.set_password("alice", "another password"),
    "up": lambda accounts: again(accounts.folder, accounts={"panel": Role.OPERATOR}),
}
FILES_OF = {"add": 3, "remove": 3, "raise": 2, "lower": 2, "password": 1, "up": 3}
CRASHES = [(step, count) for step, files in FILES_OF.items() for count in range(files)]


@pytest.mark.parametrize(("step", "count"), CRASHES)
def test_a_crash_between_the_files_leaves_nobody_with_more_rights_than_before(
    accounts, crash_after, step, count
):
    before = rights(accounts)
    crash_after.append(count)
    with pytest.raises(Crash):
        STEPS[step](accounts)
    assert all(actions <= before.get(name, set()) for name, actions in rights(accounts).items())


@pytest.mark.parametrize("count", [1, 2])
def test_nobody_has_an_account_that_was_added_by_half(accounts, crash_after, count):
    crash_after.append(count)
    with pytest.raises(Crash):
        STEPS["add"](accounts)
    crash_after.clear()
    assert "carol" not in roles(accounts)
    assert "carol" not in hashes(accounts)
    assert accounts.set_role("bob", Role.OPERATOR) == ["carol"]
    assert all(b"carol" not in data for data in content(accounts).values())


@pytest.mark.parametrize("count", [1, 2])
def test_who_was_removed_by_half_can_not_log_in_and_is_gone_after_the_next_change(
    accounts, crash_after, count
):
    crash_after.append(count)
    with pytest.raises(Crash):
        STEPS["remove"](accounts)
    crash_after.clear()
    assert "alice" not in hashes(accounts)
    assert "alice" not in roles(accounts)
    accounts.set_role("bob", Role.OPERATOR)
    assert all(b"alice" not in data for data in content(accounts).values())


@pytest.mark.parametrize("step", ["add", "remove"])
@pytest.mark.parametrize("count", [1, 2])
def test_what_was_done_by_half_can_be_said_again(accounts, crash_after, step, count):
    crash_after.append(count)
    with pytest.raises(Crash):
        STEPS[step](accounts)
    crash_after.clear()
    if step == "remove" and "alice" not in json.loads(content(accounts)["accounts.json"])["accounts"]:
        with pytest.raises(AccountRefused, match="there is no account alice"):
            STEPS[step](accounts)
    else:
        assert STEPS[step](accounts) == []
    expected = {"bob", "operator"} | ({"alice", "carol"} if step == "add" else set())
    assert set(roles(accounts)) == expected


def test_an_access_list_that_is_older_than_the_accounts_is_mended_by_any_change(accounts, crash_after):
    crash_after.append(1)
    with pytest.raises(Crash):
        STEPS["lower"](accounts)
    crash_after.clear()
    assert rights(accounts)["alice"] == ACTIONS_OF[Role.OPERATOR]
    accounts.set_password("bob", "another password")
    assert rights(accounts)["alice"] == ACTIONS_OF[Role.VIEWER]


def test_up_drops_what_was_done_by_half(accounts, crash_after):
    crash_after.append(1)
    with pytest.raises(Crash):
        STEPS["add"](accounts)
    crash_after.clear()
    again(accounts.folder)
    assert set(roles(accounts)) == {"alice", "bob", "operator"}
    assert all(b"carol" not in data for data in content(accounts).values())


def test_an_account_is_what_the_file_says(accounts):
    account = accounts.listed()["alice"]
    assert account is not None
    assert account == Account(role=Role.OPERATOR, since=account.since)
