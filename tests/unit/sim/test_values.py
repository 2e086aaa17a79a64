import hashlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conche.sim.values import JsonSyntaxError, dump, dump_compact, parse, revision, type_name

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text()
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | FLOATS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1", 1),
        (b"1.0", 1.0),
        (b"1e3", 1000.0),
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", float(2**64)),
        (b"-9223372036854775808", -(2**63)),
        (b"-9223372036854775809", -float(2**63)),
        (b"1772582400000000000", 1772582400000000000),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"\xef\xbb\xbf[]", []),
    ],
)
def test_numbers_and_keys_are_read_as_kotekan_reads_them(text: bytes, value: Any) -> None:
    parsed = parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_negative_zero_is_kept() -> None:
    assert math.copysign(1.0, float(str(parse(b"-0.0")))) == -1.0
    assert dump(-0.0) == b"-0.0"


@pytest.mark.parametrize(
    "text",
    [
        b"NaN",
        b"Infinity",
        b"1e400",
        b"-1e400",
        b"9" * 400,
        b"",
        b"{",
        b'"\xff"',
        b'"\\ud800"',
        b"[1,]",
        b"01",
    ],
)
def test_what_kotekan_cannot_parse_is_a_syntax_error_in_one_line(text: bytes) -> None:
    with pytest.raises(JsonSyntaxError, match=r"json\.exception") as caught:
        parse(text)
    assert "\n" not in str(caught.value)


@given(VALUES)
def test_what_was_printed_is_read_back(value: Any) -> None:
    assert dump_compact(parse(dump(value))) == dump_compact(value)


@given(st.dictionaries(st.text(), VALUES))
def test_revision_does_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    assert revision(dict(reversed(value.items()))) == revision(value)


def test_revision_tells_whole_floats_and_booleans_from_integers() -> None:
    values: tuple[Any, ...] = (1, 1.0, True, "1")
    assert len({revision({"a": value}) for value in values}) == 4


def test_revision_is_the_md5_of_msgpack_with_shortest_integers_and_double_floats() -> None:
    packed = b"\x83\xa1a\x00\xa1b\xcb\x3f\xf0\0\0\0\0\0\0\xa1c\xcf" + b"\xff" * 8
    value: dict[str, Any] = {"c": 2**64 - 1, "b": 1.0, "a": 0}
    assert revision(value) == hashlib.md5(packed).hexdigest()


def test_dump_has_a_newline_after_each_bracket_and_comma() -> None:
    assert dump({"b": [1, {}], "a": "ü"}) == '{\n"a": "ü",\n"b": [\n1,\n{}\n]\n}'.encode()
    assert json.loads(dump({"b": [1]})) == {"b": [1]}


def test_types_are_named_as_in_kotekans_messages() -> None:
    values: tuple[Any, ...] = (None, True, 1, 1.0, "", [], {})
    names = [type_name(value) for value in values]
    assert names == ["null", "boolean", "integer", "float", "string", "array", "object"]
