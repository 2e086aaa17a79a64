"""The dashboards in the checkout: what the catalogues generate, valid by Grafana's own types, and sound."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from conche.contract.measurements import MEASUREMENTS, STATE_COLOURS
from conche.dashboards.commands import dashboards as command
from conche.dashboards.files import DASHBOARDS, generated_files

from .grafana_check import faults, fields_asked, queries_of

PROJECT = Path(__file__).parents[2]
FILES = sorted((PROJECT / DASHBOARDS).glob("*.json"))
SOURCES = PROJECT / "grafana/provisioning/datasources/influxdb.yaml"
NOT_PICTURED: dict[tuple[str, str], str] = {
    ("node", "state_code"): "the state itself is pictured; the code is for comparisons and alerts",
    ("fpga", "state_code"): "likewise",
    ("eop", "state_code"): "likewise",
    ("group", "summary_code"): "likewise",
}
"""Fields on no panel, and why."""


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def sources() -> set[str]:
    return {source["uid"] for source in yaml.safe_load(SOURCES.read_text())["datasources"]}


@pytest.mark.parametrize("path", sorted(generated_files()), ids=str)
def test_a_file_is_what_the_catalogues_generate(path: Path):
    assert (PROJECT / path).read_text() == generated_files()[path], "run: conche dashboards write"


def test_there_is_no_dashboard_that_nothing_generates():
    assert {path.relative_to(PROJECT) for path in FILES} <= set(generated_files())


def test_generating_twice_gives_the_same():
    assert generated_files() == generated_files()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dashboard_has_no_fault(path: Path):
    assert faults(load(path), sources=sources()) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dashboard_is_called_as_its_file(path: Path):
    assert load(path)["uid"] == path.stem


def test_titles_are_unique():
    titles = [load(path)["title"] for path in FILES]
    assert len(set(titles)) == len(titles) == 5


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dashboard_is_refreshed_and_shows_six_hours_of_utc(path: Path):
    dashboard = load(path)
    assert dashboard["refresh"] == "10s"
    assert dashboard["time"] == {"from": "now-6h", "to": "now"}
    assert dashboard["timezone"] == "utc"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_link_leads_to_a_dashboard_and_keeps_the_time(path: Path):
    uids = {path.stem for path in FILES}
    for url in links(load(path)):
        assert url.startswith("/d/")
        assert url.removeprefix("/d/").split("?")[0] in uids
        assert url.endswith("${__url_time_range}")


def links(dashboard: dict[str, Any]) -> list[str]:
    return [
        link["url"]
        for panel in dashboard["panels"]
        for override in panel.get("fieldConfig", {}).get("overrides", ())
        for item in override["properties"]
        if item["id"] == "links"
        for link in item["value"]
    ]


def test_a_lane_of_the_state_grid_leads_to_the_nodes_page():
    overview = load(PROJECT / DASHBOARDS / "conche-overview.json")
    there = "/d/conche-node?var-group=${__field.labels.group}&var-node=${__field.labels.node}&"
    assert any(url.startswith(there) for url in links(overview))


def test_each_dashboard_has_links_to_all_that_keep_time_and_choice():
    for path in FILES:
        [link] = load(path)["links"]
        assert link["type"] == "dashboards"
        assert set(link["tags"]) <= set(load(path)["tags"])
        assert link["keepTime"]
        assert link["includeVars"]


def test_every_field_of_the_catalogue_is_on_a_panel_or_has_a_reason_not_to_be():
    asked = {pair for path in FILES for _, query in queries_of(load(path)) for pair in fields_asked(query)}
    there = {(measurement.name, field.name) for measurement in MEASUREMENTS for field in measurement.fields}
    assert there - asked <= set(NOT_PICTURED)
    assert set(NOT_PICTURED) <= there


def test_the_states_have_their_colours_wherever_they_are_shown():
    shown = 0
    for path in FILES:
        for mappings in inside(load(path), "mappings"):
            for options in (mapping["options"] for mapping in mappings):
                if set(STATE_COLOURS) <= set(options):
                    assert {state: options[state]["color"] for state in STATE_COLOURS} == STATE_COLOURS
                    shown += 1
    assert shown >= 4


def inside(value: Any, key: str) -> list[Any]:
    """Every value of a key, and of overrides of that name."""
    found: list[Any] = []
    if isinstance(value, dict):
        if value.get("id") == key:
            found.append(value["value"])
        found += [item for name, item in value.items() if name == key]
        found += [one for item in value.values() for one in inside(item, key)]
    elif isinstance(value, list):
        found += [one for item in value for one in inside(item, key)]
    return found


# --- the command


def test_the_command_finds_a_file_that_was_edited_and_writes_it_anew(tmp_path: Path):
    run = CliRunner()
    assert run.invoke(command, ["write", "--project", str(tmp_path)]).exit_code == 0
    edited = tmp_path / DASHBOARDS / "conche-node.json"
    edited.write_text(edited.read_text().replace("10s", "1s"))

    found = run.invoke(command, ["check", "--project", str(tmp_path)])
    assert found.exit_code == 1
    assert "conche-node.json" in found.output

    assert run.invoke(command, ["write", "--project", str(tmp_path)]).output == (
        "wrote grafana/dashboards/conche-node.json\n"
    )
    assert run.invoke(command, ["check", "--project", str(tmp_path)]).exit_code == 0


def test_the_command_removes_a_dashboard_that_nothing_generates(tmp_path: Path):
    run = CliRunner()
    run.invoke(command, ["write", "--project", str(tmp_path)])
    other = tmp_path / DASHBOARDS / "other.json"
    other.write_text("{}")
    assert run.invoke(command, ["check", "--project", str(tmp_path)]).exit_code == 1
    assert "removed" in run.invoke(command, ["write", "--project", str(tmp_path)]).output
    assert not other.exists()
