"""Whom a table concerns, and in which words."""

from conche.contract import DesiredConfig, Outcome
from conche.eop.fields import NEW as NEW_NAMES
from conche.eop.fields import OLD as OLD_NAMES
from conche.eop.fields import payload_of
from conche.eop.targets import LISTED, Addressed, address, concerned, skipped

from .samples import BLOCK, BROKEN, KEY, NEW, OLD, WITHOUT, desired, entry, registry

ENTRIES = [entry(-1), entry(0), entry(1)]
IN_NEW = payload_of(ENTRIES, NEW_NAMES)
IN_OLD = payload_of(ENTRIES, OLD_NAMES)


def addressed(**nodes: DesiredConfig) -> Addressed:
    """What is sent to nodes of the group cx, and of others where the name says so: ``recv__r1``."""
    keys = {name.replace("__", "/") if "__" in name else f"cx/{name}": one for name, one in nodes.items()}
    by_node = {(key.split("/")[0], key.split("/")[1]): one for key, one in keys.items()}
    return address(registry(*keys), by_node, endpoint=BLOCK, key=KEY, entries=ENTRIES)


def test_a_group_whose_nodes_are_told_the_same_gets_one_command():
    found = addressed(cx1=desired(NEW), cx2=desired(NEW), cx3=WITHOUT)
    (parcel,) = found.parcels
    assert (parcel.group, parcel.node, parcel.nodes) == ("cx", "all", ("cx/cx1", "cx/cx2"))
    assert parcel.values == {KEY: IN_NEW}


def test_nodes_that_name_the_fields_differently_get_a_command_each():
    found = addressed(cx1=desired(NEW), cx2=desired(OLD), cx3=desired())
    assert {parcel.node: parcel.values[KEY] for parcel in found.parcels} == {
        "cx1": IN_NEW, "cx2": IN_OLD, "cx3": IN_NEW
    }  # fmt: skip


def test_other_keys_of_the_block_are_sent_as_they_are():
    (parcel,) = addressed(cx1=desired(NEW, station="kko", depth=3)).parcels
    assert parcel.values == {KEY: IN_NEW, "station": "kko", "depth": 3}


def test_a_node_without_a_config_does_not_keep_the_others_from_theirs():
    found = addressed(cx1=desired(NEW), cx2=BROKEN, recv__r1=desired(NEW), recv__r2=desired(NEW))
    assert [(parcel.group, parcel.node) for parcel in found.parcels] == [("cx", "cx1"), ("recv", "all")]
    assert found.without_config == {"cx/cx2": "cx1.j2: line 3: no such variable"}
    assert found.nodes == ["cx/cx1", "recv/r1", "recv/r2"]


def test_a_node_with_other_fields_is_told_and_does_not_keep_the_others_from_theirs():
    found = addressed(cx1=desired(NEW), cx2=desired({"mjd": 1}))
    assert [parcel.node for parcel in found.parcels] == ["cx1"]
    assert "its first entry" in found.wrong["cx/cx2"]


def test_nodes_without_the_block_are_listed_with_the_reason():
    found = skipped(addressed(cx1=desired(NEW), cx2=WITHOUT, recv__r1=WITHOUT), endpoint=BLOCK)
    assert found.keys() == {"cx/cx2", "recv/r1"}
    one = found["cx/cx2"]
    assert (one.outcome, one.error, one.concerned) == (
        Outcome.SKIPPED,
        f"has no updatable block {BLOCK}",
        False,
    )


def test_thousands_without_the_block_are_told_group_by_group():
    nodes = {f"cx__cx{i}": WITHOUT for i in range(LISTED)}
    found = skipped(addressed(**nodes, recv__r1=desired(NEW), recv__r2=WITHOUT), endpoint=BLOCK)
    assert {key: one.error for key, one in found.items()} == {
        "cx/all": f"none of its {LISTED} nodes has an updatable block {BLOCK}",
        "recv/r2": f"has no updatable block {BLOCK}",
    }


def test_nobody_is_told_where_nobody_has_the_block():
    assert addressed(cx1=WITHOUT).parcels == ()


def test_a_node_that_left_the_registry_is_not_told():
    there = {("cx", "cx1"): desired(NEW), ("cx", "gone"): desired(NEW)}
    found = address(registry("cx/cx1"), there, endpoint=BLOCK, key=KEY, entries=ENTRIES)
    assert found.nodes == ["cx/cx1"]
    assert concerned(registry("cx/cx1"), there, endpoint=BLOCK) == {"cx/cx1"}
