import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.json import decode, encode

from conche.kotekan.blocks import MARKER
from conche.kotekan.values import kind, to_json
from conche.renderer.merge import MergeInvalid, merge, parse_stored
from conche.renderer.problems import ProblemError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
BLOCKS = st.dictionaries(st.text("abcd", min_size=1, max_size=2), VALUES, min_size=1, max_size=5)


def config_with(**values: Any) -> dict[str, Any]:
    return {"a": {"b": {MARKER: "json", **values}}, "other": 1}


def merged(values: Any, **block: Any) -> dict[str, Any]:
    config = config_with(**block)
    assert merge(config, {"a/b": values}) == []
    result: dict[str, Any] = config["a"]["b"]
    return result


def test_stored_part_of_a_block_leaves_the_rest() -> None:
    assert merged({"x": 5}, x=1, y=2) == {MARKER: "json", "x": 5, "y": 2}


def test_whole_number_becomes_a_float_where_the_block_has_one() -> None:
    value = merged({"x": 5}, x=1.5)["x"]
    assert (value, type(value)) == (5.0, float)


def test_integer_of_19_digits_stays_exact() -> None:
    stored = parse_stored('{"a/b": {"t": [{"t_ns": 1773446400000000001}]}}', file="f")
    assert merged(stored["a/b"], t=[])["t"] == [{"t_ns": 1773446400000000001}]


def test_arrays_and_objects_are_replaced_whole() -> None:
    block = merged({"x": [1, "two"], "o": {"new": 1}}, x=[1.5], o={"old": 2})
    assert (block["x"], block["o"]) == ([1, "two"], {"new": 1})


def test_endpoint_that_the_base_lacks_is_reported_and_left_out() -> None:
    config = config_with(x=1)
    assert merge(config, {"gone": {"x": 1}, "a/b": {"x": 2}}) == ["gone"]
    assert config == config_with(x=2)


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({"z": 1}, "a/b/z: its block has no such key; there are x"),
        ({"x": 1.5}, "a/b/x: is a float, the base config has an integer there; store the same kind"),
        ({"x": "1"}, "a/b/x: is a string, the base config has an integer"),
        ({"x": True}, "a/b/x: is a boolean, the base config has an integer"),
        ({"x": None}, "a/b/x: is a null, the base config has an integer"),
        ({MARKER: "other"}, f"a/b/{MARKER}: is the block's marker"),
        ([1], "a/b: must be an object of keys and values, is an array"),
        (3, "a/b: must be an object"),
    ],
)
def test_value_that_does_not_fit_names_its_key(stored: Any, words: str) -> None:
    with pytest.raises(MergeInvalid) as caught:
        merge(config_with(x=1), {"a/b": stored})
    assert str(caught.value).startswith(words)


def test_marker_that_is_stored_as_it_stands_is_no_error() -> None:
    assert merged({MARKER: "json", "x": 2}, x=1)["x"] == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "f:1: not JSON: Expecting value"),
        ('{"a":\n {"x": 1,}}', "f:2: not JSON: "),
        ('{"a": {"x": 1,\n  "x": 2}}', "f:2: x: stands twice in one object; keep one"),
        ('{"a": {"x": 1}, \n\n"a": {}}', "f:3: a: stands twice"),
        ('{"NaN": {"x":\n NaN}}', "f:2: NaN is not a number that JSON can carry"),
        ('{"a": {"x":\n\n -Infinity}}', "f:3: -Infinity is not a number"),
        ('{"a": {"x": 1e999}}', "f:1: 1e999 is not a number"),
        ("[]", "f: is an array, not a mapping"),
        ("null", "f: is empty"),
        ('{"a": {"x": 18446744073709551616}}', "f: a/x: the integer 18446744073709551616 needs more than 64"),
        ('{"a": {"x": "\\ud800"}}', "f: a/x: '\\ud800' is not valid Unicode"),
        ("[" * 100_000, "f: maximum recursion depth"),
        ('{"a": {"x": ' + "9" * 5000 + "}}", "f: Exceeds the limit"),
    ],
)
def test_stored_file_that_is_wrong_names_file_line_and_key(text: str, words: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parse_stored(text, file="f")
    assert str(caught.value).startswith(words)


@given(block=BLOCKS, stored=BLOCKS)
def test_merge_keeps_every_key_and_kind(block: dict[str, Any], stored: dict[str, Any]) -> None:
    config = config_with(**block)
    before = {key: kind(value) for key, value in config["a"]["b"].items()}
    try:
        merge(config, {"a/b": stored})
    except MergeInvalid:
        return
    after = config["a"]["b"]
    assert {key: kind(value) for key, value in after.items()} == before
    assert all(
        after[key] == pytest.approx(value, rel=0, abs=0)
        for key, value in stored.items()
        if kind(value) == "integer" and before[key] == "integer"
    )


@given(block=BLOCKS)
def test_what_is_stored_as_it_stands_changes_nothing(block: dict[str, Any]) -> None:
    config = config_with(**block)
    stored = parse_stored(encode({"a/b": block}).decode(), file="f")
    assert merge(config, stored) == []
    assert encode(config) == encode(config_with(**block))


@given(value=st.dictionaries(st.text("ab/", max_size=3), VALUES, max_size=4))
def test_json_values_survive_to_json_and_back_with_their_kinds(value: dict[str, Any]) -> None:
    config, warnings = to_json(value)
    assert warnings == []
    back = decode(encode(config))
    assert _tagged(back) == _tagged(value)


def _tagged(value: Any) -> Any:
    """Return a value in which 1, 1.0 and true, 0.0 and -0.0 differ."""
    match value:
        case dict():
            return {key: _tagged(item) for key, item in value.items()}
        case list():
            return [_tagged(item) for item in value]
        case float():
            return kind(value), value, math.copysign(1, value)
        case _:
            return kind(value), value
