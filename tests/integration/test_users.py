"""`conche users` as the program that an operator types, at a real broker, and what others hear of a denial."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from conche.contract import Role
from conche.local.accounts import Accounts

from .bus_support import publish, until
from .harness import Mosquitto
from .stack import Ran, conche
from .test_accounts import STATUS, Script, paho

PASSWORD = "correct horse battery"


class Desk:
    """The command line beside a broker, with no stack of its own."""

    def __init__(self, broker: Mosquitto, folder: Path) -> None:
        self.broker = broker
        self.folder = folder
        self.secret = folder / "alice.password"

    async def users(self, *words: str) -> Ran:
        return await self.run("users", *words, "--broker-dir", str(self.broker.folder))

    async def run(self, *words: str, **environment: str) -> Ran:
        return await conche(*words, broker=self.broker, CONCHE_HOME=str(self.folder / "home"), **environment)

    async def alice(self, *words: str) -> Ran:
        """What alice types, whose password stands in a file of hers."""
        return await self.run(*words, CONCHE_ACCOUNT="alice", CONCHE_BROKER__PASSWORD_FILE=str(self.secret))

    async def hire(self, role: str) -> None:
        ran = await self.users("add", "alice", "--role", role)
        assert ran.code == 0, ran
        self.secret.write_text(ran.out)
        await asyncio.sleep(0.3)


@pytest.fixture
async def desk(mosquitto: Mosquitto, tmp_path: Path) -> Desk:
    return Desk(mosquitto, tmp_path)


def refused(ran: Ran, words: str) -> None:
    assert ran.code == 2, ran
    assert ran.out == ""
    assert words in " ".join(ran.err.split())


async def test_a_made_password_is_all_that_goes_to_standard_output_and_works_at_once(desk: Desk):
    ran = await desk.users("add", "alice", "--role", "viewer")
    assert ran.code == 0
    assert ran.out.count("\n") == 1
    assert len(ran.out.strip()) >= 20
    assert ran.err.startswith("alice is added: viewer\n")
    assert "shown this once" in ran.err
    desk.secret.write_text(ran.out)
    await asyncio.sleep(0.3)
    assert (await desk.alice("status")).code == 0


async def test_a_chosen_password_comes_from_a_file_and_is_shown_nowhere(desk: Desk):
    desk.secret.write_text(f"{PASSWORD}\n")
    ran = await desk.users("add", "alice", "--role", "viewer", "--password-file", str(desk.secret))
    assert (ran.code, ran.out) == (0, "")
    assert PASSWORD not in ran.err
    await asyncio.sleep(0.3)
    assert (await desk.alice("status")).code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "the password is empty"), ("\n", "the password is empty"), ("short", "has 5 characters: 12 are the least"),
     ("correct horse\nbattery staple", "one line of printable characters")],
)  # fmt: skip
async def test_a_password_that_nobody_should_have_is_refused(desk: Desk, text: str, words: str):
    desk.secret.write_text(text)
    refused(await desk.users("add", "alice", "--role", "viewer", "--password-file", str(desk.secret)), words)
    assert "alice" not in (await desk.users("list")).out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "sync", "--role", "viewer"), "account 'sync' is reserved: it is that of a service"),
        (("add", "alice/cx", "--role", "viewer"), "letters, digits, '_' and '-' only"),
        (("add", "alice", "--role", "enginer"), "there is no role 'enginer': did you mean engineer? There are"),
        (("add", "alice"), "Missing option '--role'"),
        (("add", "operator", "--role", "viewer"), "the account operator exists already and is an admin"),
        (("remove", "alice"), "there is no account alice; there are: operator"),
        (("role", "alice", "admin"), "there is no account alice; there are: operator"),
        (("password", "alice"), "there is no account alice; there are: operator"),
        (("remove", "operator"), "can't remove operator"),
        (("role", "operator", "viewer"), "can't change the role of operator"),
        (("add", "alice", "--role", "viewer", "--password-file", "/none"), "No such file"),
    ],
)  # fmt: skip
async def test_what_can_not_be_done_is_one_line_in_words(desk: Desk, arguments: tuple[str, ...], words: str):
    refused(await desk.users(*arguments), words)


async def test_a_folder_that_is_absent_or_no_broker_s_is_said(desk: Desk):
    here = await desk.run("users", "list")
    refused(here, "no broker has been set up in")
    assert "./conche.sh up does it" in here.err
    refused(await desk.run("users", "list", "--broker-dir", "/none"), "/none: there is no such folder")
    refused(await desk.run("users", "list", "--broker-dir", str(desk.folder)), "is missing or empty")


async def test_accounts_are_listed_for_people_and_for_programs(desk: Desk):
    await desk.hire("engineer")
    shown = await desk.users("list")
    assert [line.split()[:3] for line in shown.out.splitlines()] == [
        ["alice", "engineer", "since"], ["operator", "admin", "since"],
    ]  # fmt: skip
    told = (await desk.users("list", "--json")).json["accounts"]
    assert list(told["alice"]) == ["role", "since", "of_stack"]
    assert (told["alice"]["role"], told["operator"]["of_stack"]) == ("engineer", True)


async def test_what_the_role_denies_is_said_in_one_line_with_the_remedy(desk: Desk):
    publish(desk.broker, "conche/registry", json.dumps(REGISTRY), "-r", account="renderer")
    publish(desk.broker, "conche/service/sync/cx", json.dumps(BIRTH), "-r", account="sync")
    await desk.hire("viewer")
    ran = await desk.alice("start", "cx")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "Error: alice may not do set_started: it takes the role operator, "
        "ask for 'conche users role alice operator'\n"
    )
    assert (await desk.users("role", "alice", "operator")).code == 0
    await asyncio.sleep(0.3)
    ran = await desk.alice("start", "cx", "--timeout", "1")
    assert ran.code == 3  # it is sent; nobody is there to answer
    assert "no answer within 1 s" in ran.out


REGISTRY = {
    "boot": "b", "groups": {"cx": {"cx1": {"host": "h", "port": 1, "started": True, "epoch": "e"}}}, "error": None,
}  # fmt: skip
BIRTH = {
    "state": "online", "version": "0", "boot": "b", "since": "2026-01-01T00:00:00Z", "host": "h", "dropped": 0,
    "invalid": 0,
}  # fmt: skip


async def test_whoever_is_removed_is_cut_off_and_the_others_hear_on(desk: Desk):
    await desk.hire("admin")
    password = desk.secret.read_text().strip()
    async with (
        Script(desk.broker, "operator", paho.MQTTv311).running() as stays,
        Script(desk.broker, "alice", paho.MQTTv5, password).running() as alice,
    ):
        assert (await desk.users("remove", "alice")).err == "alice is removed\n"
        await until(lambda: alice.lost)
        publish(desk.broker, STATUS, "{}", account="sync")
        await until(lambda: stays.heard)
        assert not stays.lost
        assert alice.heard == []
    ran = await desk.alice("status")
    assert ran.code == 1
    assert "there is no such account, or its password is wrong" in ran.err


async def test_another_password_ends_the_old_one(desk: Desk):
    await desk.hire("viewer")
    ran = await desk.users("password", "alice")
    await asyncio.sleep(0.3)
    assert (await desk.alice("status")).code == 1
    desk.secret.write_text(ran.out)
    assert (await desk.alice("status")).code == 0


async def test_a_password_that_is_not_found_is_said_with_where_it_may_be(desk: Desk):
    await desk.hire("viewer")
    desk.secret.unlink()
    ran = await desk.alice("status")
    assert str(desk.secret) in ran.err
    ran = await desk.run("status", "--account", "alice")
    assert "secrets/alice" in ran.err
    assert "CONCHE_BROKER__PASSWORD_FILE names the file that holds it" in ran.err


async def test_a_removal_whose_command_was_killed_holds_when_it_is_repeated(desk: Desk):
    await desk.hire("viewer")
    script = Script(desk.broker, "alice", paho.MQTTv5, desk.secret.read_text().strip())
    async with script.running():
        Accounts(desk.broker.folder).remove("alice")  # and killed before the broker knew
        await asyncio.sleep(0.3)
        assert not script.lost
        refused(await desk.users("remove", "alice"), "The broker was told to read its accounts again")
        await until(lambda: script.lost)


async def test_a_broker_that_is_not_seen_from_here_is_told_by_hand(desk: Desk):
    desk.broker.stop()
    ran = await desk.users("add", "alice", "--role", "viewer")
    assert ran.code == 0
    assert "podman kill -s HUP" in ran.err


async def test_the_folder_of_the_stack_here_is_the_default(desk: Desk):
    desk.broker.stop()
    home = desk.folder / "home" / "broker"
    home.parent.mkdir()
    shutil.copytree(desk.broker.folder, home)
    ran = await desk.run("users", "add", "alice", "--role", Role.OPERATOR)
    assert ran.code == 0
    assert "it holds from the next ./conche.sh up on" in ran.err
    assert "alice" in (await desk.run("users", "list")).out
