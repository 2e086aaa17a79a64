"""Readings as lines: kinds, what is left out, and that nothing breaks out of its line."""

import math
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conche.contract import measurements as m
from conche.contract.measurements import MEASUREMENTS, FieldKind
from conche.metrics.readings import LONGEST_TAG, LONGEST_TEXT, Reading, ReadingInvalid, line_of, time_ns


def line(measurement: m.Measurement = m.SWEEP, **fields: Any) -> str:
    return line_of(Reading(measurement, {}, fields, 17))


def test_a_reading_is_one_line_with_tags_fields_and_time():
    reading = Reading(
        m.PUSH, {"group": "cx", "node": "cx1", "kind": "start"}, {"took_s": 1.5, "ok": True}, 17
    )
    assert line_of(reading) == "push,group=cx,kind=start,node=cx1 ok=1i,took_s=1.5 17"


@pytest.mark.parametrize("value", [2, 2.0, True])
def test_a_float_is_one_whatever_it_came_as(value: Any):
    assert not re.search(r"=\d+i", line(took_s=value))
    assert line(took_s=value).startswith("sweep took_s=")


@pytest.mark.parametrize(("value", "shown"), [(True, "1i"), (False, "0i"), (7, "7i"), (7.9, "7i")])
def test_an_integer_is_one_whatever_it_came_as(value: Any, shown: str):
    assert line(polled=value) == f"sweep polled={shown} 17"


def test_every_kind_of_the_catalogue_is_cast():
    for measurement in MEASUREMENTS:
        for field in measurement.fields:
            wanted = {FieldKind.FLOAT: "1", FieldKind.TEXT: '"1"'}.get(field.kind, "1i")
            assert line(measurement, **{field.name: 1}) == f"{measurement.name} {field.name}={wanted} 17"


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_left_out(value: Any):
    assert line(took_s=value, polled=1) == "sweep polled=1i 17"


def test_a_reading_of_which_nothing_is_known_is_no_line():
    assert line() == ""
    assert line(took_s=None, period_s=math.nan) == ""


def test_a_field_or_tag_that_is_not_in_the_catalogue_is_an_error_of_the_program():
    with pytest.raises(ReadingInvalid, match="sweep has no field took"):
        line(took=1)
    with pytest.raises(ReadingInvalid, match="sweep has no tag group"):
        line_of(Reading(m.SWEEP, {"group": "cx"}, {"polled": 1}, 17))


def test_metrics_of_kotekan_alone_have_tags_of_their_own():
    reading = Reading(m.KOTEKAN, {"group": "cx", "family": "f", "port": "0"}, {"value": 1}, 17)
    assert line_of(reading) == "kotekan,family=f,group=cx,port=0 value=1 17"


def test_tags_without_a_value_are_left_out():
    tags = {"group": "cx", "action": "", "user": " \n", "service": "sync"}
    assert line_of(Reading(m.COMMAND, tags, {"ok": True}, 17)) == "command,group=cx,service=sync ok=1i 17"


def test_a_long_text_is_cut():
    assert line(m.FPGA, error="x" * 500) == f'fpga error="{"x" * LONGEST_TEXT}" 17'


def test_an_empty_text_is_written_so_that_the_last_one_is_not_taken_for_it():
    assert line(m.FPGA, error="") == 'fpga error="" 17'


@pytest.mark.parametrize(
    ("tag", "written"),
    [
        ("a b", r"a\ b"),
        ("a,b=c", r"a\,b\=c"),
        ("a\nb\r\n\x00c", r"a\ b\ c"),
        ('say "x"', r'say\ "x"'),
        ("C:\\", "C:/"),
        ("ü°", "ü°"),
    ],
)
def test_a_tag_is_escaped_and_a_backslash_escapes_nothing(tag: str, written: str):
    reading = Reading(m.KOTEKAN, {"stage": tag}, {"value": 1}, 17)
    assert line_of(reading) == f"kotekan,stage={written} value=1 17"


@pytest.mark.parametrize(("name", "written"), [("a\\", "a/"), ("a b", r"a\ b"), ("a\n=", r"a\ \=")])
def test_the_name_of_a_tag_is_cleaned_as_its_value_is(name: str, written: str):
    reading = Reading(m.KOTEKAN, {name: "c", " ": "none"}, {"value": 1}, 17)
    assert line_of(reading) == f"kotekan,{written}=c value=1 17"


def test_a_long_tag_is_cut():
    reading = Reading(m.COMMAND, {"group": "g" * 70_000}, {"ok": True}, 17)
    assert line_of(reading) == f"command,group={'g' * LONGEST_TAG} ok=1i 17"


@given(tag=st.text(), text=st.text())
def test_whatever_stands_in_a_tag_or_a_text_there_is_one_line_with_its_time_at_the_end(tag: str, text: str):
    written = line_of(Reading(m.HAPPENING, {"kind": tag}, {"text": text, "ok": True}, 17))
    assert not re.search(r"[\x00-\x1f\x7f]", written)
    # The tags end at the first blank that is not escaped, and the fields begin there.
    head = re.match(r"event(,kind=(\\.|[^\\ ,=])+)? ok=1i,text=\"", written)
    assert head is not None
    assert re.fullmatch(r'(\\.|[^"\\])*" 17', written[head.end() :])


def test_a_time_is_exact_to_the_microsecond():
    at = datetime(2026, 11, 21, 12, 0, 0, 123_457, tzinfo=UTC)
    assert time_ns(at) == 1_795_262_400_123_457_000
