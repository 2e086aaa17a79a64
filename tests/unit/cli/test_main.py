import sys

import click
import pytest
from click.testing import CliRunner

from conche.cli.lazy import Entry, LazyGroup, Section, load
from conche.cli.main import SECTIONS, main

ENTRIES = [entry for section in SECTIONS for entry in section.entries]


def conche(*arguments: str, **settings):
    return CliRunner().invoke(main, list(arguments), prog_name="conche", **settings)


def test_help_is_grouped_and_fits_into_eighty_columns():
    shown = conche("--help").output
    for title in ("Operate:", "Configs:", "Run:", "Services:"):
        assert title in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_help_shows_every_summary_on_one_line():
    shown = conche("--help").output
    for entry in ENTRIES:
        assert any(
            line.split()[:1] == [entry.name] and line.endswith(entry.summary) for line in shown.splitlines()
        )


def test_help_imports_no_command(monkeypatch):
    monkeypatch.setattr("conche.cli.lazy.importlib.import_module", lambda name: pytest.fail(name))
    assert conche("--help").exit_code == 0


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_command_of_the_table_is_there(entry):
    assert isinstance(load(entry.target, command=entry.name, extra=entry.extra), click.Command)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_command_has_help(entry):
    result = conche(entry.name, "--help")
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80


def test_a_word_that_is_no_command_is_told():
    result = conche("statsu")
    assert result.exit_code == 2
    assert "No such command 'statsu'" in result.output


def test_a_missing_extra_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    for name in [name for name in sys.modules if name.startswith(("conche.renderer", "conche.cli.configs"))]:
        monkeypatch.delitem(sys.modules, name)
    result = conche("check", ".")
    assert result.exit_code == 1
    assert result.output == "Error: conche check needs the extra 'renderer': pip install 'conche[renderer]'\n"


def test_a_mistake_of_our_own_is_not_taken_for_a_missing_extra():
    with pytest.raises(ModuleNotFoundError):
        load("conche.nowhere:nothing", command="nothing", extra="cli")


def test_an_entry_that_leads_to_no_command_is_a_mistake():
    group = LazyGroup(sections=[Section("All", (Entry("one", "conche.cli.main:SECTIONS", "One."),))])
    with pytest.raises(TypeError, match="is not a command"):
        CliRunner().invoke(group, ["one"], catch_exceptions=False)
