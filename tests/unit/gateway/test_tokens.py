import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from conche.contract.roles import Role
from conche.gateway import tokens as module
from conche.gateway.store import opened
from conche.gateway.tokens import TokenRefused, Tokens


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with opened(tmp_path) as store:
        yield store


@pytest.fixture
def now() -> list[float]:
    return [1e9]


@pytest.fixture
def tokens(store, now) -> Tokens:
    return Tokens(store, now=lambda: now[0])


def test_a_token_stands_for_its_script_until_its_day(tokens, now):
    token = tokens.create("nightly", role=Role.ENGINEER, lasts=timedelta(days=1))
    now[0] += 86_399
    person = tokens.find(token)
    assert (person.name, person.role, person.via) == ("nightly", Role.ENGINEER, "token nightly")
    now[0] += 1
    assert tokens.find(token) is None


def test_a_token_without_a_day_goes_on(tokens, now):
    token = tokens.create("nightly", role=Role.VIEWER, lasts=None)
    now[0] += 1e9
    assert tokens.find(token) is not None


def test_a_token_that_another_process_revoked_is_refused_at_once(tokens, tmp_path: Path):
    token = tokens.create("nightly", role=Role.VIEWER, lasts=None)
    assert tokens.find(token) is not None
    with opened(tmp_path) as elsewhere:
        Tokens(elsewhere).revoke("nightly")
    assert tokens.find(token) is None


def test_a_name_that_was_revoked_can_be_had_again_and_its_old_token_not(tokens):
    old = tokens.create("nightly", role=Role.VIEWER, lasts=None)
    tokens.revoke("nightly")
    new = tokens.create("nightly", role=Role.ADMIN, lasts=None)
    assert tokens.find(old) is None
    assert tokens.find(new).role is Role.ADMIN


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token.removeprefix("conche_"),
        lambda token: token + "A",
        lambda token: token + "\n",
        lambda token: token.upper(),
        lambda _: "",
        lambda _: "conche_" + "A" * 43,
        lambda _: "conche_' OR 1=1 --",
        lambda _: "conche_" + "ä" * 43,
    ],
)
def test_a_forged_token_is_nobodys(tokens, forge):
    token = tokens.create("nightly", role=Role.VIEWER, lasts=None)
    assert tokens.find(forge(token)) is None


def test_last_use_is_known_to_the_minute(tokens, now):
    token = tokens.create("nightly", role=Role.VIEWER, lasts=None)
    assert tokens.listed()[0].used_at is None
    tokens.find(token)
    first = tokens.listed()[0].used_at
    now[0] += 59
    tokens.find(token)
    assert tokens.listed()[0].used_at == first
    now[0] += 2
    tokens.find(token)
    assert tokens.listed()[0].used_at == first + timedelta(seconds=61)


def test_there_is_an_end_to_the_tokens(tokens, monkeypatch):
    monkeypatch.setattr(module, "MAX_TOKENS", 2)
    tokens.create("one", role=Role.VIEWER, lasts=None)
    tokens.create("two", role=Role.VIEWER, lasts=None)
    with pytest.raises(TokenRefused, match="revoke some"):
        tokens.create("three", role=Role.VIEWER, lasts=None)
