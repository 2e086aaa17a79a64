"""What is wrong with a dashboard: by Grafana's own types, by its units, and by what it refers to."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.models import units
from jsonschema import Draft7Validator

from conche.contract.measurements import MEASUREMENTS, Measurement

SCHEMA = json.loads((Path(__file__).parent / "grafana-schema" / "grafana.json").read_text())
UNITS = frozenset(
    value for name, value in vars(units).items() if not name.startswith("_") and isinstance(value, str)
)
PANELS = {
    "stat": "Stat",
    "state-timeline": "StateTimeline",
    "table": "Table",
    "timeseries": "TimeSeries",
    "row": "Row",
}
"""The type of each kind of panel that is used."""

CATALOGUE = {measurement.name: measurement for measurement in MEASUREMENTS}
COLUMNS_WIDE = 24
UID_LETTERS = 40

Dashboard = Mapping[str, Any]


def faults(dashboard: Dashboard, *, sources: set[str]) -> list[str]:
    """Return all that is wrong with a dashboard, in words.

    Parameters
    ----------
    dashboard
        As its file has it.
    sources
        The uids of the data sources that there are.
    """
    return [
        *_type_faults(dashboard),
        *_number_faults(dashboard),
        *_place_faults(dashboard),
        *_unit_faults(dashboard),
        *_source_faults(dashboard, sources),
        *_query_faults(dashboard),
    ]


def queries_of(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """Yield every question of a dashboard, with where it stands."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']}/{target['refId']}", target["query"]
    for annotation in dashboard["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["target"]["query"]
    for variable in dashboard["templating"]["list"]:
        yield f"variable {variable['name']}", variable["query"]


def fields_asked(query: str) -> set[tuple[str, str]]:
    """Return measurement and name of everything that a question asks of the catalogue."""
    measurement = _measurement(query)
    known = {*measurement.tags, *(field.name for field in measurement.fields)}
    return {(measurement.name, name) for name in re.findall(r'"([^"]+)"', query) if name in known}


def _measurement(query: str) -> Measurement:
    return CATALOGUE[re.findall(r'FROM "([^"]+)"', query)[-1]]


def _type_faults(dashboard: Dashboard) -> Iterator[str]:
    yield from _against("Dashboard", dashboard, "dashboard")
    for panel in dashboard["panels"]:
        where = f"panel {panel.get('title')}"
        if (kind := PANELS.get(panel.get("type", ""))) is None:
            yield f"{where}: no panel of this type is used: {panel.get('type')}"
        else:
            yield from _against(kind, panel, where)


def _against(kind: str, value: Any, where: str) -> Iterator[str]:
    schema = {**SCHEMA, "$ref": f"#/definitions/{kind}"}
    for error in Draft7Validator(schema).iter_errors(value):
        yield f"{where}: {error.json_path}: {error.message}"


def _number_faults(dashboard: Dashboard) -> Iterator[str]:
    uid = dashboard.get("uid", "")
    if not 0 < len(uid) <= UID_LETTERS:
        yield f"uid has {len(uid)} letters"
    yield from (f"has {key}" for key in ("id", "__inputs", "__requires") if key in dashboard)
    numbers = Counter(panel.get("id") for panel in dashboard["panels"])
    yield from (f"panels share the number {number}" for number, count in numbers.items() if count > 1)
    for panel in dashboard["panels"]:
        letters = Counter(target["refId"] for target in panel.get("targets", ()))
        if any(count > 1 for count in letters.values()):
            yield f"panel {panel['title']}: two questions have one letter"
        if panel["type"] != "row" and not (panel.get("title") and panel.get("description")):
            yield f"panel {panel.get('id')}: no title or no description"


def _place_faults(dashboard: Dashboard) -> Iterator[str]:
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        if place["x"] < 0 or place["w"] < 1 or place["h"] < 1 or place["x"] + place["w"] > COLUMNS_WIDE:
            yield f"panel {panel['title']}: outside the grid"
    for one, other in combinations(dashboard["panels"], 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield f"panels {one['title']} and {other['title']} overlap"


def _overlap(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not beside and not below


def _unit_faults(dashboard: Dashboard) -> Iterator[str]:
    for panel in dashboard["panels"]:
        config = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
        used = [config["defaults"].get("unit")]
        for override in config["overrides"]:
            used += [item.get("value") for item in override["properties"] if item["id"] == "unit"]
        yield from (
            f"panel {panel['title']}: no such unit: {unit}" for unit in used if unit and unit not in UNITS
        )


def _source_faults(dashboard: Dashboard, sources: set[str]) -> Iterator[str]:
    for value in _inside(dashboard):
        if "type" in value and "uid" in value and "title" not in value and value["uid"] not in sources:
            yield f"no such data source: {value['uid']}"


def _inside(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _inside(item)
    elif isinstance(value, list):
        for item in value:
            yield from _inside(item)


def _query_faults(dashboard: Dashboard) -> Iterator[str]:
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    for where, query in queries_of(dashboard):
        yield from (f"{where}: {fault}" for fault in _faults_of_query(query, variables))


def _faults_of_query(query: str, variables: set[str]) -> Iterator[str]:
    if re.search(r"time\((?!\$__interval\))", query):
        yield "a fixed interval"
    if not query.startswith("SHOW ") and "$timeFilter" not in query:
        yield "no time range"
    for name in re.findall(r"\$(\w+)", query):
        if name not in {"timeFilter", "__interval", *variables}:
            yield f"no such variable: {name}"
    for name in variables:
        if len(re.findall(rf"\${name}\b", query)) != len(re.findall(rf"=~ /\^\${name}\$/", query)):
            yield f"variable {name} may have several values"
    yield from _faults_of_names(query)


def _faults_of_names(query: str) -> Iterator[str]:
    measured = re.findall(r'FROM "([^"]+)"', query)
    yield from (f"no such measurement: {name}" for name in measured if name not in CATALOGUE)
    if set(measured) <= set(CATALOGUE):
        measurement = _measurement(query)
        known = {measurement.name, *measurement.tags, *(field.name for field in measurement.fields)}
        yield from (f"no such name: {name}" for name in re.findall(r'"([^"]+)"', query) if name not in known)
