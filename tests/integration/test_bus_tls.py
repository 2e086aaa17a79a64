"""The bus over TLS, and brokers that do not prove who they are."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from conche import contract
from conche.bus import Bus
from conche.bus.errors import BusFatal
from conche.contract import Service
from conche.settings import Broker

from .bus_support import ended, observed, running, sync, trying, until
from .harness import Mosquitto, free_range


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
