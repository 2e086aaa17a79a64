"""Grafana's provisioning: of the structure that Grafana reads, and agreeing with the dashboards and the catalogues."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from conche.contract.alerts import ALERTS, AlertKind
from conche.contract.measurements import NODE
from conche.dashboards.board import panel_number
from conche.dashboards.boards import documents
from conche.dashboards.files import DASHBOARDS

from .grafana_check import fields_asked
from .grafana_provisioning import (
    ContactPoints,
    DataSource,
    DataSources,
    Math,
    Policies,
    Providers,
    Question,
    Reduce,
    Rule,
    RuleGroups,
)

GRAFANA = Path(__file__).parents[2] / "grafana"
PROVISIONING = GRAFANA / "provisioning"
STRUCTURES: dict[str, type[msgspec.Struct]] = {
    "datasources/influxdb.yaml": DataSources,
    "datasources/influxdb-1.yaml.example": DataSources,
    "dashboards/conche.yaml": Providers,
    "alerting/rules.yaml": RuleGroups,
    "alerting/contact-points.yaml": ContactPoints,
    "alerting/policies.yaml": Policies,
}
EXPRESSIONS = "__expr__"


def content(name: str) -> Any:
    return yaml.safe_load((PROVISIONING / name).read_text())


def rules() -> dict[str, Rule]:
    [group] = msgspec.convert(content("alerting/rules.yaml"), RuleGroups).groups
    return {rule.uid.removeprefix("conche-"): rule for rule in group.rules}


NAMES = sorted(rules())


def source(name: str) -> DataSource:
    [only] = msgspec.convert(content(name), DataSources).datasources
    return only


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_file_has_the_structure_that_grafana_reads(name: str):
    msgspec.convert(content(name), STRUCTURES[name])


def test_there_is_no_file_that_is_not_checked():
    there = {str(path.relative_to(PROVISIONING)) for path in PROVISIONING.rglob("*") if path.is_file()}
    assert there == set(STRUCTURES)


@pytest.mark.parametrize(
    ("place", "key"),
    [((), "groups2"), (("groups", 0), "foldr"), (("groups", 0, "rules", 0), "noDataStat")],
)
def test_the_structure_knows_a_misspelt_key(place: tuple[str | int, ...], key: str):
    wrong = content("alerting/rules.yaml")
    there = wrong
    for step in place:
        there = there[step]
    there[key] = "x"
    with pytest.raises(msgspec.ValidationError, match=key):
        msgspec.convert(wrong, RuleGroups)


def test_the_structure_knows_a_wrong_word():
    wrong = content("alerting/rules.yaml")
    wrong["groups"][0]["rules"][0]["execErrState"] = "Okay"
    with pytest.raises(msgspec.ValidationError, match="Okay"):
        msgspec.convert(wrong, RuleGroups)


# --- the data source


def test_both_data_sources_have_the_uid_that_the_dashboards_name():
    uid = source("datasources/influxdb.yaml").uid
    assert source("datasources/influxdb-1.yaml.example").uid == uid
    for path in (GRAFANA / "dashboards").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            if panel["type"] != "row":
                assert panel["datasource"]["uid"] == uid


def test_no_secret_stands_in_a_file():
    for name in ("datasources/influxdb.yaml", "datasources/influxdb-1.yaml.example"):
        secrets = source(name).secure_json_data
        for value in (secrets.http_header_value1, secrets.password):
            assert value is None or re.fullmatch(r"(Token )?\$INFLUX_\w+", value)


def test_dashboards_are_looked_for_where_the_readme_puts_them():
    [provider] = msgspec.convert(content("dashboards/conche.yaml"), Providers).providers
    assert f"`{provider.options.path}/`" in (GRAFANA / "README.md").read_text()
    assert (GRAFANA / "dashboards").relative_to(GRAFANA.parent) == DASHBOARDS


# --- the alert rules


def test_each_kind_of_alert_has_a_rule_of_its_name_and_two_have_another_one():
    assert set(NAMES) == {*AlertKind, "eop-stale-never", "service-lost-silent"}
    for name, rule in rules().items():
        assert name.startswith(rule.labels["kind"])


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_says_what_the_catalogue_says(name: str):
    rule = rules()[name]
    alert = ALERTS[AlertKind(rule.labels["kind"])]
    assert rule.for_ == f"{alert.after_s:.0f}s"
    assert rule.labels["level"] == alert.level
    assert alert.title in rule.annotations["summary"]
    assert rule.annotations["description"] == f"{alert.meaning} What to do: {alert.remedy}"


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_asks_the_data_source_and_judges_each_answer(name: str):
    rule = rules()[name]
    uid = source("datasources/influxdb.yaml").uid
    questions = [one for one in rule.data if one.datasource_uid == uid]
    steps = [
        msgspec.convert(one.model, Reduce | Math) for one in rule.data if one.datasource_uid == EXPRESSIONS
    ]
    assert len(questions) + len(steps) == len(rule.data)
    for one in questions:
        asked = msgspec.convert(one.model, Question)
        assert asked.ref_id == one.ref_id
        assert "$timeFilter" in asked.query
        assert fields_asked(asked.query)
        assert one.relative_time_range is not None
    reduced = {step.expression: step.ref_id for step in steps if isinstance(step, Reduce)}
    assert set(reduced) == {one.ref_id for one in questions}
    [test] = [step for step in steps if isinstance(step, Math)]
    assert rule.condition == test.ref_id
    assert set(re.findall(r"\$\{(\w+)\}", test.expression)) == set(reduced.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_leads_to_a_panel_that_shows_data_of_the_same_measurement(name: str):
    rule = rules()[name]
    panels = documents()[rule.dashboard_uid]["panels"]
    [panel] = [one for one in panels if one["id"] == rule.panel_id]
    judged = {
        name for one in rule.data if "query" in one.model for name, _ in fields_asked(one.model["query"])
    }
    shown = {name for target in panel["targets"] for name, _ in fields_asked(target["query"])}
    assert shown <= judged


@pytest.mark.parametrize("name", NAMES)
def test_a_text_of_a_rule_names_only_labels_that_its_series_have(name: str):
    rule = rules()[name]
    named = set(re.findall(r"\{\{ \.Labels\.(\w+) \}\}", rule.annotations["summary"]))
    query = rule.data[0].model["query"]
    grouped = set(re.findall(r'"(\w+)"', query.partition(" GROUP BY ")[2]))
    assert named == grouped
    assert "$" not in "".join(rule.annotations.values()), (
        "Grafana would take it for a variable of its environment"
    )


def test_silence_is_told_by_one_rule_alone():
    telling = {kind for kind, rule in rules().items() if rule.no_data_state == "NoData"}
    assert telling == {AlertKind.SERVICE_LOST}
    assert {kind for kind, rule in rules().items() if rule.exec_err_state == "Error"} == telling
    ending = {kind for kind, rule in rules().items() if rule.no_data_state == "OK"}
    assert ending == {AlertKind.POLLER_OVERRUN}


def test_a_panel_that_is_not_there_is_an_error_when_the_rules_are_made():
    with pytest.raises(KeyError, match="has no panel Nods"):
        panel_number(documents()["conche-overview"], "Nods")


def test_nodes_in_maintenance_are_nobodys_alert():
    for kind in (AlertKind.NODE_DOWN, AlertKind.NODE_FAILED, AlertKind.DRIFT_STAYS):
        asked = {
            pair
            for one in rules()[kind].data
            if "query" in one.model
            for pair in fields_asked(one.model["query"])
        }
        assert (NODE.name, "maintenance") in asked


# --- who is told


def test_policies_name_contact_points_that_there_are():
    points = {
        point.name
        for point in msgspec.convert(content("alerting/contact-points.yaml"), ContactPoints).contact_points
    }
    for policy in msgspec.convert(content("alerting/policies.yaml"), Policies).policies:
        assert {policy.receiver, *(route.receiver for route in policy.routes)} <= points


def test_policies_look_at_labels_that_the_rules_have():
    labels = {label for rule in rules().values() for label in rule.labels}
    for policy in msgspec.convert(content("alerting/policies.yaml"), Policies).policies:
        assert {matcher[0] for route in policy.routes for matcher in route.object_matchers} <= labels
