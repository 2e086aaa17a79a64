"""Whether a node is as it should be."""

import pytest

from conche.contract import Drift, Maintenance, NodeState, NodeStatus
from conche.needs import is_unhealed

DRIFT = Drift(base=True, paths=["log_level"])


def node(
    state: str, *, error: str | None = "it is not tried any more", drift: Drift = DRIFT, pending: bool = False,
    started: bool = True, kept: bool = False,
) -> NodeStatus:  # fmt: skip
    return NodeStatus(
        state=NodeState(state), started=started, maintenance=Maintenance(on=kept), epoch="e", drift=drift, error=error,
        pending=pending,
    )  # fmt: skip


@pytest.mark.parametrize("one", [node("started"), node("stopped", drift=Drift())], ids=["drift", "idle"])
def test_a_node_that_is_not_as_desired_with_nothing_being_done_is_not_healed(one: NodeStatus):
    assert is_unhealed(one) is True


@pytest.mark.parametrize(
    "one",
    [
        node("started", error=None),
        node("started", drift=Drift()),
        node("stopped", started=False),
        node("stopped", error=None),
        node("started", kept=True),
        node("down", kept=True),
    ],
    ids=[
        "ignored drift",
        "no drift",
        "to be idle",
        "about to start",
        "in maintenance",
        "down in maintenance",
    ],
)
def test_a_node_that_is_as_desired_or_that_somebody_keeps_is_well(one: NodeStatus):
    assert is_unhealed(one) is False


@pytest.mark.parametrize(
    "one", [node("started", pending=True), node("syncing"), node("down"), node("unknown")]
)
def test_of_a_node_in_between_nobody_can_tell(one: NodeStatus):
    assert is_unhealed(one) is None
