from pathlib import Path

import pytest
from click.testing import CliRunner

from conche.cli.main import main
from conche.settings import Settings


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Settings]:
    """Settings with which a service's main was called."""
    calls: list[Settings] = []

    def run(settings: Settings) -> int:
        calls.append(settings)
        return 7

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("conche.cli.services.load", lambda target, **_: run)
    return calls


def conche(*arguments: str):
    return CliRunner().invoke(main, list(arguments), prog_name="conche")


def test_a_service_runs_with_the_settings_of_the_file_and_its_code_is_returned(started, tmp_path):
    (tmp_path / "mine.yaml").write_text("poller: {period_s: 5}\n")
    assert conche("poller", "--config", "mine.yaml").exit_code == 7
    assert started[0].poller.period_s == 5


def test_groups_and_instance_override_the_file(started, tmp_path):
    (tmp_path / "conche.yaml").write_text("poller: {groups: [recv], instance: south}\n")
    conche("poller", "--group", "cx", "--group", "beam", "--instance", "north")
    assert started[0].poller.groups == ["cx", "beam"]
    assert started[0].poller.instance == "north"


def test_groups_of_sync_are_its_own(started):
    conche("sync", "--group", "cx")
    assert started[0].sync.groups == ["cx"]
    assert started[0].poller.groups == []


def test_without_options_the_file_holds(started, tmp_path):
    (tmp_path / "conche.yaml").write_text("sync: {groups: [recv]}\n")
    conche("sync")
    assert started[0].sync.groups == ["recv"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("renderer", "--config", "nowhere.yaml"), "nowhere.yaml: can't be read"),
        (("poller", "--instance", "a/b"), "poller.instance"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_two(started, arguments, words):
    result = conche(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert started == []


def test_the_journal_keeps_its_database_where_the_settings_say(started, tmp_path):
    (tmp_path / "conche.yaml").write_text("journal: {database: mine.db, max_age_days: 400}\n")
    assert conche("journal").exit_code == 7
    assert started[0].journal.database == tmp_path / "mine.db"
    assert started[0].journal.max_age_days == 400


@pytest.mark.parametrize("wrong", ["max_entries: 0", "max_age_days: 0", "max_age_days: old", "databse: x.db"])
def test_a_wrong_setting_of_the_journal_is_named(started, tmp_path, wrong):
    (tmp_path / "conche.yaml").write_text(f"journal: {{{wrong}}}\n")
    result = conche("journal")
    assert result.exit_code == 2
    assert f"journal.{wrong.partition(':')[0]}" in result.stderr


def test_the_fpga_service_runs_under_a_name_of_its_own_since_its_command_shows_what_it_says(
    started, tmp_path
):
    (tmp_path / "conche.yaml").write_text("fpga: {url: 'https://fpga:54321', ca_file: ca.pem, period_s: 5}\n")
    assert conche("fpga-service").exit_code == 7
    assert started[0].fpga.url == "https://fpga:54321"
    assert started[0].fpga.ca_file == tmp_path / "ca.pem"
    assert started[0].fpga.period_s == 5


@pytest.mark.parametrize(
    "wrong",
    [
        "url: fpga:54321",
        "url: 'ftp://fpga'",
        "url: 'http://me:secret@fpga'",
        "url: 'http://fpga?x=1'",
        "period_s: 0",
        "timeout_s: -1",
        "max_off_s: 0",
        "adress: x",
    ],
)
def test_a_wrong_setting_of_the_fpga_service_is_named(started, tmp_path, wrong):
    (tmp_path / "conche.yaml").write_text(f"fpga: {{{wrong}}}\n")
    result = conche("fpga-service")
    assert result.exit_code == 2
    assert f"fpga.{wrong.partition(':')[0]}" in result.stderr
