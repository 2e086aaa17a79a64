"""The bus where no broker answers, or something that is none, and where what came makes a handler fail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from conche.bus import link as link_module
from conche.bus.intake import Intake
from conche.settings import Broker

from .bus_support import BIRTH, ended, sync, trying, until
from .harness import Mosquitto, free_port
from .raw import Peer, raw_server


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
