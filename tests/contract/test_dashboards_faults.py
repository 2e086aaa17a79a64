"""The check of dashboards finds what is put wrong into a sound one."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conche.contract.measurements import NODE
from conche.dashboards.files import DASHBOARDS
from conche.dashboards.queries import Column, newest_point, over_time

from .grafana_check import faults

Dashboard = dict[str, Any]
SOUND = json.loads((Path(__file__).parents[2] / DASHBOARDS / "conche-overview.json").read_text())


def panel(dashboard: Dashboard, kind: str) -> dict[str, Any]:
    return next(one for one in dashboard["panels"] if one["type"] == kind)


def config(dashboard: Dashboard, kind: str) -> dict[str, Any]:
    return panel(dashboard, kind)["fieldConfig"]["defaults"]


def ask(dashboard: Dashboard, old: str, new: str) -> None:
    target = panel(dashboard, "state-timeline")["targets"][0]
    assert old in target["query"]
    target["query"] = target["query"].replace(old, new)


def overlap(dashboard: Dashboard) -> None:
    one, other, *_ = dashboard["panels"]
    other["gridPos"] = dict(one["gridPos"])


SEEDED: dict[str, tuple[Callable[[Dashboard], Any], str]] = {
    "a wrong type": (lambda d: d.update(title=5), "is not of type 'string'"),
    "a wrong type in options": (
        lambda d: panel(d, "state-timeline")["options"].update(rowHeight="0.9"),
        "is not of type 'number'",
    ),
    "an unknown key": (lambda d: d.update(colour="red"), "'colour' was unexpected"),
    "an unknown key of a panel": (lambda d: panel(d, "table").update(colour=1), "'colour' was unexpected"),
    "an unknown option": (
        lambda d: panel(d, "timeseries")["options"].update(footer=1),
        "'footer' was unexpected",
    ),
    "an option of another kind of panel": (
        lambda d: panel(d, "stat")["options"].update(rowHeight=0.9),
        "'rowHeight' was unexpected",
    ),
    "an unknown custom setting": (
        lambda d: config(d, "timeseries")["custom"].update(lineWith=1),
        "'lineWith' was unexpected",
    ),
    "a word that is none of an enumeration": (
        lambda d: config(d, "timeseries")["custom"].update(drawStyle="squiggle"),
        "'squiggle' is not one of",
    ),
    "a kind of variable that does not exist": (
        lambda d: d["templating"]["list"][0].update(type="qwery"),
        "'qwery' is not one of",
    ),
    "a key of a target": (
        lambda d: panel(d, "stat")["targets"][0].update(measurment="node"),
        "'measurment' was unexpected",
    ),
    "an annotation without a question": (
        lambda d: d["annotations"]["list"][0]["target"].pop("textColumn"),
        "'textColumn' is a required property",
    ),
    "a panel of no known type": (lambda d: panel(d, "stat").update(type="stats"), "no panel of this type"),
    "a unit that does not exist": (
        lambda d: config(d, "timeseries").update(unit="seconds"),
        "no such unit: seconds",
    ),
    "two panels in one place": (overlap, "overlap"),
    "a panel outside the grid": (lambda d: panel(d, "table")["gridPos"].update(w=25), "outside the grid"),
    "two panels of one number": (lambda d: panel(d, "table").update(id=1), "share the number 1"),
    "a number of its own": (lambda d: d.update(id=7), "has id"),
    "a long uid": (lambda d: d.update(uid="x" * 41), "uid has 41 letters"),
    "a panel without words": (
        lambda d: panel(d, "table").update(description=""),
        "no title or no description",
    ),
    "another data source": (
        lambda d: panel(d, "table")["datasource"].update(uid="influx"),
        "no such data source: influx",
    ),
    "a misspelt field": (lambda d: ask(d, '"state"', '"sate"'), "no such name: sate"),
    "a misspelt tag": (lambda d: ask(d, ', "node" fill', ', "nod" fill'), "no such name: nod"),
    "a misspelt measurement": (lambda d: ask(d, 'FROM "node"', 'FROM "nodes"'), "no such measurement: nodes"),
    "a fixed interval": (lambda d: ask(d, "$__interval", "10s"), "a fixed interval"),
    "no time range": (lambda d: ask(d, " AND $timeFilter", ""), "no time range"),
    "a variable that is not there": (lambda d: ask(d, "/^$group$/", "/^$grup$/"), "no such variable: grup"),
    "a variable with several values taken for one": (
        lambda d: ask(d, "=~ /^$group$/", "= '$group'"),
        "variable group may have several values",
    ),
}


@pytest.mark.parametrize("name", SEEDED)
def test_the_check_finds(name: str):
    dashboard = copy.deepcopy(SOUND)
    seed, words = SEEDED[name]
    seed(dashboard)
    assert any(words in fault for fault in faults(dashboard, sources={"influxdb"})), name


def test_the_check_finds_nothing_in_a_sound_one():
    assert faults(SOUND, sources={"influxdb"}) == []


def test_a_misspelt_field_is_an_error_when_the_dashboard_is_made():
    with pytest.raises(KeyError, match="node has no field sate"):
        over_time(NODE, Column("sate"))


def test_a_misspelt_tag_is_an_error_when_the_dashboard_is_made():
    with pytest.raises(KeyError, match="node has no tag nod"):
        newest_point(NODE, "state", by=["nod"])
