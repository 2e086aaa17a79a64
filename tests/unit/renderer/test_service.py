"""In real time, on a real directory, against a bus that is a dictionary."""

import asyncio
import shutil
import threading

import pytest

from conche.contract import REGISTRY, RegisteredNode, Registry
from conche.renderer import keeping
from conche.renderer import service as module
from conche.renderer.history import History
from conche.renderer.render import Draft, Rendered, Rendering

from .directory import ONE_NODE
from .world import World

TWO_NODES = "groups: {cx: {cx1: {host: h1}, cx2: {host: h2}}}\n"
LEFT = Registry(boot="old", groups={"cx": {"cx1": RegisteredNode(host="h1", port=12048, epoch="e")}})


async def test_registry_comes_first_and_clearing_last(world: World) -> None:
    world.configs.write("nodes.yaml", TWO_NODES)
    world.start()
    await world.until(lambda: world.bus.cleared)
    assert world.bus.log == ["registry", "desired/cx/cx1", "desired/cx/cx2", "clear desired/+/+"]
    desired = world.bus.desired("cx2")
    assert (desired.boot, desired.source, desired.error) == ("me", "cx/cx2.yaml", None)
    assert desired.revision
    assert desired.base
    assert world.bus.config("cx2") == {"y": "cx2"}


async def test_only_nodes_that_depend_on_a_changed_file_are_rendered(world: World) -> None:
    world.configs.write("nodes.yaml", TWO_NODES)
    world.start()
    await world.until(lambda: world.bus.cleared)
    world.bus.log.clear()
    world.configs.write("cx/cx2.yaml", "y: 2")
    await world.until(lambda: world.bus.config("cx2") == {"y": 2})
    assert "desired/cx/cx1" not in world.bus.log


async def test_broken_template_publishes_an_error_and_no_config_and_recovers(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.start()
    await world.until(lambda: world.bus.config() == {"x": 1})
    world.configs.write("cx/cx1.yaml", "x: {{ foo }}")
    await world.until(lambda: world.bus.desired().error)
    desired = world.bus.desired()
    assert (desired.revision, desired.base, bytes(desired.config)) == (None, None, b"null")
    assert desired.source == "cx/cx1.yaml"
    assert caplog.text.count("'foo' is undefined") == 1
    world.configs.write("cx/cx1.yaml", "x: 2")
    await world.until(lambda: world.bus.config() == {"x": 2})
    assert world.bus.desired().error is None


async def test_stored_values_that_appear_are_merged(world: World) -> None:
    world.configs.write("cx/cx1.yaml", "b: {kotekan_update_endpoint: json, v: 1}")
    world.start()
    await world.until(world.bus.desired)
    world.configs.write(".updatable/cx/cx1.json", '{"b": {"v": 2}}')
    await world.until(lambda: world.bus.config()["b"]["v"] == 2)


async def test_new_node_begins_an_epoch_before_its_config_is_rendered(world: World) -> None:
    world.start()
    await world.until(world.bus.desired)
    before = world.bus.registry.groups["cx"]["cx1"].epoch
    world.bus.log.clear()
    world.configs.write("nodes.yaml", TWO_NODES)
    await world.until(lambda: world.bus.desired("cx2"))
    assert world.bus.log[:2] == ["registry", "desired/cx/cx2"]
    assert world.bus.registry.groups["cx"]["cx1"].epoch != before


async def test_desired_of_a_removed_node_is_cleared(world: World) -> None:
    world.configs.write("nodes.yaml", TWO_NODES)
    world.start()
    await world.until(lambda: world.bus.desired("cx2"))
    world.configs.write("nodes.yaml", ONE_NODE)
    await world.until(lambda: "desired/cx/cx2" not in world.bus.held)
    assert world.bus.config() == {"x": 1}


async def test_broken_registry_keeps_nodes_and_configs_and_says_so(world: World) -> None:
    world.start()
    await world.until(world.bus.desired)
    good = world.bus.registry
    world.configs.write("nodes.yaml", "groups: [")
    await world.until(lambda: world.bus.registry.error)
    assert world.bus.registry.groups == good.groups
    world.configs.write("cx/cx1.yaml", "x: 2")
    await world.until(lambda: world.bus.config() == {"x": 2})
    world.configs.write("nodes.yaml", ONE_NODE)
    await world.until(lambda: world.bus.registry == good)


async def test_directory_that_goes_away_changes_no_config(world: World) -> None:
    world.start()
    await world.until(world.bus.desired)
    good = world.bus.registry
    away = world.configs.root.parent / "away"
    world.configs.root.rename(away)
    await world.until(lambda: world.bus.registry.error)
    assert "is not there" in str(world.bus.registry.error)
    assert world.bus.config() == {"x": 1}
    away.rename(world.configs.root)
    await world.until(lambda: world.bus.registry == good)


async def test_directory_replaced_by_another_is_rendered_anew(world: World) -> None:
    world.start()
    await world.until(world.bus.desired)
    other = world.configs.root.parent / "other"
    shutil.copytree(world.configs.root, other)
    (other / "cx/cx1.yaml").write_text("x: other")
    world.configs.root.rename(world.configs.root.parent / "old")
    other.rename(world.configs.root)
    await world.until(lambda: world.bus.config() == {"x": "other"})
    world.configs.write("cx/cx1.yaml", "x: later")
    await world.until(lambda: world.bus.config() == {"x": "later"})


async def test_restart_keeps_the_epoch_and_publishes_its_own_boot(world: World) -> None:
    world.start()
    await world.until(world.bus.desired)
    before = world.bus.registry
    await world.restart()
    await world.until(world.bus.desired)
    assert world.bus.registry.groups == before.groups
    assert (world.bus.registry.boot, world.bus.desired().boot) == ("next", "next")


async def test_broken_registry_at_start_changes_no_node_and_no_config_and_clears_nothing(
    world: World,
) -> None:
    world.start()
    await world.until(world.bus.desired)
    before = world.bus.registry
    world.configs.write("nodes.yaml", "groups: [")
    world.configs.write("cx/cx1.yaml", "x: 2\n")
    await world.restart()
    await world.until(lambda: world.bus.config() == {"x": 2})
    assert world.bus.registry.groups == before.groups
    assert world.bus.registry.boot == "next"
    assert str(world.bus.registry.error).startswith("nodes.yaml:1: ")
    assert world.bus.desired().error is None
    assert not world.bus.cleared
    world.configs.write("nodes.yaml", ONE_NODE)
    await world.until(lambda: world.bus.cleared)
    assert (world.bus.registry.groups, world.bus.registry.error) == (before.groups, None)


async def test_broken_registry_at_the_start_of_a_stack_takes_over_the_brokers_without_configs(
    world: World,
) -> None:
    world.bus.left = {REGISTRY.topic(): LEFT}
    world.configs.write("nodes.yaml", "groups: [")
    world.start()
    await world.until(world.bus.desired)
    assert world.bus.registry.groups["cx"].keys() == {"cx1"}
    assert world.bus.registry.groups["cx"]["cx1"].epoch != "e"
    assert str(world.bus.desired().error).startswith("not rendered: nodes.yaml:1: ")
    assert not world.bus.cleared
    world.configs.write("nodes.yaml", ONE_NODE)
    await world.until(lambda: world.bus.config() == {"x": 1})
    assert world.bus.cleared


async def test_directory_that_is_away_at_a_restart_leaves_what_stands_there(world: World) -> None:
    world.start()
    await world.until(world.bus.desired)
    before = world.bus.registry
    world.configs.root.rename(world.configs.root.with_name("away"))
    await world.restart()
    await world.until(lambda: world.bus.registry.error)
    await asyncio.sleep(0.2)
    assert world.bus.registry.groups == before.groups
    assert world.bus.held.keys() == {REGISTRY.topic()}
    assert not world.bus.cleared


async def test_taken_over_node_that_the_repaired_file_lacks_is_cleared(world: World) -> None:
    world.configs.write("nodes.yaml", TWO_NODES)
    world.start()
    await world.until(lambda: world.bus.desired("cx2"))
    world.configs.write("nodes.yaml", "groups: [")
    await world.restart()
    await world.until(lambda: world.bus.desired("cx2"))
    world.configs.write("nodes.yaml", ONE_NODE)
    await world.until(lambda: "desired/cx/cx2" not in world.bus.held)


async def test_absent_directory_at_start_is_an_empty_registry_with_an_error_that_recovers(
    world: World,
) -> None:
    away = world.configs.root.parent / "away"
    world.configs.root.rename(away)
    world.start()
    await world.until(lambda: "is not there" in str(world.bus.registry.error))
    assert world.bus.registry.groups == {}
    away.rename(world.configs.root)
    await world.until(lambda: world.bus.config() == {"x": 1})
    assert world.bus.registry.error is None


async def test_good_registry_without_nodes_clears_what_was_left(world: World) -> None:
    world.configs.write("nodes.yaml", "groups: {}")
    world.bus.left = {REGISTRY.topic(): LEFT}
    world.start()
    await world.until(lambda: world.bus.cleared)
    assert world.bus.registry.groups == {}


async def test_file_that_is_written_to_all_the_time_is_taken_in_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_UNRIPE_LOOKS", 3)
    monkeypatch.setattr(module, "RIPE_S", 0.2)
    world.start()
    await world.until(world.bus.desired)

    async def write_on() -> None:
        for i in range(1000):
            world.configs.write("cx/cx1.yaml", f"x: {i + 10}")
            await asyncio.sleep(0.05)

    writing = asyncio.create_task(write_on())
    await world.until(lambda: world.bus.config()["x"] >= 10)
    writing.cancel()
    await asyncio.wait([writing])


async def test_loop_stays_free_while_nodes_are_rendered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    finish = Rendering.finish

    def noting(rendering: Rendering, draft: Draft) -> Rendered:
        threads.add(threading.get_ident())
        return finish(rendering, draft)

    monkeypatch.setattr(Rendering, "finish", noting)
    world.start()
    await world.until(lambda: world.bus.config() == {"x": 1})
    assert threads
    assert threading.get_ident() not in threads


async def test_what_is_edited_by_hand_is_committed_once_it_is_quiet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "QUIET_S", 0.3)
    history = History(world.configs.root)
    world.start()
    await world.until(lambda: world.bus.config() == {"x": 1})
    await world.until(lambda: [c.author for c in history.log()] == ["by hand"])
    world.configs.write("cx/cx1.yaml", "x: 2\n")
    await asyncio.sleep(0.1)
    world.configs.write("vars.yaml", "a: 1\n")
    world.configs.write("cx/cx1.yaml", "x: 3\n")
    await world.until(lambda: len(list(history.log())) == 2)
    assert next(history.log()).paths == ("cx/cx1.yaml", "vars.yaml")


async def test_history_that_cannot_be_kept_is_said_once_and_stops_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeping, "QUIET_S", 0.05)
    (world.configs.root / ".git").write_text("nonsense")
    world.start()
    await world.until(lambda: world.bus.config() == {"x": 1})
    for x in (2, 3):
        world.configs.write("cx/cx1.yaml", f"x: {x}\n")
        await world.until(lambda x=x: world.bus.config() == {"x": x})
        await asyncio.sleep(0.2)
    assert len([r for r in caplog.records if "no history is kept" in r.message]) == 1
