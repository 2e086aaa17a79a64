"""Words, ages and names."""

from datetime import timedelta

import pytest

from conche.cli.output import age, moment, names_of, plain, span, without_address
from conche.client.words import natural

from .samples import NOW, ago


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=12.9), "12 s"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(minutes=119), "119 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=2), "2 d"),
    ],
)
def test_lengths_of_time_are_short(length: timedelta, words: str):
    assert span(length) == words


def test_an_age_that_is_not_known_is_empty():
    assert age(None, NOW) == ""
    assert age(ago(minutes=5), NOW) == "5 min"


def test_a_moment_has_its_day_only_where_it_is_another():
    assert moment(NOW + timedelta(hours=2), NOW) == "05:00 UTC"
    assert moment(NOW + timedelta(days=1), NOW) == "2026-11-22 03:00 UTC"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], ""),
        (["cx1"], "cx1"),
        (["cx10", "cx2", "cx1", "cx3"], "cx1…cx3, cx10"),
        (["cx1", "cx2"], "cx1, cx2"),
        (["n08", "n09", "n10"], "n08…n10"),
        (["n9", "n010"], "n9, n010"),
        (["cx/cx1", "cx/cx2", "cx/cx3", "recv/recv4"], "cx/cx1…cx3, recv/recv4"),
        (["a", "b", "c"], "a, b, c"),
    ],
)
def test_names_are_sorted_by_number_and_runs_drawn_together(names: list[str], words: str):
    assert names_of(names) == words


def test_a_long_list_of_names_tells_how_many_it_leaves_out():
    assert names_of([f"n{i}" for i in range(0, 40, 2)], limit=2) == "n0, n2 and 18 more"


def test_natural_order_puts_2_before_10_and_copes_with_any_name():
    assert sorted(["cx10", "cx2", "a", "7", "cx", "cx2b"], key=natural) == [
        "7",
        "a",
        "cx",
        "cx2",
        "cx2b",
        "cx10",
    ]


def test_words_of_others_do_nothing_to_a_terminal():
    assert plain("one\ntwo\t\x1b[31mred\x07") == "one two ·[31mred·"


def test_what_alike_nodes_have_in_common_is_without_their_address():
    assert without_address("10.0.0.1:12048: connection refused") == "connection refused"
    assert without_address("down, cx1.site:12048: refused") == "down, refused"
    for words in ("recv/recv5.yaml:2: template", "nodes.yaml:12: not YAML", "GET /config: no answer"):
        assert without_address(words) == words
