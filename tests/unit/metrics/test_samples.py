"""kotekan's own metrics as readings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conche.metrics.readings import line_of
from conche.metrics.samples import Families, MetricsGarbled, Taken

TEXT = """\
# HELP kotekan_buffer_send_dropped_frame_count
# TYPE kotekan_buffer_send_dropped_frame_count counter
kotekan_buffer_send_dropped_frame_count{stage_name="/send"} 3
# HELP kotekan_dpdk_rx_packets_total
# TYPE kotekan_dpdk_rx_packets_total gauge
kotekan_dpdk_rx_packets_total{stage_name="/dpdk/handlers/0",port="0"} 17.000000 1700000000000
kotekan_dpdk_rx_packets_total{stage_name="/dpdk/handlers/1",port="1"} 18.000000 1700000000000
# HELP kotekan_rfi_sk_per_feed
# TYPE kotekan_rfi_sk_per_feed gauge
kotekan_rfi_sk_per_feed{stage_name="/sk",element="0"} NaN 1700000000000
kotekan_rfi_sk_per_feed{stage_name="/sk",element="1"} +Inf 1700000000000
kotekan_rfi_sk_per_feed{stage_name="/sk",element="2"} 1.010000 1700000000000
# HELP kotekan_running
# TYPE kotekan_running gauge
kotekan_running{stage_name="main"} 1.000000 1700000000000
"""


def take(text: str, *patterns: str, most: int = 100) -> Taken:
    return Families(patterns).take(text, group="cx", node="cx1", at_ns=5, most=most)


def names(*patterns: str) -> list[str]:
    return [reading.tags["family"] for reading in take(TEXT, *patterns).readings]


def test_a_series_is_a_reading_with_its_labels_at_the_time_of_the_answer():
    (reading,) = take(TEXT, "kotekan_running").readings
    assert reading.tags == {"group": "cx", "node": "cx1", "family": "kotekan_running", "stage_name": "main"}
    assert (reading.fields, reading.at_ns) == ({"value": 1.0}, 5)


def test_a_counter_keeps_kotekans_name():
    assert names("*_count") == ["kotekan_buffer_send_dropped_frame_count"]


def test_what_is_no_number_is_left_out():
    readings = take(TEXT, "kotekan_rfi_*").readings
    assert [(r.tags["element"], r.fields["value"]) for r in readings] == [("2", 1.01)]


@pytest.mark.parametrize(
    ("patterns", "families"),
    [
        (["kotekan_dpdk_*"], {"kotekan_dpdk_rx_packets_total"}),
        (["kotekan_runnin?"], {"kotekan_running"}),
        (["kotekan_runnin"], set()),
        (["running"], set()),
        (["*_total", "kotekan_running"], {"kotekan_dpdk_rx_packets_total", "kotekan_running"}),
        (["kotekan.running"], set()),
        ([], set()),
    ],
)
def test_families_are_chosen_by_their_whole_names(patterns: list[str], families: set[str]):
    assert set(names(*patterns)) == families


def test_series_that_are_too_many_are_counted():
    taken = take(TEXT, "kotekan_*", most=2)
    assert [r.tags["family"] for r in taken.readings] == [
        "kotekan_buffer_send_dropped_frame_count",
        "kotekan_dpdk_rx_packets_total",
    ]
    assert taken.left == 5


def test_labels_that_are_conches_own_words_are_renamed():
    text = 'm{group="a",node="b",family="c",time="d",value="e",_x="f",port="g"} 1\n'
    (reading,) = take(text, "m").readings
    assert reading.tags == {
        "group": "cx",
        "node": "cx1",
        "family": "m",
        "label_group": "a",
        "label_node": "b",
        "label_family": "c",
        "label_time": "d",
        "label_value": "e",
        "label__x": "f",
        "port": "g",
    }


@pytest.mark.parametrize(
    "labels",
    [
        '"a\\\\"="c"',
        '"a b"="c"',
        f'a="{"x" * 257}"',
        f'a="{"x" * 70_000}"',
        f'{"a" * 257}="x"',
        ",".join(f'a{n}="{"ü" * 200}"' for n in range(20)),
    ],
    ids=["backslash", "blank", "long", "very long", "long name", "many"],
)
def test_a_series_whose_labels_no_database_takes_is_left_out_and_counted(labels: str):
    taken = take(f'm{{{labels}}} 1\nm{{a="b"}} 2\n', "m")
    assert [reading.fields["value"] for reading in taken.readings] == [2.0]
    assert taken.left == 1


def test_labels_with_blanks_commas_quotes_and_escapes_are_read_and_written():
    (reading,) = take('m{a="x, y=z",b="say \\"no\\"",c="two\\nlines",d="C:\\\\"} 1\n', "m").readings
    tags = {name: reading.tags[name] for name in "abcd"}
    assert tags == {"a": "x, y=z", "b": 'say "no"', "c": "two\nlines", "d": "C:\\"}
    assert line_of(reading) == (
        r"kotekan,a=x\,\ y\=z,b=say\ " + '"no"' + r",c=two\ lines,d=C:/,family=m,group=cx,node=cx1 value=1 5"
    )


@pytest.mark.parametrize("text", ["", "\n", "# a comment\n", "other 1\n", 'other{a="b"} 1'])
def test_an_answer_without_a_chosen_family_is_no_error(text: str):
    assert take(text, "m") == Taken([])


@pytest.mark.parametrize("text", ["<html></html>", '{"running": true}', "\x00\xff", "no metrics here", "m"])
def test_an_answer_that_is_something_else_is_garbled(text: str):
    with pytest.raises(MetricsGarbled, match="not Prometheus' text format"):
        take(text, "m")


@pytest.mark.parametrize("line", ["m one", "m{", 'm{a="b} 1', "m{a=b} 1", 'm{a="b"}'])
def test_a_line_that_is_none_is_garbled(line: str):
    with pytest.raises(MetricsGarbled, match="a line of the answer"):
        take(f"other 1\n{line}\n", "m")


@given(st.text() | st.text(alphabet='m{}=",\\ \n0a').map(lambda rest: f"m{rest}"))
def test_whatever_is_answered_is_taken_or_garbled(text: str):
    try:
        taken = take(text, "m*")
    except MetricsGarbled:
        return
    for reading in taken.readings:
        assert "\n" not in line_of(reading)
