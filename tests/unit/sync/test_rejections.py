"""What a node rejected, and to whom it may be given all the same."""

from conche.contract import DesiredConfig, Rejection
from conche.sync.node import MAX_REJECTIONS, Node
from conche.sync.rejections import RefusedValues, of_revision

from .samples import NOW, node

WANTED = DesiredConfig(boot="b", revision="5" * 32, base="6" * 32, updatable={"gains": "7" * 32})


def rejecting(name: str, **what: str) -> Node:
    one = node(name)
    one.reject(Rejection(error="no such buffer", at=NOW, **what))
    return one


def test_a_node_is_not_given_again_what_it_rejected() -> None:
    assert "no such buffer" in str(of_revision(rejecting("cx1", revision="5" * 32), WANTED))
    assert of_revision(rejecting("cx1", revision="4" * 32), WANTED) is None


def test_a_node_that_has_run_a_config_may_be_given_it_again() -> None:
    veteran = rejecting("cx1", revision="5" * 32)
    veteran.proven = "5" * 32
    assert of_revision(veteran, WANTED) is None


def test_refused_values_are_given_to_nobody_whatever_the_revision() -> None:
    refused = RefusedValues()
    assert refused.update(rejecting("cx1", endpoint="gains", values="7" * 32))
    assert list(refused.of(node("cx2"), WANTED)) == ["gains"]
    assert not refused.of(
        node("cx2"), DesiredConfig(boot="b", revision="1" * 32, updatable={"gains": "1" * 32})
    )


def test_values_that_a_node_runs_well_are_not_taken_from_it() -> None:
    refused = RefusedValues()
    refused.update(rejecting("cx1", endpoint="gains", values="7" * 32))
    veteran = node("cx2")
    veteran.proven = "5" * 32
    assert not refused.of(veteran, WANTED)


def test_a_refusal_that_is_lifted_holds_nobody() -> None:
    refused = RefusedValues()
    sick = rejecting("cx1", endpoint="gains", values="7" * 32)
    refused.update(sick)
    sick.rejected = []
    assert refused.update(sick)
    assert not refused.of(node("cx2"), WANTED)


def test_rejections_of_one_node_are_bounded_and_the_newest_kept() -> None:
    one = node()
    for number in range(MAX_REJECTIONS + 5):
        one.reject(Rejection(error="no", at=NOW, revision=f"{number:032d}"))
    assert len(one.rejected) == MAX_REJECTIONS
    assert one.rejected[-1].revision == f"{MAX_REJECTIONS + 4:032d}"
