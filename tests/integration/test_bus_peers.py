"""The bus and those who are not, or no longer, what they should be: brokers, successors, oneself."""

import asyncio
import logging
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.json import decode

from conche import contract
from conche.bus import Bus, BusDenied, BusTakenOver
from conche.bus import bus as bus_module
from conche.bus import link as link_module
from conche.bus.errors import BusFatal
from conche.bus.intake import Intake
from conche.contract import Service
from conche.settings import Broker

from .bus_support import ended, listening, observed, publish, running, trying, until
from .harness import Mosquitto, free_port, free_range
from .raw import Peer, raw_server

BIRTH = "conche/service/sync/cx"
PROGRAM = Path(__file__).with_name("bus_process.py")


def sync(broker: Broker) -> Bus:
    return Bus(broker, service=Service.SYNC, instance="cx")


def states(messages: list[Any]) -> list[str]:
    return [decode(message.payload, type=contract.ServiceBirth).state for message in messages]


# --- what is no broker


@asynccontextmanager
async def impostor(answer: bytes | None) -> AsyncIterator[Broker]:
    """Something that listens and is no broker: it sends some bytes, or nothing, and closes."""

    async def serve(peer: Peer) -> None:
        if answer is not None:
            await peer.read()
            peer.send(answer)
            await asyncio.sleep(0.1)

    async with raw_server(serve) as server:
        yield Broker(port=server.address.port)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n",
        b"\x00" * 100,
        b"\xff" * 100,
        b"\x20\x03\x00\x00",  # a broken greeting
        b"\x20\x03\x00\x00\x00\x30\x05\x00\x03\xff\xfe\xfd\x00",  # a topic that is no text
        b"\x20\x03\x00\x84\x00",  # knows no MQTT 5
    ],
)
async def test_port_of_something_else_is_tried_again_in_words_and_never_in_a_frenzy(
    answer: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    unseen: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    async with impostor(answer) as broker, trying(sync(broker)):
        await until(lambda: caplog.records, timeout=3)
    assert caplog.records[0].getMessage().startswith("conche-sync-cx: ")
    assert not unseen


async def test_same_trouble_is_logged_once_and_another_again(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    async with trying(sync(Broker(port=port))):
        await asyncio.sleep(0.6)
        assert len(caplog.records) == 1
        assert f"broker 127.0.0.1:{port}: " in caplog.text
        assert "refused" in caplog.text

        async def hang_up(peer: Peer) -> None:
            pass

        async with raw_server(hang_up, port=port):
            await until(lambda: len(caplog.records) == 2)


@pytest.mark.parametrize("host", ["", "a..b", "no-such-host.invalid"])
async def test_broker_s_name_that_leads_nowhere_is_said(host: str, caplog: pytest.LogCaptureFixture) -> None:
    async with trying(sync(Broker(host=host))):
        await until(lambda: caplog.records)
    assert f"broker {host}:1883: " in caplog.text


async def test_broker_that_is_silent_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(link_module, "CONNECT_TIMEOUT_S", 1.1)

    async with raw_server(Peer.end_of_file) as server, trying(sync(Broker(port=server.address.port))):
        await until(lambda: caplog.records, timeout=3)
    assert f"broker {server.address}: no answer" in caplog.text


async def test_error_of_a_handler_in_the_midst_of_reading_ends_the_service(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Intake, message: Any) -> None:
        raise LookupError(message.topic)

    monkeypatch.setattr(Intake, "put", fail)
    error = await ended(sync(mosquitto.settings))
    assert isinstance(error, LookupError)
    assert str(error) == BIRTH


# --- TLS


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_ca(folder: Path, name: str) -> Path:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")
    openssl(folder, "req", "-x509", *key, "-out", f"{name}.crt", "-subj", f"/CN={name}", "-days", "2")
    return folder / f"{name}.crt"


def make_certificate(folder: Path, ca: str, address: str) -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "server.key")
    name = ("-subj", f"/CN={address}", "-addext", f"subjectAltName=IP:{address}")
    openssl(folder, "req", *key, *name, "-out", "server.csr")
    signed = ("-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial", "-copy_extensions", "copy")
    openssl(folder, "x509", "-req", "-in", "server.csr", *signed, "-out", "server.crt", "-days", "2")


@asynccontextmanager
async def tls(mosquitto: Mosquitto, address: str = "127.0.0.1") -> AsyncIterator[tuple[int, Path]]:
    """The broker with a port for TLS; and the authority that signed its certificate."""
    mosquitto.stop()
    ca = make_ca(mosquitto.folder, "ca")
    make_certificate(mosquitto.folder, "ca", address)
    port = free_range(1)
    listener = f"listener {port} 127.0.0.1\ncertfile server.crt\nkeyfile server.key\n"
    (mosquitto.folder / "listeners" / "tls.conf").write_text(listener)
    await mosquitto.start()
    yield port, ca


def secured(mosquitto: Mosquitto, port: int, ca: Path | None) -> Broker:
    return Broker(port=port, secrets=mosquitto.folder / "secrets", ca_file=ca)


async def test_three_thousand_states_go_and_come_over_tls(mosquitto: Mosquitto) -> None:
    got = set()
    async with tls(mosquitto) as (port, ca):
        broker = secured(mosquitto, port, ca)
        async with running(Bus(broker, service=Service.POLLER, instance="main")) as poller:
            for i in range(3000):
                poller.own(contract.NODE_OBSERVED, observed(), group="cx", node=f"n{i}")
            await poller.settled()
            reader = sync(broker)
            reader.subscribe(contract.NODE_OBSERVED, lambda p, _: got.add(p["node"]))
            async with running(reader):
                assert len(got) == 3000


@pytest.mark.parametrize(
    ("address", "authority", "words"),
    [
        ("127.0.0.1", "other", "certificate verify failed"),
        ("127.0.0.2", "ca", "IP address mismatch"),
        ("127.0.0.1", None, ""),
    ],
    ids=["another authority", "another host", "no TLS"],
)
async def test_broker_that_does_not_prove_who_it_is_is_not_talked_to(
    mosquitto: Mosquitto, address: str, authority: str | None, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with tls(mosquitto, address) as (port, ca):
        make_ca(mosquitto.folder, "other")
        trusted = ca.with_name(f"{authority}.crt") if authority else None
        async with trying(sync(secured(mosquitto, port, trusted))):
            await until(lambda: caplog.records)
    assert words in caplog.text


async def test_tls_to_a_port_without_it_is_said(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    ca = make_ca(mosquitto.folder, "ca")
    async with trying(sync(secured(mosquitto, mosquitto.port, ca))):
        await until(lambda: caplog.records)
    assert "conche-sync-cx: broker 127.0.0.1:" in caplog.text


@pytest.mark.parametrize("content", [None, "", "not a certificate"])
async def test_authority_that_can_not_be_read_ends_the_process_and_is_named(
    tmp_path: Path, content: str | None
) -> None:
    ca = tmp_path / "ca.crt"
    if content is not None:
        ca.write_text(content)
    error = await ended(sync(Broker(ca_file=ca)))
    assert isinstance(error, BusFatal)
    assert str(error).startswith(f"{ca}: the broker's certificate authority can't be read: ")


# --- what the access list says


async def test_account_that_may_not_read_its_own_mark_is_told_so(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A SUBACK proves nothing: mosquitto grants what the list denies."""
    monkeypatch.setattr(bus_module, "SENTINEL_SILENCE_S", 0.2)
    acl = mosquitto.folder / "acl"
    acl.write_text(
        acl.read_text().replace(
            "topic readwrite conche/service/sync/+/mark", "topic write conche/service/sync/+/mark"
        )
    )
    mosquitto.send(signal.SIGHUP)
    await asyncio.sleep(0.1)
    async with trying(sync(mosquitto.settings)):
        await until(lambda: caplog.records)
    assert "the account 'sync' publishes on conche/service/sync/cx/mark does not come back" in caplog.text
    assert "check the access list" in caplog.text


async def test_account_that_may_not_write_its_own_mark_ends_the_process(mosquitto: Mosquitto) -> None:
    acl = mosquitto.folder / "acl"
    acl.write_text(acl.read_text().replace("topic readwrite conche/service/sync/+/mark\n", ""))
    mosquitto.send(signal.SIGHUP)
    await asyncio.sleep(0.1)
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


# --- successors, and the way they are noticed


async def test_of_two_that_start_together_one_works_and_the_other_ends(mosquitto: Mosquitto) -> None:
    buses = [sync(mosquitto.settings) for _ in range(2)]
    tasks = [asyncio.create_task(ended(bus)) for bus in buses]
    done, (left,) = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert isinstance(done.pop().result(), BusTakenOver)
    await until(lambda: any(bus.connected for bus in buses))
    await asyncio.sleep(0.3)
    assert not left.done()
    left.cancel()
    await asyncio.wait([left])


async def test_predecessor_that_comes_back_while_its_successor_still_reads_gives_way(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mosquitto 2.0.11 tells nobody that he was taken over; else the two would evict each other without end."""
    first, second = sync(mosquitto.settings), sync(mosquitto.settings)
    read = second._await_sentinel

    async def read_long(link: Any) -> None:
        await asyncio.wait([link.closed], timeout=0.5)
        await read(link)

    monkeypatch.setattr(second, "_await_sentinel", read_long)
    task = asyncio.create_task(ended(first))
    await first.picture_complete()
    async with running(second):
        assert isinstance(await asyncio.wait_for(task, 3), BusTakenOver)
        await until(lambda: second.connected)


async def test_successor_is_noticed_at_the_next_connection(mosquitto: Mosquitto) -> None:
    first = sync(mosquitto.settings)
    task = asyncio.create_task(ended(first))
    await first.picture_complete()
    mosquitto.send(signal.SIGSTOP)
    first._link.give_up()
    mosquitto.send(signal.SIGCONT)
    publish(
        mosquitto,
        BIRTH,
        '{"state":"online","boot":"x","since":"2026-01-01T00:00:00Z","host":"far"}',
        "-r",
        account="sync",
    )
    error = await task
    assert isinstance(error, BusTakenOver)
    assert "(far)" in str(error)


async def test_process_that_stood_still_takes_no_step_before_it_has_asked_who_else_is_there(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bus_module, "FRESH_S", 0.3)
    async with running(sync(mosquitto.settings)) as bus:
        await until(lambda: bus.connected)
        before = bus._link
        seen: list[tuple[bool, bool]] = []

        async def watch() -> None:
            while True:
                seen.append((bus.connected, bus._link is before))
                await asyncio.sleep(0)

        await asyncio.sleep(0.1)
        time.sleep(0.5)  # noqa: ASYNC251  # as a process that is frozen
        watching = asyncio.create_task(watch())
        await until(lambda: bus.connected)
        watching.cancel()
    assert (True, True) not in seen
    assert "stood still for 0." in caplog.text


async def test_lost_connection_is_seen_at_once_while_looking_around(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Intake, "_on_mark", lambda *_: None)
    async with trying(sync(mosquitto.settings)):
        await asyncio.sleep(0.3)
        mosquitto.stop(signal.SIGKILL)
        await until(lambda: caplog.records, timeout=2)


# --- births and last wills


@asynccontextmanager
async def process(mosquitto: Mosquitto, *, keepalive_s: int = 5, will_delay_s: int = 3) -> AsyncIterator[Any]:
    """A service in a process of its own, once it writes; and the file that it writes to."""
    file = mosquitto.folder / "written"
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *(
            str(PROGRAM),
            str(mosquitto.port),
            str(mosquitto.folder / "secrets"),
            str(keepalive_s),
            str(will_delay_s),
        ),
        str(file),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await until(lambda: file.exists() and file.stat().st_size)
        yield child, file
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def test_killed_process_is_lost_after_the_will_s_delay(mosquitto: Mosquitto) -> None:
    async with process(mosquitto) as (child, _), listening(mosquitto.settings, BIRTH) as got:
        await until(lambda: states(got)[-1:] == ["online"])
        child.kill()
        began = time.monotonic()
        await until(lambda: states(got)[-1] != "online")
        assert states(got)[-1] == "lost"
        assert 2 < time.monotonic() - began < 8


async def test_frozen_process_is_lost_and_wakes_to_find_that_it_was_replaced(mosquitto: Mosquitto) -> None:
    async with (
        process(mosquitto, keepalive_s=2, will_delay_s=0) as (child, file),
        listening(mosquitto.settings, BIRTH) as got,
    ):
        child.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        await until(lambda: states(got)[-1:] == ["lost"])
        assert (
            time.monotonic() - began < 8
        )  # one and a half keepalives, and the broker looks every few seconds
        written = file.stat().st_size
        async with running(sync(mosquitto.settings)) as successor:
            child.send_signal(signal.SIGCONT)
            _, log = await asyncio.wait_for(child.communicate(), 5)
            assert child.returncode == 1
            assert b"took over" in log or b"taken over" in log
            assert file.stat().st_size == written
            await until(lambda: successor.connected)  # the other's return has cost it its connection
        assert states(got)[-2:] == ["online", "offline"]


async def test_quick_reconnect_and_a_stop_in_good_order_show_no_loss(mosquitto: Mosquitto) -> None:
    async with listening(mosquitto.settings, BIRTH) as got:
        async with running(sync(mosquitto.settings)) as bus:
            await bus.settled()
            bus._link.give_up()  # as by a network that fails for a moment
            await until(lambda: not bus.connected)
            await until(lambda: bus.connected)
            await bus.settled()
        await asyncio.sleep(link_module.WILL_DELAY_S + 0.5)
        assert states(got) == ["offline", "online", "offline"]  # the first announces its boot
