"""The client where nobody is there, and how the failures to look at a kotekan are told apart."""

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from conche.kotekan.client import Reader
from conche.kotekan.connection import Address, Connection
from conche.kotekan.errors import (
    KotekanBusy,
    KotekanClosed,
    KotekanGarbled,
    KotekanHttpError,
    KotekanRefused,
    KotekanUnreachable,
)
from conche.kotekan.snapshot import failure

from .kotekan_support import connected
from .raw import answering, reply


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "a\0b", "x" * 300, "255.255.255.255"])
async def test_name_or_address_that_leads_nowhere_is_unreachable(host: str) -> None:
    with pytest.raises(KotekanUnreachable, match=r":12048: \w"):
        await Connection.open(Address(host, 12048))


async def test_no_answer_to_the_connection_is_unreachable() -> None:
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = Address("127.0.0.1", listener.getsockname()[1])
        for _ in range(4):  # they fill the queue, and the kernel drops what comes next
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex((address.host, address.port))
        with pytest.raises(KotekanUnreachable, match=r"no answer to the connection within 0\.1 s"):
            await Connection.open(address, timeout=0.1)


def lead_names_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    """Let every name have these addresses, in this order."""

    async def resolve(_host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)


async def test_name_with_several_addresses_that_all_refuse_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As localhost has two, and every name with both kinds of address."""
    lead_names_to(monkeypatch, "127.0.0.1", "127.0.0.2")
    with pytest.raises(KotekanRefused):
        await Connection.open(Address("both.kinds", 1))


async def test_second_address_of_a_name_is_tried_where_the_first_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lead_names_to(monkeypatch, "127.0.0.2", "127.0.0.1")
    async with answering(reply(b"{}")) as server, connected(Address("x", server.address.port)) as connection:
        assert await Reader(connection).config() == b"{}"


@pytest.mark.parametrize(
    ("error", "reach"),
    [
        (KotekanRefused(""), "refused"),
        (KotekanUnreachable(""), "unreachable"),
        (KotekanBusy(""), "busy"),
        (KotekanClosed(""), "http-error"),
        (KotekanGarbled(""), "http-error"),
        (KotekanHttpError("", status=500, words=""), "http-error"),
    ],
)
def test_failed_looks_stay_apart(error: Any, reach: str) -> None:
    assert failure(error).reach == reach
    assert not failure(error).idle
