"""From what YAML gives to what JSON and kotekan can carry."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given

from conche.kotekan.values import MAX_DEPTH, ConfigInvalid, at, kind, leaves, to_json

from .configs import CONFIGS


def refusal(value: Any) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        to_json(value)
    return str(caught.value)


def load(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


@given(CONFIGS)
def test_what_json_can_carry_is_left_as_it_is(config: dict[str, Any]) -> None:
    converted, warnings = to_json(config)
    assert repr(converted) == repr(config)
    assert not warnings


def test_config_is_a_copy() -> None:
    inner = {"x": [1]}
    converted, _ = to_json({"a": inner, "b": inner})
    assert converted["a"] is not converted["b"]
    assert converted["a"]["x"] is not inner["x"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "is empty, not a mapping"),
        ([], "is an array, not a mapping"),
        ("x", "is a string, not a mapping"),
        (5, "is an integer, not a mapping"),
        (date(2026, 1, 1), "is a date, not a mapping"),
    ],
)
def test_document_that_is_no_mapping_is_refused(value: Any, words: str) -> None:
    assert refusal(value).startswith(words)


@pytest.mark.parametrize(
    "value",
    [date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), {1, 2}, b"\x00", (1, 2), 1j],
)
def test_value_that_json_has_no_kind_for_is_refused_with_its_place(value: Any) -> None:
    words = refusal({"a": [1, {"b": value}]})
    assert words.startswith("a[1]/b: ")
    assert type(value).__name__ in words
    assert "put it in quotes" in words


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_number_that_is_not_finite_is_refused(value: float) -> None:
    assert refusal({"a": value}) == f"a: {value} is not a number that JSON can carry"


@pytest.mark.parametrize("value", [2**64 - 1, -(2**63), 0])
def test_integers_of_64_bits_are_kept_exact(value: int) -> None:
    assert to_json({"a": value})[0] == {"a": value}


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1])
def test_integers_beyond_64_bits_are_refused(value: int) -> None:
    assert refusal({"a": value}) == f"a: the integer {value} needs more than 64 bits"


def test_integer_too_long_to_print_is_refused_in_words() -> None:
    words = refusal(load("a: 0x" + "f" * 5000))
    assert words.startswith("a: the integer 0xfff")
    assert words.endswith("needs more than 64 bits")
    assert len(words) < 300


@pytest.mark.parametrize(
    "value", [b"\x00" * 100_000, {f"{i:99}" for i in range(1000)}, "\ud800" * 100_000], ids=type
)
def test_words_of_a_refusal_stay_short_however_long_the_value(value: Any) -> None:
    assert len(refusal({"a": value})) < 300
    key = tuple(value) if isinstance(value, set) else value
    assert len(refusal({key: 1})) < 300


def test_keys_that_are_no_text_become_what_json_makes_of_them() -> None:
    config = {1: 1, 1.5: 2, None: 4, 1e300: 5, float("inf"): 6, -7: 7}
    converted, warnings = to_json({"a": config, False: 8})
    assert list(converted["a"]) == list(json.loads(json.dumps(config)))
    assert converted["false"] == 8
    assert len(warnings) == len(config) + 1
    assert "a/1.5: the key 1.5 is not text and becomes '1.5'" in warnings
    assert "false: the key False is not text and becomes 'false'" in warnings


def test_key_that_json_makes_no_text_of_is_refused() -> None:
    assert refusal(load("2026-01-01: 1")).startswith(
        "top level: the key datetime.date(2026, 1, 1) is not text"
    )
    assert refusal({"a": {(1, 2): 3}}).startswith("a: the key (1, 2) is not text")


def test_integer_key_too_long_to_print_is_refused_in_words() -> None:
    words = refusal(load("? 0x" + "f" * 5000 + "\n: 1"))
    assert words.startswith("top level: the key")
    assert len(words) < 300


@pytest.mark.parametrize("text", ["{1: a, '1': b}", "{true: a, 'true': b}", "{~: a, 'null': b}"])
def test_keys_that_become_the_same_text_are_refused(text: str) -> None:
    assert "two keys become the same text" in refusal({"x": load(text)})


def test_text_that_is_no_unicode_is_refused_with_its_place() -> None:
    assert refusal({"a": "\ud800"}) == "a: '\\ud800' is not valid Unicode text"
    assert refusal({"a": {"\ud800": 1}}) == "a: '\\ud800' is not valid Unicode text"
    assert refusal({"\ud800": 1}) == "top level: '\\ud800' is not valid Unicode text"


@pytest.mark.parametrize("text", ["a: &x {b: *x}", "a: &x [*x]", "&x {a: {b: [*x]}}"])
def test_alias_that_contains_itself_is_refused(text: str) -> None:
    assert "too large or nested too deeply (a YAML alias that contains itself?)" in refusal(load(text))


def test_aliases_that_multiply_are_refused_before_they_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("conche.kotekan.values.MAX_VALUES", 10_000)
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]" for i in range(1, 12)]
    assert "too large" in refusal(load("\n".join(lines)))


def test_nesting_is_accepted_up_to_its_bound() -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    to_json({"a": value})
    assert "nested too deeply" in refusal({"a": {"b": [value]}})


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "boolean"),
        (1, "integer"),
        (1.0, "float"),
        ("", "string"),
        ([], "array"),
        ({}, "object"),
        (b"", "bytes"),
    ],
)
def test_kinds_are_those_that_kotekan_tells_apart(value: Any, name: str) -> None:
    assert kind(value) == name


def test_path_has_keys_with_strokes_and_positions_in_brackets() -> None:
    assert at(at(at("", "a"), 3), "b") == "a[3]/b"


def test_leaves_are_values_and_whatever_is_empty() -> None:
    found = dict(leaves({"a": [1, {"b": {}}], "c": [], "d": {"e": None}}))
    assert found == {"a[0]": 1, "a[1]/b": {}, "c": [], "d/e": None}
