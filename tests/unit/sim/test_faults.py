from dataclasses import fields
from typing import Any

import pytest

from conche.sim.config import RunningConfig
from conche.sim.faults import (
    KINDS,
    Die,
    Drift,
    FaultInvalidError,
    Http,
    HttpMode,
    RejectStart,
    RejectValue,
    describe_fault,
    parse_fault,
)
from conche.sim.faultset import MOST_FAULTS, FaultSet

CONFIG = RunningConfig({"log_level": "info", "cpu_affinity": [0], "s": {"kotekan_stage": "x"}})


@pytest.mark.parametrize(
    ("order", "fault"),
    [
        ({"kind": "die"}, Die()),
        ({"kind": "die", "rc": 2, "after_start_s": 3}, Die(rc=2, after_start_s=3)),
        ({"kind": "drift", "path": "a", "value": None}, Drift(path="a", value=None)),
        ({"kind": "http", "mode": "half"}, Http(mode=HttpMode.HALF)),
    ],
)
def test_orders_become_faults_and_are_told_as_they_were_given(order: dict[str, Any], fault: Any) -> None:
    assert parse_fault(order) == fault
    assert describe_fault(fault) == order


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"kind": "x"},
        {"kind": ["hang"]},
        {"kind": "die", "rc": 1.5},
        {"kind": "drift"},
        {"kind": "drift", "path": "a"},
    ],
)
def test_orders_that_make_no_sense_are_refused(order: dict[str, Any]) -> None:
    with pytest.raises(FaultInvalidError):
        parse_fault(order)


def test_every_kind_explains_itself_and_its_parameters_have_known_types() -> None:
    for kind in KINDS.values():
        assert kind.__doc__
        assert {field.name for field in fields(kind)}.isdisjoint({"kind", "nodes"})


def test_start_is_refused_by_revision_by_stage_or_always() -> None:
    for fault, refused in [
        (RejectStart(), True),
        (RejectStart(stage="x"), True),
        (RejectStart(stage="y"), False),
        (RejectStart(revision=CONFIG.revision), True),
        (RejectStart(revision="0" * 32, stage="x"), False),
    ]:
        faults = FaultSet()
        faults.add(fault)
        assert (faults.refused_start(CONFIG) is not None) is refused


def test_value_is_refused_only_at_its_endpoint() -> None:
    faults = FaultSet()
    faults.add(RejectValue(endpoint="/a", key="b", equals=None))
    assert faults.refuses_values("/a", {"b": None})
    assert not faults.refuses_values("/a", {"c": None})
    assert not faults.refuses_values("/b", {"b": None})


def test_faults_of_one_node_are_bounded() -> None:
    faults = FaultSet()
    for rc in range(MOST_FAULTS + 5):
        faults.add(Die(rc=rc, after_start_s=1))
    assert len(list(faults)) == MOST_FAULTS
    assert next(faults.of(Die)).rc == 5
