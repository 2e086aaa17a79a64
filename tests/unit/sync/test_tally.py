"""The group in one line: how well it is, how many nodes are in which state, and who is named."""

from msgspec.structs import replace

from conche.contract import Drift, Health, Maintenance, NodeState, NodeStatus
from conche.sync.tally import MAX_NAMES, Tally


def status(
    state: NodeState, *, held: bool = False, error: str | None = None, drift: bool = False
) -> NodeStatus:
    return NodeStatus(
        state=state,
        started=True,
        maintenance=Maintenance(on=held),
        epoch="e1",
        error=error,
        drift=Drift(base=drift),
    )


def test_a_group_that_is_well_is_normal() -> None:
    tally = Tally()
    tally.update("cx1", status(NodeState.STARTED))
    assert tally.summary().summary is Health.NORMAL
    assert tally.summary().info == "1 started"


def test_the_worst_node_decides_and_is_named() -> None:
    tally = Tally()
    tally.update("cx1", status(NodeState.STARTED, error="odd"))
    assert tally.summary().summary is Health.WARNING
    tally.update("cx2", status(NodeState.DOWN))
    assert tally.summary().summary is Health.ERROR
    assert tally.summary().info == "1 down (cx2); 1 with an error (cx1); 1 started"


def test_a_node_in_maintenance_is_counted_and_no_fault() -> None:
    tally = Tally()
    tally.update("cx1", status(NodeState.DOWN, held=True))
    assert tally.summary().summary is Health.NORMAL
    assert tally.summary().maintenance == 1


def test_at_most_ten_nodes_are_named() -> None:
    tally = Tally()
    for number in range(25):
        tally.update(f"cx{number:02d}", status(NodeState.DOWN))
    info = tally.summary().info
    assert info.count("cx") == MAX_NAMES
    assert "and 15 more" in info


def test_counts_follow_each_node() -> None:
    tally = Tally()
    tally.update("cx1", status(NodeState.DOWN, drift=True))
    tally.update("cx1", status(NodeState.STARTED))
    tally.update("cx2", status(NodeState.STOPPED))
    tally.remove("cx2")
    found = tally.summary()
    assert (found.counts, found.nodes, found.differing) == ({NodeState.STARTED: 1}, 1, 0)


def test_who_holds_nodes_is_told_the_most_first_and_no_longer_than_he_does() -> None:
    tally = Tally()
    fan = Maintenance(on=True, by="ann", reason="new fan")
    for number in range(1, 13):
        held = fan if number > 1 else Maintenance(on=True, by="conche")
        tally.update(f"cx{number}", replace(status(NodeState.STOPPED), maintenance=held))
    first, second = tally.summary().holds
    assert (first.by, first.reason, first.count, len(first.nodes)) == ("ann", "new fan", 11, 10)
    assert (second.by, second.count, second.nodes) == ("conche", 1, ["cx1"])
    tally.update("cx1", status(NodeState.STOPPED))
    tally.remove("cx2")
    assert [(hold.by, hold.count) for hold in tally.summary().holds] == [("ann", 10)]
