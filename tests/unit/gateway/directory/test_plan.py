"""From the settings to one directory; what can't be followed is told with the key and the remedy."""

from pathlib import Path
from typing import Any

import pytest

from conche.contract.roles import Role
from conche.errors import FatalError
from conche.gateway.directory import DirectoryMisconfigured, directory_of
from conche.gateway.directory.plan import Account, Plan, plan_of
from conche.settings import Ldap, LdapTls

BASE = "dc=auth,dc=example,dc=org"
ROLES = {Role.OPERATOR: ["telescope-operators"]}
LEAST: dict[str, Any] = {"host": "ipa1.example.org", "base_dn": BASE, "roles": ROLES}


def planned(**more: Any) -> Plan:
    return plan_of(Ldap(**{**LEAST, **more}))


def refused(**more: Any) -> str:
    with pytest.raises(DirectoryMisconfigured) as told:
        planned(**more)
    assert isinstance(told.value, FatalError)
    return str(told.value)


@pytest.mark.parametrize(
    ("settings", "host", "port", "starttls"),
    [
        ({}, "ipa1.example.org", 636, False),
        ({"host": "ldaps://ipa1.example.org"}, "ipa1.example.org", 636, False),
        ({"host": "LDAPS://ipa1.example.org/"}, "ipa1.example.org", 636, False),
        ({"host": "ldaps://ipa1.example.org:1636"}, "ipa1.example.org", 1636, False),
        ({"host": "ldaps://ipa1.example.org", "port": 1636}, "ipa1.example.org", 1636, False),
        ({"host": "ldaps://ipa1.example.org:636", "port": 636}, "ipa1.example.org", 636, False),
        ({"host": "[::1]"}, "::1", 636, False),
        ({"host": "10.0.0.1", "tls": LdapTls.STARTTLS}, "10.0.0.1", 389, True),
        ({"tls": LdapTls.STARTTLS, "port": 1389}, "ipa1.example.org", 1389, True),
    ],
)
def test_host_is_a_name_or_as_in_choco(settings: dict[str, Any], host: str, port: int, starttls: bool):
    plan = planned(**settings)
    assert (plan.host, plan.port, plan.starttls) == (host, port, starttls)
    assert plan.context.check_hostname


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"host": None}, "ldap.host is not set"),
        ({"host": ""}, "ldap.host is not set"),
        ({"host": "ldap://ipa1"}, "make it ldaps://"),
        ({"host": "ldap://ipa1", "tls": LdapTls.STARTTLS}, "the name alone"),
        ({"use_ssl": False}, "ldap.use_ssl: false would send passwords in the open; remove it"),
        ({"use_ssl": False, "tls": LdapTls.STARTTLS}, "ldap.use_ssl"),
        ({"host": "ldaps://ipa1", "tls": LdapTls.STARTTLS}, "contradict each other"),
        ({"host": "ldaps://ipa1:1", "port": 2}, "remove one of the ports"),
        ({"host": "http://ipa1"}, "that is no server"),
        ({"host": "ldaps://"}, "that is no server"),
        ({"host": "ldaps://me:secret@ipa1"}, "that is no server"),
        ({"host": "ldaps://ipa1/dc=org"}, "that is no server"),
        ({"host": "ldaps://ipa1?x"}, "that is no server"),
        ({"host": "ldaps://ipa1:x"}, "that is no server"),
        ({"host": "ldaps://ipa1:99999"}, "that is no server"),
        ({"host": "ipa1 ipa2"}, "that is no server"),
        ({"host": "ipa1\0"}, "that is no server"),
        ({"host": "::1"}, "that is no server"),
        ({"host": "[::1"}, "that is no server"),
        ({"host": "a" * 64}, "that is no server"),
        ({"base_dn": ""}, "ldap.base_dn is not set: it is such as dc="),
        ({"base_dn": "example.org"}, "ldap.base_dn: example.org: that is no distinguished name"),
        ({"user_dn": "users"}, "ldap.user_dn: users: that is no distinguished name"),
        ({"user_dn": f"cn=users,{BASE}"}, "ldap.user_dn: "),
        ({"user_dn": f"cn=users, {BASE.upper()}"}, "below ldap.base_dn already"),
        ({"group_dn": f"cn=groups,{BASE}"}, "ldap.group_dn: "),
        ({"group_dn": "groups"}, "ldap.group_dn: groups"),
        ({"user_login_attr": ""}, "ldap.user_login_attr"),
        ({"user_login_attr": "uid=*)(x"}, "ldap.user_login_attr"),
        ({"user_object_filter": ""}, "ldap.user_object_filter"),
        ({"user_object_filter": "objectclass=posixaccount"}, "such as (objectclass=posixaccount)"),
        ({"user_object_filter": "(objectclass=posixaccount"}, "ldap.user_object_filter"),
        ({"user_object_filter": "(a=b)(c=d)"}, "ldap.user_object_filter"),
        ({"roles": {}}, "nobody could log in"),
        ({"roles": {Role.OPERATOR: []}}, "ldap.roles: operator names no group"),
        ({"roles": {Role.ADMIN: ["admins", " "]}}, "ldap.roles: admin names no group"),
        ({"bind_dn": "uid=conche"}, "ldap.bind_password_file names the file"),
        ({"bind_password": "x"}, "ldap.bind_dn is not set"),
        ({"bind_dn": "conche", "bind_password": "x"}, "ldap.bind_dn: conche"),
        ({"bind_dn": "uid=conche", "bind_password": " "}, "CONCHE_LDAP__BIND_PASSWORD: "),
        ({"bind_dn": "uid=conche", "bind_password": "a\nb"}, "more than one line"),
        ({"bind_dn": "uid=conche", "bind_password_file": Path("/none")}, "/none: the password of"),
        ({"ca_file": Path("/none")}, "ldap.ca_file: /none: can't be read"),
        ({"ca_file": Path(__file__)}, "can't be read as a certificate authority"),
    ],
)  # fmt: skip
def test_what_can_not_be_followed_names_the_key_and_the_remedy(settings: dict[str, Any], words: str):
    told = refused(**settings)
    assert words in told
    assert "secret" not in told


def test_password_of_the_account_comes_from_a_file_too(tmp_path: Path):
    file = tmp_path / "password"
    file.write_text("grün\n")
    plan = planned(bind_dn="uid=conche", bind_password_file=file)
    assert plan.account == Account(dn="uid=conche", password="grün".encode())
    assert "gr" not in repr(plan.account)


def test_password_file_that_is_no_text_is_named(tmp_path: Path):
    file = tmp_path / "password"
    file.write_bytes(b"\xff\xfe")
    assert f"{file}: the password of ldap.bind_dn can't be read: it is not text" in refused(
        bind_dn="uid=conche", bind_password_file=file
    )


def test_defaults_are_those_of_free_ipa():
    plan = planned()
    assert plan.people == f"cn=users,cn=accounts,{BASE}"
    assert plan.groups.base == f"cn=groups,cn=accounts,{BASE}"
    assert (plan.login, plan.filter) == ("uid", "(objectclass=posixaccount)")
    assert plan.account is None


def test_people_may_be_right_below_the_base():
    assert planned(user_dn="").people == BASE


def test_group_of_two_roles_has_the_higher():
    roles = {Role.ADMIN: ["Staff"], Role.VIEWER: ["staff"]}
    assert planned(roles=roles).groups.role_of == {"staff": Role.ADMIN}


def test_everybody_is_enough():
    assert planned(roles={}, everybody=Role.VIEWER).everybody is Role.VIEWER


async def test_directory_of_settings_that_can_not_be_followed_is_none():
    with pytest.raises(DirectoryMisconfigured):
        directory_of(Ldap())
    async with directory_of(Ldap(**LEAST)) as directory:
        assert await directory.check("alice", "") is None
