import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from conche.cli.main import main
from conche.contract import Role
from conche.gateway.store import FILE, opened
from conche.gateway.tokens import Tokens


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONCHE_HOME", str(tmp_path / "home"))

    def run(*words: str, where: bool = True, **options):
        more = ["--state-dir", str(tmp_path / "state")] if where else []
        return CliRunner().invoke(main, ["tokens", *words, *more], prog_name="conche", **options)

    return run


def test_a_token_is_all_that_goes_to_standard_output_and_is_good(tokens, tmp_path: Path):
    ran = tokens("create", "nightly", "--role", "operator")
    assert ran.exit_code == 0
    assert re.fullmatch(r"conche_[\w-]{43}\n", ran.stdout)
    with opened(tmp_path / "state") as store:
        person = Tokens(store).find(ran.stdout.strip())
    assert person is not None
    assert (person.name, person.role, person.via) == ("nightly", Role.OPERATOR, "token nightly")


def test_the_token_is_nowhere_in_the_file_nor_in_what_is_listed(tokens, tmp_path: Path):
    token = tokens("create", "nightly", "--role", "operator").stdout.strip()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())
    assert token.encode() not in kept
    assert token not in tokens("list", "--json").output


def test_list_tells_role_end_and_last_use(tokens, tmp_path: Path):
    token = tokens("create", "nightly", "--role", "operator", "--expires", "never").stdout.strip()
    assert "never ends" in tokens("list").output
    assert "never used" in tokens("list").output
    with opened(tmp_path / "state") as store:
        Tokens(store).find(token)
    shown = json.loads(tokens("list", "--json").output)["tokens"]["nightly"]
    assert (shown["role"], shown["ends_at"]) == ("operator", None)
    assert shown["used_at"] is not None


def test_a_token_that_has_ended_is_listed_as_ended(tokens, tmp_path: Path):
    with opened(tmp_path / "state") as store:
        Tokens(store, now=lambda: 1e9).create("old", role=Role.VIEWER, lasts=timedelta(days=1))
    assert "ENDED 2001-09-10" in tokens("list").output


def test_a_token_that_was_revoked_is_not_there_any_more(tokens):
    tokens("create", "nightly", "--role", "viewer")
    assert tokens("revoke", "nightly").exit_code == 0
    assert tokens("list").output == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("create", "nightly", "--role", "operator"), "there is a token 'nightly'"),
        (("create", "a b", "--role", "operator"), "letters, digits"),
        (("create", "gateway", "--role", "operator"), "reserved"),
        (("revoke", "nobody"), "there is no token 'nobody'"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_line_with_exit_code_two(tokens, words, told):
    tokens("create", "nightly", "--role", "operator")
    ran = tokens(*words)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert told in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("words", ["90x", "-1d", "11y", "20000d", "1e9d", "2001-01-01T00:00Z"])
def test_a_time_that_is_none_is_told_what_would_be_right(tokens, words):
    ran = tokens("create", "nightly", "--role", "operator", "--expires", words)
    assert ran.exit_code == 2
    assert "never for one that does not end" in " ".join(ran.output.split())


def test_a_role_that_is_none_is_told_the_nearest(tokens):
    ran = tokens("create", "nightly", "--role", "operater")
    assert (ran.exit_code, "did you mean operator" in " ".join(ran.output.split())) == (2, True)


def test_without_settings_and_a_stack_it_is_asked_where_the_tokens_are(tokens):
    ran = tokens("list", where=False)
    assert (ran.exit_code, "--state-dir DIR" in ran.stderr) == (2, True)


def test_the_settings_say_where_the_tokens_are(tokens, tmp_path: Path):
    (tmp_path / "conche.yaml").write_text("gateway: {state_dir: elsewhere}\n")
    assert tokens("create", "nightly", "--role", "viewer", where=False).exit_code == 0
    assert (tmp_path / "elsewhere" / FILE).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o700


def test_the_stack_here_says_where_the_tokens_are(tokens, tmp_path: Path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "conche.yaml").write_text("gateway: {state_dir: gateway}\n")
    assert tokens("create", "nightly", "--role", "viewer", where=False).exit_code == 0
    assert (tmp_path / "home" / "gateway" / FILE).exists()


def test_a_file_that_is_no_database_is_named(tokens, tmp_path: Path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE).write_text("this is no database, however long it is read " * 20)
    ran = tokens("list")
    assert (ran.exit_code, FILE in ran.stderr) == (2, True)
