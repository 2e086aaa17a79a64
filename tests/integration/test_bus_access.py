"""What the access list and the accounts of the broker deny, also while it runs."""

import asyncio
import logging
import signal
import subprocess

import pytest

from conche.bus import Bus, BusDenied
from conche.bus import bus as bus_module
from conche.contract import Service

from .bus_support import ended, listening, running, sync, trying, until
from .harness import Mosquitto

OWN_MARK = "topic readwrite conche/service/sync/+/mark\n"


async def change_access(mosquitto: Mosquitto, line: str, new: str) -> None:
    """Put another line, or none, into the access list of the broker that runs."""
    acl = mosquitto.folder / "acl"
    acl.write_text(acl.read_text().replace(line, new))
    mosquitto.send(signal.SIGHUP)
    await asyncio.sleep(0.1)


async def test_account_that_may_not_read_its_own_mark_is_told_so(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A SUBACK proves nothing: mosquitto grants what the list denies."""
    monkeypatch.setattr(bus_module, "SENTINEL_SILENCE_S", 0.2)
    await change_access(mosquitto, OWN_MARK, OWN_MARK.replace("readwrite", "write"))
    async with trying(sync(mosquitto.settings)):
        await until(lambda: caplog.records)
    assert "the account 'sync' publishes on conche/service/sync/cx/mark does not come back" in caplog.text
    assert "check the access list" in caplog.text


async def test_account_that_may_not_write_its_own_mark_ends_the_process(mosquitto: Mosquitto) -> None:
    await change_access(mosquitto, OWN_MARK, "")
    error = await ended(sync(mosquitto.settings))
    assert isinstance(error, BusDenied)
    assert "conche/service/sync/cx/mark" in str(error)


async def test_new_accounts_work_and_removed_ones_are_cut_off_while_others_stay_connected(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    passwords = mosquitto.folder / "passwords"
    async with running(Bus(mosquitto.settings, service=Service.POLLER, instance="main")) as stays:
        goes = asyncio.create_task(ended(sync(mosquitto.settings)))
        await until(lambda: "conche-sync-cx: online" in caplog.text)
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), "script", "secret"], check=True)
        subprocess.run(["mosquitto_passwd", "-D", str(passwords), "sync"], check=True)
        mosquitto.send(signal.SIGHUP)
        error = await goes
        assert isinstance(error, BusDenied)
        assert "'sync'" in str(error)
        (mosquitto.folder / "secrets" / "script").write_text("secret")
        async with listening(mosquitto.settings, "conche/service/+/+", account="script") as got:
            await until(lambda: got)
        assert stays.connected
    assert caplog.text.count("conche-poller-main: online") == 1
