from pathlib import Path

import pytest

from conche.contract import RegisteredNode, Registry
from conche.renderer.epoch import EpochFile
from conche.renderer.nodes import parse_nodes
from conche.renderer.registry import RegistryKeeper
from conche.settings import RegistryChange

GOOD = parse_nodes("groups: {cx: {a: {host: h, started: true}}, idle: {}}")
OTHER = parse_nodes("groups: {cx: {b: }}")
BROKEN = parse_nodes("groups: [")
LEFT = Registry(
    boot="old", groups={"cx": {"a": RegisteredNode(host="h", port=12048, epoch="e", started=True)}}
)


@pytest.fixture
def keeper(tmp_path: Path) -> RegistryKeeper:
    return keeper_in(tmp_path)


def keeper_in(run_dir: Path) -> RegistryKeeper:
    return RegistryKeeper(boot="me", epochs=EpochFile(run_dir, policy=RegistryChange.ALL))


def test_good_file_gives_its_nodes_an_epoch(keeper: RegistryKeeper) -> None:
    registry = keeper.take(GOOD, published=LEFT)
    assert (registry.boot, registry.error) == ("me", None)
    assert registry.groups.keys() == {"cx", "idle"}
    node = registry.groups["cx"]["a"]
    assert (node.host, node.port, node.started) == ("h", 12048, True)
    assert node.epoch not in ("", "e")


def test_broken_file_keeps_the_last_good_registry_with_its_error(keeper: RegistryKeeper) -> None:
    good = keeper.take(GOOD, published=None)
    broken = keeper.take(BROKEN, published=None)
    assert broken.groups == good.groups
    assert str(broken.error).startswith("nodes.yaml:1: not YAML")
    assert keeper.take(GOOD, published=None) == good


def test_broken_file_at_start_takes_over_what_was_published(tmp_path: Path) -> None:
    keeper_in(tmp_path).take(GOOD, published=None)
    registry = keeper_in(tmp_path).take(BROKEN, published=LEFT)
    assert registry.groups == LEFT.groups
    assert registry.boot == "me"
    assert registry.error


def test_taken_over_registry_of_a_new_stack_has_a_new_epoch_which_the_repaired_file_keeps(
    keeper: RegistryKeeper,
) -> None:
    taken = keeper.take(BROKEN, published=LEFT).groups["cx"]["a"]
    assert taken.epoch != "e"
    assert (taken.host, taken.started) == ("h", True)
    assert keeper.take(GOOD, published=None).groups["cx"]["a"].epoch == taken.epoch


def test_broken_file_at_the_very_first_start_gives_an_empty_registry(keeper: RegistryKeeper) -> None:
    registry = keeper.take(BROKEN, published=None)
    assert registry.groups == {}
    assert registry.error


def test_started_of_nodes_yaml_begins_no_epoch(keeper: RegistryKeeper) -> None:
    before = keeper.take(GOOD, published=None).groups["cx"]["a"]
    after = keeper.take(parse_nodes("groups: {cx: {a: {host: h}}}"), published=None).groups["cx"]["a"]
    assert before.started
    assert not after.started
    assert before.epoch == after.epoch


def test_death_between_file_and_publication_neither_loses_nor_doubles_an_epoch(tmp_path: Path) -> None:
    keeper_in(tmp_path).take(GOOD, published=None)
    lost = keeper_in(tmp_path).take(OTHER, published=None)  # written, never published
    again = keeper_in(tmp_path).take(OTHER, published=LEFT)
    assert again.groups == lost.groups
