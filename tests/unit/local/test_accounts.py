"""The files of a broker's accounts."""

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from conche.contract import ACTIONS_OF, SENT_BY, Role, Service
from conche.local import accounts as module
from conche.local.accounts import AccountRefused, Accounts
from conche.local.passwords import BrokerSetupFailed, hashed
from conche.local.reloading import Reloaded

from .books import FILES, SECRET, again, content, hashes, rights, roles

# --- what is where


def test_an_account_has_a_role_a_hash_and_its_lines(accounts):
    assert roles(accounts) == {"alice": Role.OPERATOR, "bob": Role.VIEWER, "operator": Role.ADMIN}
    assert rights(accounts)["alice"] == ACTIONS_OF[Role.OPERATOR]
    assert hashes(accounts)["alice"].startswith("$7$")


def test_a_password_stands_nowhere_in_the_folder(accounts):
    for path in accounts.folder.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()


def test_the_files_are_for_their_owner_only(accounts):
    assert [stat.S_IMODE((accounts.folder / name).stat().st_mode) for name in FILES] == [0o600] * 3


def test_files_that_others_may_read_stay_so(accounts):
    (accounts.folder / "passwords").chmod(0o644)
    (accounts.folder / "accounts.json").unlink()
    accounts.set_role("alice", Role.ADMIN)
    accounts.set_password("alice", "another password")
    assert [stat.S_IMODE((accounts.folder / name).stat().st_mode) for name in FILES] == [0o644, 0o644, 0o600]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_files_that_are_mosquitto_s_stay_so(accounts):
    """As in a pod's volume: the broker runs as a user of its own, the command line as root."""
    for path in (accounts.folder / name for name in FILES):
        os.chown(path, 1883, 1883)
    (accounts.folder / "accounts.json").unlink()
    accounts.set_role("alice", Role.ADMIN)
    accounts.set_password("alice", "another password")
    assert {(accounts.folder / name).stat().st_uid for name in FILES} == {1883}


def test_another_role_has_other_lines_and_the_same_password(accounts):
    before = hashes(accounts)
    accounts.set_role("alice", Role.VIEWER)
    assert rights(accounts)["alice"] == ACTIONS_OF[Role.VIEWER]
    assert hashes(accounts) == before


def test_another_password_has_the_same_role_and_since(accounts):
    before, kept = accounts.listed()["alice"], hashes(accounts)
    accounts.set_password("alice", "another password")
    assert accounts.listed()["alice"] == before
    assert hashes(accounts)["alice"] != kept["alice"]
    assert hashes(accounts)["bob"] == kept["bob"]


def test_who_is_removed_stands_nowhere_any_more(accounts):
    accounts.remove("alice")
    assert all(b"alice" not in data for data in content(accounts).values())
    accounts.add("alice", role=Role.VIEWER, password=SECRET)


def test_the_same_role_again_changes_nothing(accounts):
    before = content(accounts)
    accounts.set_role("alice", Role.OPERATOR)
    assert content(accounts) == before


def test_two_changes_at_once_are_both_made(accounts):
    names = [f"script{i}" for i in range(8)]
    threads = [
        threading.Thread(target=accounts.add, args=(name,), kwargs={"role": Role.VIEWER, "password": SECRET})
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(names) < set(roles(accounts))
    assert set(names) < set(hashes(accounts))


# --- the next up


def test_people_outlive_the_next_up_with_roles_and_passwords(accounts):
    before, listed = hashes(accounts), accounts.listed()
    again(accounts.folder)
    assert accounts.listed() == listed
    assert {n: hashes(accounts)[n] for n in ("alice", "bob")} == {n: before[n] for n in ("alice", "bob")}
    assert rights(accounts)["alice"] == ACTIONS_OF[Role.OPERATOR]


def test_every_service_and_the_one_at_the_keyboard_have_an_account_after_up(accounts):
    assert set(hashes(accounts)) == {*Service, "operator", "alice", "bob"}
    assert rights(accounts)["operator"] == {"+"}
    assert all(rights(accounts)[service] == SENT_BY.get(service, set()) for service in Service)


def test_another_root_of_all_topics_holds_for_people_too(accounts):
    again(accounts.folder, root="chord")
    accounts.set_role("alice", Role.ADMIN)
    assert "conche/" not in (accounts.folder / "acl").read_text().replace("chord/", "")


def test_an_account_of_the_stack_that_it_has_no_more_goes(accounts):
    again(accounts.folder, accounts={"panel": Role.OPERATOR})
    assert set(roles(accounts)) == {"alice", "bob", "panel"}
    assert "operator" not in hashes(accounts)


def test_an_accounts_file_that_is_spoilt_stops_up_and_is_named(accounts):
    (accounts.folder / "accounts.json").write_text('{"root": "conche", "accounts": {"a": {"role": "king"')
    with pytest.raises(BrokerSetupFailed, match=r"accounts\.json: .*mend it"):
        again(accounts.folder)


@pytest.mark.parametrize("name", ["sync", "a/b", "all"])
def test_a_name_that_was_written_in_by_hand_and_can_not_be_one_is_named(accounts, name):
    path = accounts.folder / "accounts.json"
    path.write_text(path.read_text().replace('"bob"', json.dumps(name)))
    with pytest.raises(BrokerSetupFailed, match=f"accounts.json: account '{name}'"):
        accounts.set_role("alice", Role.ADMIN)


# --- what is refused


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sync", "that of a service"),
        ("Renderer", "that of a service"),
        ("gateway", "that of a service"),
        ("Panel", "that of a service that acts for people"),
        ("EOP", "that of a service"),
        ("fpga", "that of a service"),
        ("metrics", "that of a service"),
        ("Scheduler", "that of a service that is to come"),
        ("notifier", "that of a service"),
        ("COORDINATOR", "that of a service that is to come"),
        ("devices", "that of a service that is to come"),
        ("a" * 65, "has 65 characters: 64 are the most"),
        ("all", "stands for every"),
        ("-", "the first is no '-'"),
        ("alice/cx", "letters, digits"),
        ("#", "letters, digits"),
        ("a:b", "letters, digits"),
        ("alice", r"alice exists already and is an operator: conche users role alice ROLE"),
        ("operator", r"operator exists already and is an admin"),
    ],
)
def test_a_name_that_can_not_be_added_is_refused_in_words(accounts, name, words):
    before = content(accounts)
    with pytest.raises(AccountRefused, match=words):
        accounts.add(name, role=Role.ADMIN, password=SECRET)
    assert content(accounts) == before


def test_a_name_of_64_characters_can_be_added(accounts):
    accounts.add("a" * 64, role=Role.VIEWER, password=SECRET)
    assert roles(accounts)["a" * 64] is Role.VIEWER


AGAIN = {
    "add": lambda accounts: accounts.add("alice", role=Role.OPERATOR, password=SECRET),
    "remove": lambda accounts: accounts.remove("eve"),
    "role": lambda accounts: accounts.set_role("eve", Role.ADMIN),
    "password": lambda accounts: accounts.set_password("eve", "another password"),
}


@pytest.mark.parametrize("change", AGAIN)
@pytest.mark.parametrize(
    ("reloaded", "words"),
    [
        (Reloaded(told=(7,)), r"\. The broker was told to read its accounts again, in case it did not know$"),
        (Reloaded(forbidden=(7, 8)), "in case it did not know: sudo kill -HUP 7 8$"),
        (Reloaded(), "(operator|another password)$"),
    ],
)
def test_what_may_have_been_done_by_a_command_that_was_killed_is_made_known_to_the_broker(
    accounts, monkeypatch, change, reloaded, words
):
    folders = []
    monkeypatch.setattr(module, "reload", lambda folder: folders.append(folder) or reloaded)
    with pytest.raises(AccountRefused, match=words):
        AGAIN[change](accounts)
    assert folders == [accounts.folder]


CHANGES = {
    "remove": lambda accounts, name: accounts.remove(name),
    "role": lambda accounts, name: accounts.set_role(name, Role.ADMIN),
    "password": lambda accounts, name: accounts.set_password(name, "another password"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("carol", "there is no account carol; there are: alice, bob, operator"),
        ("sync", "sync is the account of a service"),
        ("operator", "can't .* operator: .*secrets/operator"),
    ],
)
def test_an_account_that_can_not_be_changed_is_refused_in_words(accounts, change, name, words):
    before = content(accounts)
    with pytest.raises(AccountRefused, match=words):
        CHANGES[change](accounts, name)
    assert content(accounts) == before


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_is_no_broker_s_is_refused_and_left_alone(tmp_path, change):
    with pytest.raises(BrokerSetupFailed, match="there is no such folder"):
        CHANGES[change](Accounts(tmp_path / "none"), "alice")
    with pytest.raises(BrokerSetupFailed, match="passwords is missing or empty"):
        CHANGES[change](Accounts(tmp_path), "alice")
    (tmp_path / "passwords").touch()
    with pytest.raises(BrokerSetupFailed, match="passwords is missing or empty"):
        Accounts(tmp_path).add("alice", role=Role.VIEWER, password=SECRET)
    assert [path.name for path in tmp_path.iterdir()] == ["passwords"]


def test_a_missing_tool_is_named_with_its_package(accounts, monkeypatch, tmp_path):
    before = content(accounts)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerSetupFailed, match="apt-get install mosquitto"):
        accounts.add("carol", role=Role.VIEWER, password=SECRET)
    assert content(accounts) == before


# --- a folder that something else has laid out


@pytest.fixture
def volume(tmp_path: Path) -> Accounts:
    """A pod's volume: passwords of the services and one that was made by hand."""
    names = [*Service, "grafana"]
    (tmp_path / "passwords").write_text("".join(f"{name}:{hashed(name, SECRET)}\n" for name in names))
    return Accounts(tmp_path, root="chord")


def test_an_account_that_was_made_by_hand_stays_and_has_no_role(volume):
    volume.add("alice", role=Role.VIEWER, password=SECRET)
    assert roles(volume) == {"alice": Role.VIEWER, "grafana": None}
    assert rights(volume)["grafana"] == set()
    assert "topic write chord/command/alice/+/+/ping\n" in (volume.folder / "acl").read_text()


def test_an_account_that_was_made_by_hand_can_be_given_a_role_or_removed(volume):
    with pytest.raises(AccountRefused, match="has no role, it was made by hand: conche users role grafana"):
        volume.add("grafana", role=Role.ADMIN, password=SECRET)
    volume.set_role("grafana", Role.VIEWER)
    assert rights(volume)["grafana"] == ACTIONS_OF[Role.VIEWER]
    volume.remove("grafana")
    assert roles(volume) == {}


def test_a_service_to_come_has_no_role_by_hand(volume):
    path = volume.folder / "passwords"
    path.write_text(path.read_text().replace("grafana", "panel"))
    with pytest.raises(AccountRefused, match="acts for people"):
        volume.set_role("panel", Role.ADMIN)
