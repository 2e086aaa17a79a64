"""What follows from what a directory knows of somebody."""

from collections.abc import Sequence
from typing import Any

import pytest

from conche.contract.roles import Role
from conche.gateway.directory.judging import Entry, Known, Refusal, known, role_of
from conche.gateway.directory.plan import Plan, plan_of
from conche.settings import Ldap

BASE = "dc=example,dc=org"
GROUPS = f"cn=groups,cn=accounts,{BASE}"
DN = f"uid=alice,cn=users,cn=accounts,{BASE}"
ROLES = {Role.VIEWER: ["v", "a, b"], Role.OPERATOR: ["o"], Role.ADMIN: ["Admins"]}


def plan(**more: Any) -> Plan:
    return plan_of(Ldap(**{"host": "x", "base_dn": BASE, "roles": ROLES, **more}))


def entry(*names: str, **more: Sequence[str]) -> Entry:
    return Entry(dn=DN, values={"uid": names, **{key.casefold(): values for key, values in more.items()}})


def words(answer: object) -> str:
    assert isinstance(answer, Refusal)
    return answer.words


def test_one_entry_of_the_name_is_somebody():
    found = known("ALICE", [entry("Alice", memberOf=["cn=x"])], plan=plan())
    assert found == Known(dn=DN, name="Alice", groups=["cn=x"])


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ([], "no such name"),
        ([entry("alice"), entry("alice")], "more than one person"),
        ([entry("ａlice")], "spelt differently"),
        ([entry()], "spelt differently"),
        ([entry("alice", nsAccountLock=["TRUE"])], "is disabled"),
        ([entry("alice", nsAccountLock=["false", " true"])], "is disabled"),
    ],
)
def test_anything_else_is_nobody(found: list[Entry], why: str):
    assert why in words(known("alice", found, plan=plan()))


def test_account_that_is_said_not_to_be_locked_is_not():
    assert isinstance(known("alice", [entry("alice", nsAccountLock=["FALSE"])], plan=plan()), Known)


@pytest.mark.parametrize("name", ["a" * 65, "-alice", "al*ice", "a:b", "a/b"])
def test_name_that_can_not_stand_in_commits_is_refused(name: str):
    assert "can't stand in logs" in words(known(name, [entry(name)], plan=plan()))


@pytest.mark.parametrize(
    ("told", "found", "role"),
    [
        ([f"cn=v,{GROUPS}"], [], Role.VIEWER),
        ([f"CN=O,{GROUPS.upper()}"], [], Role.OPERATOR),
        ([f"cn=a\\, b,{GROUPS}"], [], Role.VIEWER),
        ([f"cn=a\\2c b,{GROUPS}"], [], Role.VIEWER),
        ([], ["ADMINS"], Role.ADMIN),
        ([f"cn=v,{GROUPS}"], ["o"], Role.OPERATOR),
        ([f"cn=admins,{GROUPS}", f"cn=v,{GROUPS}"], ["o"], Role.ADMIN),
        (["garbage", "", f"cn=v,{GROUPS}"], ["unknown"], Role.VIEWER),
    ],
)
def test_highest_of_the_groups_counts(told: list[str], found: list[str], role: Role):
    person = Known(dn=DN, name="alice", groups=told)
    groups = [Entry(dn="", values={"cn": [name]}) for name in found]
    assert role_of(person, groups, plan=plan()) is role


@pytest.mark.parametrize(
    "told",
    [
        [],
        [f"cn=admins,cn=roles,cn=accounts,{BASE}"],
        [f"cn=admins,cn=own,{GROUPS}"],
        [f"ou=admins,{GROUPS}"],
        ["cn=admins"],
        [f"cn=admins\\,{GROUPS}"],
        [GROUPS],
    ],
)
def test_groups_elsewhere_are_not_those(told: list[str]):
    person = Known(dn=DN, name="alice", groups=told)
    assert "in no group that ldap.roles names" in words(role_of(person, [], plan=plan()))
    assert role_of(person, [], plan=plan(everybody=Role.VIEWER)) is Role.VIEWER


def test_role_of_everybody_raises_nobody_above_his_group():
    person = Known(dn=DN, name="alice", groups=[f"cn=v,{GROUPS}"])
    assert role_of(person, [], plan=plan(everybody=Role.OPERATOR)) is Role.VIEWER
