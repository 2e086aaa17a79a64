"""Updatable blocks: which there are, and which kotekan could not take."""

import re
from typing import Any

import pytest

from conche.kotekan.blocks import MARKER, blank, check_blocks, updatable_blocks, values
from conche.kotekan.values import ConfigInvalid

BLOCK = {MARKER: "json", "x": 1}


def test_endpoint_is_the_path_of_the_block() -> None:
    config = {"a": {"b": {"c": BLOCK}}, "gains": BLOCK, "n": 1}
    assert updatable_blocks(config) == {"a/b/c": BLOCK, "gains": BLOCK}


def test_block_in_a_list_or_in_another_block_is_none() -> None:
    config = {"list": [BLOCK, [BLOCK]], "outer": {**BLOCK, "inner": BLOCK}}
    assert list(updatable_blocks(config)) == ["outer"]


def test_marker_at_the_root_is_ignored_and_hides_nothing() -> None:
    assert list(updatable_blocks({MARKER: "json", "gains": BLOCK})) == ["gains"]


def test_block_with_an_odd_marker_is_still_one() -> None:
    assert list(updatable_blocks({"gains": {MARKER: 5}})) == ["gains"]


def test_values_are_posted_without_the_marker() -> None:
    assert values(BLOCK) == {"x": 1}


def test_blank_leaves_its_argument_and_all_outside_blocks_alone() -> None:
    config = {"n": [1, {"m": 2}], "a": {"b": 3}, "gains": dict(BLOCK)}
    assert blank(config) == {"n": [1, {"m": 2}], "a": {"b": 3}, "gains": {MARKER: "json", "x": "integer"}}
    assert config["gains"] == BLOCK


@pytest.mark.parametrize("name", ["gains", "Gains_2", "a-b", "a.b", "5", "a%20b", "start2"])
def test_block_under_a_plain_name_is_accepted(name: str) -> None:
    check_blocks({name: BLOCK})
    check_blocks({"top": {name: BLOCK}})


@pytest.mark.parametrize(
    "name", ["my gains", "a~b", "a/b", "zürich", "", "a?b", "a#b", "a\nb", "a\n", "a\tb"]
)
def test_block_that_kotekan_can_not_address_is_refused(name: str) -> None:
    for config in ({name: BLOCK}, {name: {"gains": BLOCK}}, {"top": {name: BLOCK}}):
        with pytest.raises(ConfigInvalid, match=re.escape(f"under the name {name!r}; use letters")):
            check_blocks(config)


def test_same_names_are_free_where_there_is_no_block() -> None:
    check_blocks({"my gains": {"a/b": 1}, "start": {"x": 1}, "list": [{"a b": BLOCK}]})


@pytest.mark.parametrize("name", ["start", "baseband"])
def test_block_that_would_replace_a_core_endpoint_is_refused(name: str) -> None:
    with pytest.raises(ConfigInvalid, match=f"replaces kotekan's own /{name}; rename it"):
        check_blocks({name: BLOCK})
    check_blocks({"x": {name: BLOCK}})


@pytest.mark.parametrize("marker", ["text", "", None, True, 5, ["json"], {"json": 1}])
def test_marker_other_than_json_is_refused(marker: Any) -> None:
    with pytest.raises(ConfigInvalid, match=rf'^x/gains/{MARKER}: must be "json", is '):
        check_blocks({"x": {"gains": {MARKER: marker}}})


@pytest.mark.parametrize("key", ["a/b", "a~b", "/", "~"])
def test_value_that_an_update_would_kill_kotekan_with_is_refused(key: str) -> None:
    with pytest.raises(ConfigInvalid, match=re.escape(f"gains: the key {key!r} holds '/' or '~'")):
        check_blocks({"gains": {**BLOCK, key: 1}})


@pytest.mark.parametrize("key", ["a b", "zürich", ""])
def test_value_under_any_other_name_is_accepted(key: str) -> None:
    check_blocks({"gains": {**BLOCK, key: {"a/b": 1}}})
