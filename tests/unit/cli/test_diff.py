"""What the answers to an inspect say."""

from typing import Any

from conche.cli.diff import DIFFERS, TROUBLE, compare
from conche.client.sending import Report
from conche.contract import Inspection, Outcome, Reach, Result

from .samples import result

HASH = "9b4ebfeff72d58f2397aa8c88dd6b706"
OTHER = "da20109252b0b743bdb05171961951e5"


def answer(error: str | None = None, **fields: Any) -> Result:
    defaults: dict[str, Any] = {"reach": Reach.OK, "running": True, "revision": HASH, "desired": HASH}
    return Result(ok=True, outcome=Outcome.OK, error=error, inspection=Inspection(**defaults | fields))


DIFFERENT = answer(revision=OTHER, paths=["gains/count: desired 3, runs 4"])


def test_nothing_differs():
    compared = compare(Report(results={"cx/cx2": answer(), "cx/cx1": answer()}))
    assert (compared.agreeing, compared.exit_code) == (["cx/cx1", "cx/cx2"], 0)


def test_nodes_with_the_same_paths_stand_together():
    compared = compare(Report(results={"cx/cx1": DIFFERENT, "cx/cx2": DIFFERENT, "cx/cx3": answer()}))
    assert list(compared.differing.values()) == [["cx/cx1", "cx/cx2"]]
    assert compared.exit_code == DIFFERS


def test_a_node_that_runs_nothing_does_not_differ():
    compared = compare(Report(results={"cx/cx1": answer(running=False, revision=None)}))
    assert (compared.idle, compared.exit_code) == (["cx/cx1"], 0)


def test_a_node_that_did_not_answer_is_trouble_and_does_not_hide_that_another_differs():
    report = Report(results={"cx/cx1": DIFFERENT, "cx/cx2": result("unreachable", "refused")})
    compared = compare(report)
    assert compared.trouble == {"cx/cx2": "refused"}
    assert compared.exit_code == DIFFERS
    assert compare(Report(results={"cx/cx2": result("unreachable", "refused")})).exit_code == TROUBLE


def test_a_node_without_a_desired_config_has_nothing_to_differ_from():
    compared = compare(Report(results={"cx/cx1": answer("no config file", desired=None)}))
    assert compared.undesired == {"cx/cx1": "no config file"}
    assert compared.exit_code == 0


def test_a_group_that_did_not_answer_is_trouble():
    assert compare(Report(unanswered={"recv": "no worker"})).trouble == {"recv": "no worker"}
