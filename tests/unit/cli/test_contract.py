from pathlib import Path

import pytest
from click.testing import CliRunner

from conche.cli.contract import generated_files
from conche.cli.main import main


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mosquitto").mkdir()
    return tmp_path


def contract(word: str, project: Path):
    return CliRunner().invoke(main, ["contract", word, "--project", str(project)])


def test_what_was_written_passes_the_check(project):
    assert contract("write", project).exit_code == 0
    assert {path.relative_to(project) for path in project.rglob("*.*")} >= set(generated_files()) - {
        Path("mosquitto/acl")
    }
    assert contract("check", project).output == ""


def test_a_second_write_changes_nothing(project):
    contract("write", project)
    assert contract("write", project).output == ""


def test_a_file_that_was_edited_is_named(project):
    contract("write", project)
    (project / "mosquitto/acl").write_text("user mallory\n")
    result = contract("check", project)
    assert result.exit_code == 1
    assert result.output == "Error: not as the contract has it: mosquitto/acl; run: conche contract write\n"


def test_the_schema_of_a_payload_that_is_gone_is_removed(project):
    contract("write", project)
    old = project / "docs/schemas/Old.json"
    old.write_text("{}")
    assert "docs/schemas/Old.json" in contract("check", project).output
    assert contract("write", project).output == "removed docs/schemas/Old.json\n"
    assert not old.exists()
