"""Logging in while the directory is away, slow, lost in the middle, or not what it says it is."""

import asyncio
import logging
import random
from collections.abc import Iterator
from typing import Any

import pytest

from conche.contract.roles import Role
from conche.gateway.directory import Directory, DirectoryAway, asking
from conche.gateway.directory.directory import THREADS, WAITING
from conche.gateway.directory.plan import plan_of
from conche.gateway.people import Person
from conche.settings import LdapTls

from .harness import free_port
from .slapd_support import (
    Slapd,
    answering,
    cut_after,
    directory_of,
    listening,
    password_of,
    running_slapd,
    silent,
)

ALICE = Person("alice", Role.OPERATOR, "directory")
BOTH = pytest.mark.parametrize("tls", list(LdapTls))


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with running_slapd(tmp_path_factory.mktemp("slapd")) as one:
        yield one


async def check(slapd: Slapd, name: str = "alice", password: str | None = None, **more: Any) -> Person | None:
    async with directory_of(slapd.settings(**more)) as directory:
        return await directory.check(name, password or password_of(name))


async def away(slapd: Slapd, **more: Any) -> str:
    """Why the directory is away."""
    with pytest.raises(DirectoryAway) as told:
        await check(slapd, **more)
    return str(told.value)


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def nested(depth: int) -> bytes:
    """Sequences in one another."""
    content = b""
    for _ in range(depth):
        content = b"\x30\x84" + len(content).to_bytes(4, "big") + content
    return content


async def test_nobody_listens(slapd: Slapd, caplog: pytest.LogCaptureFixture):
    assert await away(slapd, port=free_port()) == "no connection: Connection refused"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING


async def test_nobody_knows_the_name(slapd: Slapd):
    words = await away(slapd, host="no-such-host.invalid", timeout_s=30)
    assert words.startswith("nobody knows the name of its host")


async def test_next_address_of_a_host_is_tried_where_the_first_refuses(
    slapd: Slapd, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(asking, "addresses_of", lambda host: ["127.0.0.2", host])
    assert await check(slapd) == ALICE


@BOTH
@pytest.mark.parametrize("hold", [False, True], ids=["lost", "silent"])
async def test_wherever_the_server_ends_in_the_middle_nobody_is_let_in(
    slapd: Slapd, tls: LdapTls, hold: bool
):
    port = slapd.settings(tls=tls).port
    assert port is not None
    told: list[int] = []
    async with listening(cut_after(port, 1_000_000, told=told)) as front:
        assert await check(slapd, tls=tls, port=front.port) == ALICE
    for count in range(0, sum(told) - 100, 250 if hold else 50):  # the last bytes are of the farewell
        async with listening(cut_after(port, count, hold=hold)) as front:
            words = await away(slapd, tls=tls, port=front.port, timeout_s=0.3 if hold else 5.0)
            assert front.accepted == 1
            assert ("in time" in words) is hold, (count, words)


@BOTH
async def test_server_that_says_nothing_is_given_up_while_the_loop_goes_on(slapd: Slapd, tls: LdapTls):
    async with (
        listening(silent) as server,
        directory_of(slapd.settings(tls=tls, port=server.port, timeout_s=0.5)) as directory,
    ):
        login = asyncio.create_task(directory.check("alice", "x"))
        await until(lambda: server.accepted)
        assert not login.done()
        with pytest.raises(DirectoryAway, match="in time"):
            await login
        await until(lambda: server.open == 0)


@BOTH
async def test_server_that_says_a_byte_now_and_then_is_given_up_too(slapd: Slapd, tls: LdapTls):
    certificate = slapd.folder if tls is LdapTls.LDAPS else None
    dripping = answering(b"\x30\x82\xff\xff", *[b"\x00"] * 1000, pause_s=0.05)
    async with listening(dripping, certificate) as server:
        words = await away(slapd, tls=tls, port=server.port, timeout_s=1.0)
        assert "in time" in words
        await until(lambda: server.open == 0)


@BOTH
async def test_server_that_answers_without_end_is_given_up(slapd: Slapd, tls: LdapTls):
    certificate = slapd.folder if tls is LdapTls.LDAPS else None
    async with listening(
        answering(b"\x30\x84\xff\xff\xff\xff", b"\0" * 65536, endless=True), certificate
    ) as server:
        words = await away(slapd, tls=tls, port=server.port, timeout_s=20)
        assert words.startswith("it answers more than anybody asked for")
        await until(lambda: server.open == 0)


@BOTH
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\0" * 100,
        b"\xff" * 100,
        b"0\x00\x00",
        b"0\x03\x02\x01\x01",
        b"0\x0c\x02\x01\x01a\x07\n\x01\x00\x04\x00\x04\x00",
        b"0\x0c\x02\x01\x63x\x07\n\x01\x00\x04\x00\x04\x00",
        nested(500),
        nested(20_000),
        *(random.Random(seed).randbytes(200) for seed in range(10)),
    ],
    ids=lambda answer: repr(answer[:8]),
)
async def test_what_is_no_ldap_is_said_and_nobody_let_in(slapd: Slapd, tls: LdapTls, answer: bytes):
    certificate = slapd.folder if tls is LdapTls.LDAPS else None
    async with listening(answering(answer), certificate) as server:
        await away(slapd, tls=tls, port=server.port, timeout_s=0.5)
        await until(lambda: server.open == 0)


async def test_other_directories_that_it_refers_to_are_not_asked(slapd: Slapd):
    async with listening(silent, port=slapd.elsewhere) as elsewhere:
        assert await check(slapd) == ALICE
        assert await check(slapd, "nobody") is None
        words = await away(slapd, base_dn="dc=elsewhere")
        assert "referral" in words
        assert elsewhere.accepted == 0


async def test_fifty_at_once_are_bounded_and_told(slapd: Slapd):
    port = free_port()
    async with directory_of(slapd.settings(port=port, timeout_s=30)) as directory:
        async with listening(silent, port=port) as server:
            logins = [asyncio.create_task(directory.check(f"p{i}", "x")) for i in range(50)]
            await until(lambda: server.accepted == THREADS)
            told = [login for login in logins if login.done()]
            assert len(told) == 50 - THREADS - WAITING
            assert all("busy" in str(login.exception()) for login in told)
        answers = await asyncio.gather(*logins, return_exceptions=True)
        assert all(isinstance(answer, DirectoryAway) for answer in answers)


async def test_as_many_as_may_wait_are_let_in(slapd: Slapd):
    async with directory_of(slapd.settings(timeout_s=30)) as directory:
        count = THREADS + WAITING
        logins = (directory.check("alice", password_of("alice")) for _ in range(count))
        assert await asyncio.gather(*logins) == [ALICE] * count


async def test_logins_that_nobody_waits_for_any_more_give_their_places_back(slapd: Slapd):
    async with (
        listening(silent) as server,
        directory_of(slapd.settings(port=server.port, timeout_s=0.5)) as directory,
    ):
        for _ in range(3):
            logins = [asyncio.create_task(directory.check("alice", "x")) for _ in range(THREADS + WAITING)]
            await until(lambda: server.open == THREADS)
            for login in logins:
                login.cancel()
            await asyncio.gather(*logins, return_exceptions=True)
            await until(lambda: server.open == 0)
        with pytest.raises(DirectoryAway, match="in time"):
            await directory.check("alice", "x")


async def test_end_waits_for_no_login_longer_than_it_may_take(slapd: Slapd):
    async with listening(silent) as server:
        async with directory_of(slapd.settings(port=server.port, timeout_s=0.5)) as directory:
            login = asyncio.create_task(directory.check("alice", "x"))
            await until(lambda: server.open)
        with pytest.raises(DirectoryAway):
            await login
        await until(lambda: not server.open)


async def test_directory_that_comes_back_is_asked_again(slapd: Slapd):
    port = free_port()
    async with directory_of(slapd.settings(port=port)) as directory:
        with pytest.raises(DirectoryAway):
            await directory.check("alice", password_of("alice"))
        async with listening(cut_after(slapd.ldaps_port, 1_000_000), port=port):
            assert await directory.check("alice", password_of("alice")) == ALICE


@pytest.mark.parametrize(
    ("name", "password"), [("alice", "wrong"), ("nobody", "wrong"), ("dora", "dora's own")]
)
async def test_refusals_take_the_same_time_whatever_their_reason(slapd: Slapd, name: str, password: str):
    clock = asyncio.get_running_loop()
    async with Directory(plan_of(slapd.settings()), refusal_s=2.0) as directory:
        started = clock.time()
        assert await directory.check(name, password) is None
        assert clock.time() - started >= 1.99
