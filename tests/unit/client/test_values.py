"""Values that are completed by what is desired."""

from typing import Any

import pytest

from conche.client import ValuesIncomplete
from conche.client.values import completed

MARKER = {"kotekan_update_endpoint": "json"}


def config(**values: Any) -> dict[str, Any]:
    return {"gains": {**MARKER, **values}, "depth": 4}


def test_what_is_not_given_stays_as_it_is_desired():
    configs = {"cx/cx1": config(a=1, b="x"), "cx/cx2": config(a=2, b="x")}
    assert completed({"a": 3}, "gains", configs) == {"a": 3, "b": "x"}


def test_nodes_without_the_block_do_not_count():
    assert completed({"a": 3}, "gains", {"cx/cx1": config(a=1, b=2), "cx/cx2": {"depth": 4}}) == {
        "a": 3,
        "b": 2,
    }


def test_kinds_count_where_nodes_are_compared():
    with pytest.raises(ValuesIncomplete, match=r"cx/cx1 1, cx/cx2 1\.0"):
        completed({"a": 3}, "gains", {"cx/cx1": config(a=1, b=1), "cx/cx2": config(a=1, b=1.0)})


def test_nodes_that_differ_are_named_and_what_to_do():
    configs = {f"cx/cx{i}": config(a=1, b=i % 2) for i in range(1, 10)}
    with pytest.raises(ValuesIncomplete, match="differ") as raised:
        completed({"a": 3}, "gains", configs)
    assert "b is not given" in str(raised.value)
    assert "cx/cx1, cx/cx3, cx/cx5 and 2 more 1" in str(raised.value)
    assert "give b too, or set these nodes one by one" in str(raised.value)


def test_a_key_that_one_node_lacks_is_a_difference():
    with pytest.raises(ValuesIncomplete, match="cx/cx2 nothing"):
        completed({"a": 3}, "gains", {"cx/cx1": config(a=1, b=1), "cx/cx2": config(a=1)})


@pytest.mark.parametrize(
    ("endpoint", "values", "words"),
    [
        ("gain", {"a": 1}, "no updatable block 'gain'; did you mean gains?"),
        ("xyz", {"a": 1}, "no updatable block 'xyz'; there are gains"),
        ("depth", {"a": 1}, "no updatable block 'depth'"),
        ("gains", {"q": 1}, "gains has no key 'q'; there are a"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(endpoint: str, values: dict[str, int], words: str):
    with pytest.raises(ValuesIncomplete, match=r".") as raised:
        completed(values, endpoint, {"cx/cx1": config(a=1)})
    assert words in str(raised.value)


def test_without_a_desired_config_there_is_nothing_to_complete():
    with pytest.raises(ValuesIncomplete, match="none of these nodes has a desired config"):
        completed({"a": 1}, "gains", {})
