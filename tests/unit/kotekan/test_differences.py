"""How two configs differ, in words."""

from typing import Any

import pytest
from hypothesis import given, settings

from conche.kotekan.blocks import MARKER
from conche.kotekan.differences import MAX_WORDS, differences
from conche.kotekan.revision import fingerprint, revision

from .configs import PAIRS

MANY = settings(max_examples=400, deadline=None)


def words(desired: Any, live: Any) -> list[str]:
    return [str(d) for d in differences({"a": desired}, {"a": live})]


@MANY
@given(PAIRS)
def test_configs_differ_exactly_where_their_revisions_do(pair: tuple[Any, Any]) -> None:
    desired, live = pair
    assert (differences(desired, live) == []) is (revision(desired) == revision(live))


@MANY
@given(PAIRS)
def test_everything_is_changeable_in_place_exactly_where_the_bases_agree(pair: tuple[Any, Any]) -> None:
    desired, live = pair
    found = differences(desired, live)
    assert all(d.endpoint for d in found) is (fingerprint(desired).base == fingerprint(live).base)


@MANY
@given(PAIRS)
def test_endpoint_that_is_named_is_one_of_both_configs_and_differs(pair: tuple[Any, Any]) -> None:
    desired, live = (fingerprint(config).updatable for config in pair)
    for endpoint in {d.endpoint for d in differences(*pair)} - {None}:
        assert desired[endpoint] != live[endpoint]


@pytest.mark.parametrize(
    ("desired", "live", "told"),
    [
        (1, 2, ["a: desired 1, runs 2"]),
        (300, 300.0, ["a: desired 300 (integer), runs 300.0 (float)"]),
        (1, True, ["a: desired 1 (integer), runs true (boolean)"]),
        (0.0, -0.0, ["a: desired 0.0, runs -0.0"]),
        ("1", 1, ['a: desired "1" (string), runs 1 (integer)']),
        (None, [], ["a: desired null (null), runs [] (array)"]),
        ([1, 2], [1, 3], ["a[1]: desired 2, runs 3"]),
        ([1, 2], [1], ["a: desired 2 items, runs 1"]),
        ([1], [2, 3], ["a: desired 1 items, runs 2", "a[0]: desired 1, runs 2"]),
        ({"x": 1}, {}, ["a/x: desired 1, is missing"]),
        ({}, {"x": {"y": 1}}, ['a/x: runs {"y":1}, not desired']),
        ({"x": 1, "y": 1}, {"x": 2, "y": 2}, ["a/x: desired 1, runs 2", "a/y: desired 1, runs 2"]),
        (2**64 - 1, 2**64 - 2, ["a: desired 18446744073709551615, runs 18446744073709551614"]),
    ],
)
def test_difference_says_what_is_desired_and_what_runs(desired: Any, live: Any, told: list[str]) -> None:
    assert words(desired, live) == told


def test_long_values_are_cut() -> None:
    (told,) = words("x" * 1000, "y" * 1000)
    assert len(told) < 2 * MAX_WORDS + 30
    assert told.endswith("…")


def block(**values: Any) -> dict[str, Any]:
    return {"x": {"gains": {MARKER: "json", **values}}}


def test_value_of_a_block_is_changeable_in_place() -> None:
    found = differences(block(a=1, b={"c": [1]}), block(a=2, b={"c": [2, "x"]}))
    assert {d.endpoint for d in found} == {"x/gains"}


@pytest.mark.parametrize(
    ("desired", "live"),
    [
        (block(a=1), block(a=1.0)),
        (block(a=1), block()),
        (block(), block(a=1)),
        (block(), {"x": {"gains": {}}}),
        (block(), {"x": {"gains": {MARKER: "text"}}}),
        ({"x": {MARKER: None, "a": 1}}, {"x": {"a": 2}}),
        ({"x": {MARKER: [0]}}, {"x": {MARKER: [False]}}),
        ({"n": 1}, {"n": 2}),
        ({"l": [{MARKER: "json", "a": 1}]}, {"l": [{MARKER: "json", "a": 2}]}),
        ({MARKER: "json", "a": 1}, {MARKER: "json", "a": 2}),
        (block(inner={MARKER: "json", "a": 1}), {"x": {"gains": {"inner": {MARKER: "json", "a": 2}}}}),
    ],
)
def test_what_kotekan_would_refuse_as_an_update_has_no_endpoint(desired: Any, live: Any) -> None:
    assert {d.endpoint for d in differences(desired, live)} == {None}
