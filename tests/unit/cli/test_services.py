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
