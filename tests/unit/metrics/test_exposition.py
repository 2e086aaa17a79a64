"""What Prometheus is told."""

import re
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from conche.contract import NodeState
from conche.contract import measurements as m
from conche.contract.measurements import MEASUREMENTS, FieldKind, Measurement, Shape
from conche.metrics.exposition import COUNTERS, STATES, Counted, Standing
from conche.metrics.readings import Reading


def shown(*readings: Reading) -> str:
    registry = CollectorRegistry()
    standing = Standing()
    registry.register(standing)
    standing.readings = readings
    return generate_latest(registry).decode()


def whole(measurement: Measurement) -> Reading:
    """A reading that knows everything."""
    fields: dict[str, Any] = {
        field.name: next(iter(STATES.get((measurement.name, field.name), ["x"])))
        if field.kind is FieldKind.TEXT
        else 3
        for field in measurement.fields
    }
    return Reading(measurement, dict.fromkeys(measurement.tags, "t"), fields, 0)


STANDING = [x for x in MEASUREMENTS if x.shape is not Shape.EVENT and x is not m.KOTEKAN]


@pytest.mark.parametrize("measurement", STANDING, ids=lambda x: x.name)
def test_every_figure_of_the_catalogue_is_shown_and_every_text_that_is_a_state(measurement: Measurement):
    text = shown(whole(measurement))
    families = {family.name for family in text_string_to_metric_families(text)}
    told = [
        field
        for field in measurement.fields
        if field.kind is not FieldKind.TEXT or (measurement.name, field.name) in STATES
    ]
    assert len(families) == len(told)
    assert all(re.fullmatch(rf"conche_{measurement.name}_[a-z0-9_]+", name) for name in families)
    assert not any(re.search(r"_(s|ns)(_total)?$", name) for name in families)


def test_what_is_named_apart_is_in_the_catalogue():
    fields = {(x.name, field.name) for x in MEASUREMENTS for field in x.fields}
    assert fields >= STATES.keys() | COUNTERS


def test_a_state_is_a_series_for_each_of_its_words():
    text = shown(Reading(m.NODE, {"group": "cx", "node": "cx1"}, {"state": NodeState.DOWN}, 0))
    for state in NodeState:
        line = (
            f'conche_node_state{{group="cx",node="cx1",state="{state}"}} {float(state is NodeState.DOWN)}\n'
        )
        assert line in text


def test_seconds_are_written_out_and_nanoseconds_are_made_seconds():
    text = shown(Reading(m.FPGA, {}, {"frame0_ns": 1_500_000_000, "frame0_age_s": 2.5}, 0))
    assert "conche_fpga_frame0_seconds 1.5\n" in text
    assert "conche_fpga_frame0_age_seconds 2.5\n" in text


def test_what_only_counts_up_is_a_counter():
    text = shown(Reading(m.BROKER, {}, {"sent_bytes": 7, "clients": 2}, 0))
    assert "# TYPE conche_broker_sent_bytes_total counter\nconche_broker_sent_bytes_total 7.0\n" in text
    assert "# TYPE conche_broker_clients gauge\nconche_broker_clients 2.0\n" in text


def test_what_is_not_known_is_not_shown():
    text = shown(
        Reading(m.NODE, {"group": "cx", "node": "cx1"}, {"started": None, "attempts": 0}, 0),
        Reading(m.NODE, {"group": "cx", "node": "cx2"}, {"reach": None}, 0),
    )
    assert re.findall(r"^conche.*$", text, re.MULTILINE) == [
        'conche_node_attempts{group="cx",node="cx1"} 0.0'
    ]


def test_labels_with_quotes_and_newlines_do_not_break_their_line():
    text = shown(Reading(m.SWEEP, {"instance": 'a"b\nc\\'}, {"polled": 1}, 0))
    (family,) = text_string_to_metric_families(text)
    assert family.samples[0].labels == {"instance": 'a"b\nc\\'}


def test_events_are_counted():
    registry = CollectorRegistry()
    counted = Counted(registry)
    push = {"group": "cx", "node": "cx1", "kind": "restart"}
    command = {"group": "cx", "action": "resync", "user": "bob", "service": "sync"}
    counted.count(Reading(m.PUSH, push, {"ok": True, "took_s": 2.0}, 0))
    counted.count(Reading(m.PUSH, push, {"ok": True, "took_s": 3.0}, 0))
    counted.count(Reading(m.PUSH, push, {"ok": None, "took_s": None}, 0))
    counted.count(Reading(m.COMMAND, command, {"ok": False, "took_s": 1.5}, 0))
    happening = {"service": "sync", "group": "cx", "node": "cx1", "kind": "state"}
    counted.count(Reading(m.HAPPENING, happening, {"text": "x"}, 0))
    text = generate_latest(registry).decode()
    for line in (
        'conche_push_total{group="cx",kind="restart",ok="1"} 2.0',
        'conche_push_total{group="cx",kind="restart",ok="unknown"} 1.0',
        'conche_push_took_seconds_sum{group="cx",kind="restart"} 5.0',
        'conche_push_took_seconds_count{group="cx",kind="restart"} 2.0',
        'conche_command_total{action="resync",ok="0",service="sync"} 1.0',
        'conche_command_took_seconds_sum{action="resync",service="sync"} 1.5',
        'conche_event_total{kind="state",service="sync"} 1.0',
    ):
        assert f"{line}\n" in text
