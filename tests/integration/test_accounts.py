"""What each role may do at a real broker, and what becomes of connections when accounts change."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from conche.bus.client import BusDenied, Client, CommandDenied
from conche.contract import Arguments, Role
from conche.local.accounts import Accounts
from conche.local.reloading import reload

from .bus_support import listening, publish, until
from .harness import Mosquitto

PEOPLE = {"vera": Role.VIEWER, "oscar": Role.OPERATOR, "enno": Role.ENGINEER, "ada": Role.ADMIN}
ALLOWED = {"vera": "ping", "oscar": "resync", "enno": "base_config", "ada": "set_nodes"}
DENIED = {"vera": "resync", "oscar": "base_config", "enno": "set_nodes"}
COMMANDS = "conche/command/+/+/+/+"
STATUS = "conche/status/cx/cx1"
PASSWORD = "correct horse battery"
VERSIONS = [paho.MQTTv5, paho.MQTTv311]


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """One that has an account of each role."""
    broker = Mosquitto(tmp_path / "mosquitto", accounts={**PEOPLE, "operator": Role.ADMIN})
    await broker.start()
    yield broker
    broker.stop()


class Script:
    """What a person's script does with plain paho."""

    def __init__(self, broker: Mosquitto, account: str, version: int, password: str | None = None) -> None:
        self.heard: list[str] = []
        self.answers: list[str] = []
        self.lost = False
        self._broker = broker
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=version)
        self._client.username_pw_set(account, password or broker.password(account))
        self._client.on_message = lambda _c, _d, message: self.heard.append(message.topic)
        self._client.on_publish = lambda _c, _d, _mid, code, _p: self.answers.append(str(code))
        self._client.on_disconnect = self._lose
        self._client.on_connect_fail = self._lose
        self._client.reconnect_delay_set(60, 60)

    def _lose(self, *_: Any) -> None:
        self.lost = True

    @asynccontextmanager
    async def running(self, topic: str = "conche/status/+/+") -> AsyncIterator["Script"]:
        """Connect, hear of a topic, and leave."""
        await asyncio.to_thread(self._client.connect, "127.0.0.1", self._broker.port)
        self._client.loop_start()
        try:
            await until(lambda: self._client.is_connected() or self.lost)
            done: list[int] = []
            self._client.on_subscribe = lambda *_: done.append(1)
            self._client.subscribe(topic, 1)
            await until(lambda: done or self.lost)
            yield self
        finally:
            self._client.disconnect()
            await asyncio.to_thread(self._client.loop_stop)
            # Without a cycle it is freed at once, and closes its sockets before anybody finds them left open.
            for name in ("on_message", "on_publish", "on_disconnect", "on_connect_fail", "on_subscribe"):
                setattr(self._client, name, None)

    async def says(self, topic: str) -> str:
        """Publish, and return what the broker answers."""
        count = len(self.answers)
        self._client.publish(topic, "{}", 1)
        await until(lambda: len(self.answers) > count)
        return self.answers[-1]


def command(account: str, action: str) -> str:
    return f"conche/command/{account}/cx/cx1/{action}"


def accounts_of(broker: Mosquitto) -> Accounts:
    return Accounts(broker.folder)


async def reloaded(broker: Mosquitto) -> None:
    assert broker.process is not None
    assert reload(broker.folder).told == (broker.process.pid,)
    await asyncio.sleep(0.3)


# --- roles


@pytest.mark.parametrize("account", DENIED)
async def test_what_a_role_allows_arrives_and_what_it_does_not_is_answered_not_authorized(
    broker: Mosquitto, account: str
) -> None:
    async with (
        listening(broker.settings, COMMANDS, account="sync") as got,
        Script(broker, account, paho.MQTTv5).running() as script,
    ):
        assert await script.says(command(account, DENIED[account])) == "Not authorized"
        assert await script.says(command(account, ALLOWED[account])) == "Success"
        await until(lambda: got)
        assert not script.lost
    assert [message.topic for message in got] == [command(account, ALLOWED[account])]


@pytest.mark.parametrize("account", DENIED)
async def test_in_mqtt_3_what_a_role_does_not_allow_never_arrives_and_nothing_says_so(
    broker: Mosquitto, account: str
) -> None:
    """Its PUBACK has no reason codes; mosquitto 2.0.11 acknowledges, and leaves the connection alone."""
    async with (
        listening(broker.settings, COMMANDS, account="sync") as got,
        Script(broker, account, paho.MQTTv311).running() as script,
    ):
        assert await script.says(command(account, DENIED[account])) == "Success"
        assert await script.says(command(account, ALLOWED[account])) == "Success"
        await until(lambda: got)
        assert not script.lost
    assert [message.topic for message in got] == [command(account, ALLOWED[account])]


@pytest.mark.parametrize("account", PEOPLE)
async def test_every_role_reads_states_and_writes_none(broker: Mosquitto, account: str) -> None:
    async with (
        listening(broker.settings, "conche/status/+/+") as seen,
        Script(broker, account, paho.MQTTv5).running() as script,
    ):
        assert await script.says("conche/status/cx/stray") == "Not authorized"
        publish(broker, STATUS, "{}", account="sync")
        await until(lambda: script.heard and seen)
    assert script.heard == [STATUS]
    assert [message.topic for message in seen] == [STATUS]


async def test_a_command_that_the_role_does_not_allow_says_which_role_would(broker: Mosquitto) -> None:
    words = "oscar may not do set_nodes: it takes the role admin, ask for 'conche users role oscar admin'"
    async with Client(broker.settings, account="oscar") as client:
        with pytest.raises(CommandDenied) as caught:
            await client.send("set_nodes", Arguments(id="a"), group="all", node="all")
    assert str(caught.value) == words


async def test_an_action_that_there_is_not_is_told_as_such(broker: Mosquitto) -> None:
    async with Client(broker.settings, account="oscar") as client:
        with pytest.raises(CommandDenied, match="oscar may not do frobnicate: there is no such action"):
            await client.send("frobnicate", Arguments(id="a"), group="cx", node="cx1")


async def test_an_admins_action_that_there_is_not_arrives_to_be_answered(broker: Mosquitto) -> None:
    async with (
        listening(broker.settings, COMMANDS, account="sync") as got,
        Script(broker, "ada", paho.MQTTv311).running() as script,
    ):
        assert await script.says(command("ada", "frobnicate")) == "Success"
        await until(lambda: got)
    assert [message.topic for message in got] == [command("ada", "frobnicate")]


# --- accounts that change while others stay connected


@pytest.mark.parametrize("version", VERSIONS)
async def test_accounts_come_and_change_while_others_go_on_hearing(broker: Mosquitto, version: int) -> None:
    accounts = accounts_of(broker)
    async with Script(broker, "vera", version).running() as stays:
        for number, change in enumerate(
            (
                lambda: accounts.add("alice", role=Role.VIEWER, password=PASSWORD),
                lambda: accounts.set_role("alice", Role.ADMIN),
                lambda: accounts.set_password("alice", PASSWORD + "!"),
                lambda: accounts.remove("alice"),
            ),
            start=1,
        ):
            change()
            await reloaded(broker)
            publish(broker, STATUS, "{}", account="sync")
            await until(lambda n=number: len(stays.heard) == n)  # type: ignore[misc]  # mypy knows no lambda with a default
        assert not stays.lost


async def test_a_new_account_works_at_once(broker: Mosquitto) -> None:
    accounts_of(broker).add("alice", role=Role.OPERATOR, password=PASSWORD)
    await reloaded(broker)
    async with (
        listening(broker.settings, COMMANDS, account="sync") as got,
        Script(broker, "alice", paho.MQTTv5, PASSWORD).running() as alice,
    ):
        assert await alice.says(command("alice", "resync")) == "Success"
        await until(lambda: got)
        assert await alice.says(command("alice", "set_nodes")) == "Not authorized"


async def test_another_role_holds_on_the_connection_that_is_there(broker: Mosquitto) -> None:
    accounts = accounts_of(broker)
    accounts.add("alice", role=Role.VIEWER, password=PASSWORD)
    await reloaded(broker)
    async with Script(broker, "alice", paho.MQTTv5, PASSWORD).running() as alice:
        assert await alice.says(command("alice", "resync")) == "Not authorized"
        accounts.set_role("alice", Role.OPERATOR)
        await reloaded(broker)
        assert await alice.says(command("alice", "resync")) == "No matching subscribers"
        accounts.set_role("alice", Role.VIEWER)
        await reloaded(broker)
        assert await alice.says(command("alice", "resync")) == "Not authorized"
        publish(broker, STATUS, "{}", account="sync")
        await until(lambda: alice.heard)
        assert not alice.lost


@pytest.mark.parametrize("version", VERSIONS)
async def test_who_is_removed_is_cut_off_and_hears_no_more(broker: Mosquitto, version: int) -> None:
    accounts = accounts_of(broker)
    accounts.add("alice", role=Role.ADMIN, password=PASSWORD)
    await reloaded(broker)
    async with Script(broker, "alice", version, PASSWORD).running() as alice:
        accounts.remove("alice")
        await reloaded(broker)
        await until(lambda: alice.lost)
        publish(broker, STATUS, "{}", account="sync")
        await asyncio.sleep(0.2)
    assert alice.heard == []


async def test_with_another_password_the_old_connection_ends_and_the_old_password_is_refused(
    broker: Mosquitto,
) -> None:
    accounts = accounts_of(broker)
    accounts.add("alice", role=Role.ADMIN, password=PASSWORD)
    await reloaded(broker)
    async with Script(broker, "alice", paho.MQTTv5, PASSWORD).running() as alice:
        accounts.set_password("alice", "another password")
        await reloaded(broker)
        await until(lambda: alice.lost)
    (broker.folder / "secrets" / "alice").write_text(PASSWORD)
    with pytest.raises(BusDenied, match=r"'alice': .*; there is no such account, or its password is wrong"):
        async with Client(broker.settings, account="alice"):
            pass
    (broker.folder / "secrets" / "alice").write_text("another password\n")
    async with Client(broker.settings, account="alice"):
        pass


async def test_people_survive_a_restart_of_the_broker(broker: Mosquitto) -> None:
    accounts_of(broker).add("alice", role=Role.OPERATOR, password=PASSWORD)
    broker.stop(signal.SIGKILL)
    await broker.start()
    async with Script(broker, "alice", paho.MQTTv5, PASSWORD).running() as alice:
        assert await alice.says(command("alice", "set_nodes")) == "Not authorized"
        assert await alice.says(command("alice", "resync")) == "No matching subscribers"


# --- finding the broker


async def test_a_broker_is_found_by_another_name_of_its_folder(broker: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(broker.folder)
    assert broker.process is not None
    assert reload(tmp_path / "link").told == (broker.process.pid,)


async def test_another_folder_s_broker_is_not_told(broker: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert reload(tmp_path / "other").told == ()


async def test_a_pid_file_leads_to_a_broker_and_to_nothing_else(broker: Mosquitto, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "mosquitto.conf").write_text("persistence true\npid_file run.pid\n")
    assert broker.process is not None
    assert reload(volume).told == ()
    for text, told in (
        (str(broker.process.pid), (broker.process.pid,)),
        ("1", ()),
        ("", ()),
        ("99999999", ()),
    ):
        (volume / "run.pid").write_text(text)
        assert reload(volume).told == told
