"""Logging in with an account of a real slapd, whose tree is as FreeIPA has it."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conche.contract.roles import Role
from conche.gateway.directory import DirectoryAway
from conche.gateway.people import Person
from conche.settings import LdapTls

from .slapd_support import BASE, Slapd, directory_of, password_of, running_slapd
from .test_bus_tls import make_ca

BOTH = pytest.mark.parametrize("tls", list(LdapTls))


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with running_slapd(tmp_path_factory.mktemp("slapd")) as one:
        yield one


@pytest.fixture(autouse=True)
def _told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


async def check(slapd: Slapd, name: str, password: str | None = None, **more: Any) -> Person | None:
    async with directory_of(slapd.settings(**more)) as directory:
        return await directory.check(name, password_of(name) if password is None else password)


async def away(slapd: Slapd, **more: Any) -> str:
    """Why the directory is away."""
    with pytest.raises(DirectoryAway) as told:
        await check(slapd, "alice", **more)
    return str(told.value)


@BOTH
async def test_right_password_lets_in_with_the_role_of_the_group(slapd: Slapd, tls: LdapTls):
    assert await check(slapd, "alice", tls=tls) == Person("alice", Role.OPERATOR, "directory")


@BOTH
@pytest.mark.parametrize(
    ("name", "password", "words"),
    [
        ("alice", "Alice's own", "wrong password"),
        ("nobody", "x", "no such name"),
        ("dora", "dora's own", "is disabled"),
        ("emil", "emil's own", "in no group that ldap.roles names"),
        ("hans", "hans's own", "no such name"),
        ("twin", "twin's own", "more than one person"),
        ("without password", "x", "without password,cn=users,"),
        ("star*(x)", "star*(x)'s own", "can't stand in logs and commits"),
        ("conche", "of the account", "no such name"),
    ],
)
async def test_nobody_else_is_let_in_and_the_log_alone_says_why(
    slapd: Slapd, caplog: pytest.LogCaptureFixture, tls: LdapTls, name: str, password: str, words: str
):
    assert await check(slapd, name, password, tls=tls) is None
    assert f"login of {name!r}: refused: " in caplog.text
    assert words in caplog.text


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("alice", Role.OPERATOR),
        ("bert", Role.ENGINEER),
        ("carol", Role.ADMIN),
        ("ida", Role.VIEWER),
        ("jürgen", Role.VIEWER),
        ("o'neil", Role.OPERATOR),
    ],
)
async def test_groups_and_entries_tell_the_highest_role(slapd: Slapd, name: str, role: Role):
    assert await check(slapd, name) == Person(name, role, "directory")


async def test_group_of_the_same_name_elsewhere_gives_nothing(slapd: Slapd):
    for name in ("emil", "frank"):
        assert await check(slapd, name) is None


async def test_people_in_no_group_have_the_role_of_everybody(slapd: Slapd):
    found = await check(slapd, "emil", everybody=Role.VIEWER)
    assert found == Person("emil", Role.VIEWER, "directory")
    found = await check(slapd, "emil", everybody=Role.VIEWER, roles={})
    assert found == Person("emil", Role.VIEWER, "directory")


@pytest.mark.parametrize("given", ["GERD", "gerd", "Gerd"])
async def test_name_is_spelt_as_in_the_directory(slapd: Slapd, given: str):
    found = await check(slapd, given, password_of("Gerd"))
    assert found == Person("Gerd", Role.OPERATOR, "directory")


async def test_second_name_of_a_person_is_a_name(slapd: Slapd):
    found = await check(slapd, "gg", password_of("Gerd"))
    assert found == Person("gg", Role.OPERATOR, "directory")


async def test_letters_of_another_width_are_another_name(slapd: Slapd, caplog: pytest.LogCaptureFixture):
    assert await check(slapd, "ａlice", "alice's own") is None
    assert "spelt differently" in caplog.text


@pytest.mark.parametrize(
    "name",
    ["*", "a*", "*)(uid=*", "alice)(uid=*", "alice)(|(uid=*)", "(alice)", "alice\\", "\\2a", "\\61lice", "a\\00",
     "alice,cn=users", "uid=alice", "#alice", "&", "!", "|", "alice;range=0-1", "ß" * 64, "😀", "Alice\u0301"],
)  # fmt: skip
async def test_no_name_is_read_as_anything_else(slapd: Slapd, caplog: pytest.LogCaptureFixture, name: str):
    assert await check(slapd, name, "alice's own") is None
    assert "no such name" in caplog.text


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice", ""),
        ("", "alice's own"),
        ("alice\0", "alice's own"),
        (" alice", "alice's own"),
        ("alice ", "alice's own"),
        ("ali\nce", "alice's own"),
        ("\ud800", "alice's own"),
        ("a" * 10_000, "alice's own"),
        ("alice", "\ud800"),
        ("alice", "\0"),
        ("alice", "alice's own\0"),
        ("alice", "x" * 10_000),
    ],
)
async def test_what_is_no_name_or_password_is_refused_before_the_directory_sees_it(
    slapd: Slapd, caplog: pytest.LogCaptureFixture, name: str, password: str
):
    before = slapd.log
    assert await check(slapd, name, password) is None
    assert slapd.log == before
    assert "login: refused: " in caplog.text
    assert len(caplog.messages[-1]) < 100


async def test_password_of_signs_that_stand_for_nothing_is_not_taken_for_an_empty_one(
    slapd: Slapd, caplog: pytest.LogCaptureFixture
):
    assert await check(slapd, "alice", "\u00ad") is None
    assert "wrong password" in caplog.text


async def test_no_password_is_logged(slapd: Slapd, caplog: pytest.LogCaptureFixture):
    for password in ("a secret word", "alice's own"):
        await check(slapd, "alice", password)
    await away(slapd, bind_password="the account's secret")
    for secret in ("a secret word", "alice's own", "the account's secret"):
        assert secret not in caplog.text
        assert secret not in slapd.log


async def test_wrong_password_of_the_searching_account_is_no_refusal_of_a_person(
    slapd: Slapd, caplog: pytest.LogCaptureFixture
):
    words = await away(slapd, bind_password="wrong")
    assert "invalidCredentials" in words
    assert "ldap.bind_password_file" in words
    assert "directory 127.0.0.1" in caplog.text


async def test_search_by_nobody_is_refused_and_the_remedy_said(slapd: Slapd):
    words = await away(slapd, bind_dn=None, bind_password=None)
    assert "ldap.bind_dn" in words


async def test_people_who_are_not_where_the_settings_say_are_no_unknown_names(slapd: Slapd):
    words = await away(slapd, user_dn="cn=people,cn=accounts")
    assert f"below cn=people,cn=accounts,{BASE}: noSuchObject; see ldap.user_dn" in words


async def test_groups_that_are_not_where_the_settings_say_are_no_lack_of_groups(slapd: Slapd):
    words = await away(slapd, group_dn="cn=teams,cn=accounts")
    assert f"below cn=teams,cn=accounts,{BASE}: noSuchObject; see ldap.group_dn" in words


async def test_choco_settings_work_as_they_are(slapd: Slapd):
    found = await check(slapd, "alice", host="ldaps://127.0.0.1", use_ssl=True)
    assert found == Person("alice", Role.OPERATOR, "directory")


@BOTH
async def test_certificate_of_another_authority_ends_it_before_a_password_is_sent(
    slapd: Slapd, tmp_path: Path, tls: LdapTls
):
    before = slapd.log.count("BIND")
    words = await away(slapd, tls=tls, ca_file=make_ca(tmp_path, "other"))
    assert "certificate is not trusted" in words
    assert "ldap.ca_file" in words
    assert slapd.log.count("BIND") == before


@BOTH
async def test_certificate_of_another_host_ends_it_before_a_password_is_sent(slapd: Slapd, tls: LdapTls):
    before = slapd.log.count("BIND")
    words = await away(slapd, tls=tls, host="localhost")
    assert "not valid for 'localhost'" in words
    assert slapd.log.count("BIND") == before


@pytest.mark.parametrize("tls", list(LdapTls))
async def test_port_of_the_other_kind_of_encryption_is_said(slapd: Slapd, tls: LdapTls):
    other = slapd.ldaps_port if tls is LdapTls.STARTTLS else slapd.port
    words = await away(slapd, tls=tls, port=other, timeout_s=30)
    assert "is ldap.port that of ldap.tls, ldaps or starttls?" in words
