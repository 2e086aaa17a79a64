"""Nodes and groups as readings: what is known, and what is known no more."""

from datetime import timedelta

import pytest

from conche.contract import (
    Drift,
    GroupSummary,
    Health,
    Latencies,
    Latency,
    Maintenance,
    NodeState,
    Reach,
    Rejection,
)
from conche.contract import measurements as m
from conche.metrics.nodes import Heard, Node, group_reading, latency_readings, node_reading
from conche.metrics.readings import Fields

from .samples import NOW, NOW_NS, observed, status


def fields(node: Node) -> Fields:
    reading = node_reading(node, group="cx", name="cx1", at_ns=5)
    assert (reading.measurement, reading.at_ns) == (m.NODE, 5)
    assert reading.tags == {"group": "cx", "node": "cx1"}
    return reading.fields


def test_a_node_is_told_by_its_worker_and_the_poller():
    said = status(
        NodeState.FAILED,
        maintenance=Maintenance(on=True),
        drift=Drift(base=True, endpoints=["gains", "flags"]),
        desired="d" * 32,
        held="proven nowhere",
        rejected=[Rejection(error="no", at=NOW)],
        error="it died",
        attempts=3,
        pending=True,
    )
    seen = observed(version="2024.09", running=False)
    assert fields(Node(said, seen, served=True, heard=Heard.FRESH)) == {
        "state": "failed",
        "state_code": 5,
        "started": True,
        "maintenance": True,
        "differing": True,
        "drift_base": True,
        "drift_endpoints": 2,
        "unhealed": False,  # not while it is in maintenance
        "held": True,
        "rejected": 1,
        "attempts": 3,
        "pending": True,
        "desired": "d" * 32,
        "live": "",
        "error": "it died",
        "reach": "ok",
        "reached": True,
        "version": "2024.09",
    }


@pytest.mark.parametrize(("state", "code"), m.NODE_STATE_CODES.items())
def test_each_state_has_its_code(state: NodeState, code: int):
    found = fields(Node(status(state), None, served=True, heard=Heard.FRESH))
    assert (found["state"], found["state_code"]) == (state, code)


@pytest.mark.parametrize(
    ("drift", "differing"),
    [(Drift(), False), (Drift(base=True), True), (Drift(endpoints=["gains"]), True)],
)
def test_a_node_differs_in_its_base_or_in_a_block(drift: Drift, differing: bool):
    assert fields(Node(status(drift=drift), None, served=True, heard=Heard.FRESH))["differing"] is differing


def test_a_node_that_was_not_adopted_is_wanted_neither_way():
    assert fields(Node(status(started=None), None, served=True, heard=Heard.FRESH))["started"] is None


def test_without_its_worker_a_node_is_unknown_and_only_its_switches_stand():
    found = fields(Node(status(error="it died", attempts=3), observed(), served=False, heard=Heard.FRESH))
    assert found == {
        "state": "unknown",
        "state_code": 3,
        "started": True,
        "maintenance": False,
        "error": "its group has no worker",
        "reach": "ok",
        "reached": True,
        "version": None,
    }


def test_a_node_of_which_its_worker_has_not_spoken_is_unknown_and_nothing_is_wrong_with_that():
    found = fields(Node(None, None, served=True, heard=Heard.EARLY))
    assert found == {"state": "unknown", "state_code": 3, "started": None, "maintenance": None, "error": ""}


@pytest.mark.parametrize("reach", [reach for reach in Reach if reach is not Reach.OK])
def test_every_way_of_not_answering_is_not_reached(reach: Reach):
    found = fields(Node(status(), observed(reach), served=True, heard=Heard.FRESH))
    assert (found["reach"], found["reached"]) == (reach, False)


def test_an_observation_that_counts_no_more_is_not_reached_and_tells_no_reach():
    found = fields(Node(status(), observed(version="1"), served=True, heard=Heard.STALE))
    assert "reach" not in found
    assert "version" not in found
    assert found["reached"] is False


def test_before_anybody_could_have_been_heard_nothing_is_said_of_reach():
    found = fields(Node(status(), observed(), served=True, heard=Heard.EARLY))
    assert not found.keys() & {"reach", "reached", "version"}


SUMMARY = GroupSummary(
    summary=Health.WARNING,
    info="",
    counts={NodeState.STARTED: 3, NodeState.DOWN: 1},
    nodes=4,
    maintenance=2,
    differing=1,
)


def group(summary: GroupSummary | None, *, served: bool) -> Fields:
    reading = group_reading(summary, group="cx", served=served, nodes=4, at_ns=5)
    assert (reading.measurement, reading.tags, reading.at_ns) == (m.GROUP, {"group": "cx"}, 5)
    return reading.fields


def test_a_group_is_told_in_figures_and_states_without_nodes_are_none():
    assert group(SUMMARY, served=True) == {
        "summary": "warning",
        "summary_code": 1,
        "nodes": 4,
        "started": 3,
        "stopped": 0,
        "syncing": 0,
        "down": 1,
        "unknown": 0,
        "failed": 0,
        "in_maintenance": 2,
        "differing": 1,
        "worker": True,
    }


@pytest.mark.parametrize("summary", [SUMMARY, None])
def test_a_group_without_worker_is_an_error_and_all_of_its_nodes_are_unknown(summary: GroupSummary | None):
    found = group(summary, served=False)
    assert (found["summary"], found["summary_code"], found["worker"]) == ("error", 2, False)
    assert (found["nodes"], found["unknown"], found["started"]) == (4, 4, 0)
    assert not found.keys() & {"in_maintenance", "differing"}


def test_latencies_are_a_reading_for_each_node_at_the_time_they_were_told():
    one, other = Latency(median_s=0.1, worst_s=0.5, answers=30), Latency(median_s=0.2, worst_s=1, answers=2)
    told = Latencies(
        boot="p", at=NOW + timedelta(seconds=1), groups={"cx": {"cx1": one}, "recv": {"r": other}}
    )
    readings = latency_readings(told)
    assert [(r.tags["group"], r.tags["node"]) for r in readings] == [("cx", "cx1"), ("recv", "r")]
    assert readings[1].fields == {"median_s": 0.2, "worst_s": 1, "answers": 2}
    assert {(r.measurement.name, r.at_ns) for r in readings} == {("latency", NOW_NS + 10**9)}
