from typing import Any

import pytest

from conche.sim.config import NoSuchPathError, RunningConfig, StartRefusedError, UpdateFailedError

BASE: dict[str, Any] = {"log_level": "info", "cpu_affinity": [0]}
MARK = {"kotekan_update_endpoint": "json"}


def running(**more: Any) -> RunningConfig:
    return RunningConfig({**BASE, **more})


def test_blocks_are_found_at_any_depth_but_not_in_lists_or_blocks_or_at_the_root() -> None:
    config = running(
        **MARK, a={"b": {**MARK, "inner": MARK}}, l=[MARK], c=MARK, d={"kotekan_update_endpoint": "none"}
    )
    assert sorted(config.blocks) == ["/a/b", "/c"]


def test_two_blocks_with_one_endpoint_are_refused() -> None:
    with pytest.raises(StartRefusedError, match="defined more than once"):
        running(**{"a/b": MARK, "a": {"b": MARK}})


def test_log_level_may_be_in_capitals() -> None:
    assert running(log_level="INFO").values["log_level"] == "INFO"


def test_affinity_of_the_rest_server_is_enough() -> None:
    RunningConfig({"log_level": "info", "rest_server": {"cpu_affinity": [1]}})
    with pytest.raises(StartRefusedError, match="must be number, but is string"):
        RunningConfig({"log_level": "info", "cpu_affinity": ["0"]})


def test_log_level_is_looked_at_before_markers_and_these_before_affinity() -> None:
    with pytest.raises(StartRefusedError, match="log_level"):
        RunningConfig({"a": {"kotekan_update_endpoint": "x"}})
    with pytest.raises(StartRefusedError, match="unknown endpoint type"):
        RunningConfig({"log_level": "info", "a": {"kotekan_update_endpoint": "x"}})


def test_stage_may_subscribe_to_several_blocks() -> None:
    subscribed = {"kotekan_stage": "x", "updatable_config": {"gains": "/g", "flags": "/nowhere"}}
    with pytest.raises(StartRefusedError, match="'/nowhere'"):
        running(stage=subscribed, g=MARK)


def test_the_first_bad_key_in_their_order_decides_and_missing_keys_come_last() -> None:
    config = running(a={**MARK, "b": 1, "z": 2})
    assert "'c' not defined" in str(config.refusal("/a", {"c": 1, "z": "wrong"}))
    assert "'z' of type string" in str(config.refusal("/a", {"z": "wrong"}))
    assert "missing value 'b'" in str(config.refusal("/a", {"z": 1}))
    assert config.refusal("/a", {"b": 5, "z": -5}) is None


def test_update_of_a_value_that_cannot_be_pointed_at_stores_what_came_before() -> None:
    config = running(a={**MARK, "b": 1, "c/d": 2, "e": 3})
    with pytest.raises(UpdateFailedError, match="c/d"):
        config.store("/a", {"b": 10, "c/d": 20, "e": 30})
    assert config.block("/a") == {**MARK, "b": 10, "c/d": 2, "e": 3}


def test_printed_config_and_revision_follow_every_change() -> None:
    config = running(a={**MARK, "b": 1}, list=[{"x": 1}])
    before = config.printed, config.revision
    config.store("/a", {"b": 1})
    assert (config.printed, config.revision) == before
    config.change(["list", "0", "x"], 2)
    assert b'"x": 2' in config.printed
    assert config.revision != before[1]


@pytest.mark.parametrize("keys", [[], ["a", "b", "c"], ["list", "7"], ["list", "x"], ["log_level", "x"]])
def test_change_of_what_is_not_there_is_refused(keys: list[str]) -> None:
    config = running(list=[1])
    with pytest.raises(NoSuchPathError):
        config.change(keys, 1)


def test_stages_are_known_by_kind() -> None:
    assert running(a={"kotekan_stage": "x"}, b={"c": {"kotekan_stage": "y"}}).stages == {"x", "y"}
