"""Names of an entry's fields are those of the target's own table."""

from typing import Any

import pytest

from conche.contract import EopEntry
from conche.eop.fields import NEW, OLD, FieldsUnknown, names_in, payload_of

KEY = "earth_orientation_parameter_table"
ENTRY = EopEntry(t_inst_ns=1_772_582_400_000_000_001, delta_UT1_inst=0.0, xp_as=0.1, yp_as=0.2)
NEW_ENTRY = {"t_inst_ns": 1, "delta_UT1_inst": 0.1, "xp_as": 0.1, "yp_as": 0.2}
OLD_ENTRY = {"time_inst_ns": 1, "delta_UT1_inst": 0.1, "x_pm": 0.1, "y_pm": 0.2}


def test_names_are_those_of_the_first_entry():
    assert names_in({KEY: [NEW_ENTRY, OLD_ENTRY]}, key=KEY) is NEW
    assert names_in({KEY: [OLD_ENTRY, NEW_ENTRY]}, key=KEY) is OLD


def test_an_empty_table_gets_the_names_of_today():
    assert names_in({KEY: []}, key=KEY) is NEW


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({}, "has no list earth_.* in its block; there is nothing"),
        ({"eop": []}, "there is eop"),
        ({KEY: {}}, "has no list"),
        ({KEY: [3]}, "has no fields; an entry has t_inst_ns, .* or time_inst_ns"),
        ({KEY: [{**NEW_ENTRY, "lod": 1}]}, "has delta_UT1_inst, lod, "),
        ({KEY: [{**OLD_ENTRY, "x_pm_as": 1}]}, "x_pm_as"),
        ({KEY: [{"t_inst_ns": 1, "delta_UT1_inst": 0.1, "x_pm": 0.1, "y_pm": 0.2}]}, "an entry has"),
    ],
)
def test_other_fields_are_an_error_that_names_them(block: dict[str, Any], words: str):
    with pytest.raises(FieldsUnknown, match=words):
        names_in(block, key=KEY)


def test_a_payload_has_the_names_and_keeps_every_nanosecond_and_kind():
    assert payload_of([ENTRY], OLD) == [
        {"time_inst_ns": 1_772_582_400_000_000_001, "delta_UT1_inst": 0.0, "x_pm": 0.1, "y_pm": 0.2}
    ]
    (new,) = payload_of([ENTRY], NEW)
    assert list(new) == ["t_inst_ns", "delta_UT1_inst", "xp_as", "yp_as"]
    assert [type(value) for value in new.values()] == [int, float, float, float]
