"""The hash that kotekan reports: against msgpack written by hand."""

import hashlib
from typing import Any

import pytest
from hypothesis import given

from conche.kotekan.blocks import MARKER
from conche.kotekan.errors import KotekanGarbled
from conche.kotekan.revision import FingerprintCache, fingerprint, parse_config, revision

from .configs import CONFIGS

A = b"\x81\xa1a"
"""A map of one pair whose key is "a"."""


def md5(packed: bytes) -> str:
    return hashlib.md5(packed).hexdigest()


@pytest.mark.parametrize(
    ("value", "packed"),
    [
        (None, b"\xc0"),
        (False, b"\xc2"),
        (True, b"\xc3"),
        (1, b"\x01"),
        (1.0, b"\xcb\x3f\xf0" + bytes(6)),
        (300, b"\xcd\x01\x2c"),
        (300.0, b"\xcb\x40\x72\xc0" + bytes(5)),
        (0, b"\x00"),
        (0.0, b"\xcb" + bytes(8)),
        (-0.0, b"\xcb\x80" + bytes(7)),
        (127, b"\x7f"),
        (128, b"\xcc\x80"),
        (65536, b"\xce\x00\x01\x00\x00"),
        (1772582400000000000, b"\xcf" + bytes.fromhex("18997a4d1f1c0000")),
        (2**64 - 1, b"\xcf" + b"\xff" * 8),
        (-1, b"\xff"),
        (-32, b"\xe0"),
        (-33, b"\xd0\xdf"),
        (-129, b"\xd1\xff\x7f"),
        (-(2**31) - 1, b"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"),
        (-(2**63), b"\xd3\x80" + bytes(7)),
        ("", b"\xa0"),
        ("é", b"\xa2\xc3\xa9"),
        ("x" * 32, b"\xd9\x20" + b"x" * 32),
        ([], b"\x90"),
        ({}, b"\x80"),
        ([1, [2, {"z": 3, "a": 4}]], b"\x92\x01\x92\x02\x82\xa1a\x04\xa1z\x03"),
    ],
)
def test_values_are_hashed_as_kotekan_packs_them(value: Any, packed: bytes) -> None:
    assert revision({"a": value}) == md5(A + packed)


def test_revision_of_no_config_is_that_of_an_empty_map() -> None:
    assert revision({}) == md5(b"\x80")


def test_keys_are_sorted_by_their_bytes_at_every_level() -> None:
    keys = {"\U0001f600": 1, "\uff5e": 2, "é": 3, "a": 4, "B": 5, "": 6}
    packed = b"\x86\xa0\x06\xa1B\x05\xa1a\x04\xa2\xc3\xa9\x03\xa3\xef\xbd\x9e\x02\xa4\xf0\x9f\x98\x80\x01"
    assert revision(keys) == md5(packed)
    assert revision({"a": {"b": keys}}) == md5(A + b"\x81\xa1b" + packed)


def test_base_has_the_names_of_kinds_where_a_block_has_values() -> None:
    block = {"s": "x", "i": 1, "f": 1.0, "b": True, "n": None, "a": [1, "x"], "o": {"k": 1}}
    kinds = {
        "s": "string",
        "i": "integer",
        "f": "float",
        "b": "boolean",
        "n": "null",
        "a": "array",
        "o": "object",
    }
    found = fingerprint({"depth": 3, "gains": {MARKER: "json", **block}})
    assert found.base == revision({"depth": 3, "gains": {MARKER: "json", **kinds}})
    assert found.revision == revision({"depth": 3, "gains": {MARKER: "json", **block}})


def test_hash_of_an_endpoint_is_that_of_its_values_without_the_marker() -> None:
    found = fingerprint({"x": {"gains": {MARKER: "json", "a": 300.0}}})
    assert found.updatable == {"x/gains": md5(A + b"\xcb\x40\x72\xc0" + bytes(5))}


@pytest.mark.parametrize("other", [{"a": 2, "b": 1}, {"a": 2}])
def test_a_value_of_a_block_changes_revision_and_endpoint_and_not_the_base(other: dict[str, int]) -> None:
    one = fingerprint({"x": {MARKER: "json", **dict.fromkeys(other, 1)}})
    two = fingerprint({"x": {MARKER: "json", **other}})
    assert one.base == two.base
    assert one.revision != two.revision
    assert one.updatable["x"] != two.updatable["x"]


@pytest.mark.parametrize(
    "other",
    [
        {MARKER: "json", "a": 1.0},
        {MARKER: "json", "a": 1, "b": 1},
        {MARKER: "json"},
        {MARKER: "text", "a": 1},
    ],
)
def test_another_kind_key_or_marker_in_a_block_changes_the_base(other: dict[str, Any]) -> None:
    assert fingerprint({"x": {MARKER: "json", "a": 1}}).base != fingerprint({"x": other}).base


def test_values_of_what_only_looks_like_a_block_change_the_base() -> None:
    def in_list(value: int) -> str:
        return fingerprint({"x": [{MARKER: "json", "a": value}]}).base

    def at_root(value: int) -> str:
        return fingerprint({MARKER: "json", "a": value}).base

    assert in_list(1) != in_list(2)
    assert at_root(1) != at_root(2)


@given(CONFIGS)
def test_base_and_endpoints_together_say_no_less_than_the_revision(config: dict[str, Any]) -> None:
    found = fingerprint(config)
    assert found == fingerprint(dict(reversed(config.items())))
    assert (found.base == found.revision) >= (not found.updatable)


def test_body_that_was_seen_before_is_not_parsed_again() -> None:
    cache = FingerprintCache()
    first = cache.of(b'{"a": 1}')
    assert first == fingerprint({"a": 1})
    assert cache.of(b'{"a": 1}') is first
    assert cache.of(b'{"a": 2}') != first


def test_cache_forgets_what_was_not_asked_for_longest() -> None:
    cache = FingerprintCache(size=2)
    one, two = cache.of(b'{"a": 1}'), cache.of(b'{"a": 2}')
    assert cache.of(b'{"a": 1}') is one
    cache.of(b'{"a": 3}')
    assert cache.of(b'{"a": 1}') is one
    assert cache.of(b'{"a": 2}') is not two


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b'{"a": NaN}',
        b'{"a": "\xff"}',
        b'{"a": 18446744073709551616}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}",
        b"[" * 100_000,
    ],
)
def test_body_that_no_kotekan_would_send_is_garbled(body: bytes) -> None:
    with pytest.raises(KotekanGarbled, match="GET /config"):
        FingerprintCache().of(body)


def test_config_is_parsed_with_kinds_kept_apart() -> None:
    found = parse_config(b'{"a": 300, "b": 300.0, "c": -0.0, "d": 18446744073709551615, "e": 1e3, "a": 5}')
    assert repr(found) == "{'a': 5, 'b': 300.0, 'c': -0.0, 'd': 18446744073709551615, 'e': 1000.0}"
