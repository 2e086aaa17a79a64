"""How a plan is told."""

import dataclasses
import io
from typing import Any

import pytest
from rich.console import Console

from conche.cli.planned import blocks_of, files_words, risk_of, sum_of
from conche.client import Plan
from conche.client.plans import Wish
from conche.client.sending import Order
from conche.contract import Change, EditAction, Planned, PlannedNode, SetFiles


def plan(nodes: dict[str, PlannedNode], *, removed: tuple[str, ...] = (), **fields: Any) -> Plan:
    files: dict[str, str | None] = {"vars.yaml": "a: 1\n"} | dict.fromkeys(removed)
    parts = Planned(name="p", action=EditAction.SET_FILES, files=list(files), nodes=nodes, **fields)
    return Plan(Wish(EditAction.SET_FILES, ((Order("-", "renderer"), SetFiles(files=files)),)), (parts,))


def many(change: Change, number: int, group: str = "cx", **fields: Any) -> dict[str, PlannedNode]:
    return {f"{group}/{group}{i}": PlannedNode(change=change, **fields) for i in range(1, number + 1)}


def shown(one: Plan) -> str:
    out = Console(file=io.StringIO(), width=80, highlight=False)
    for block in blocks_of(one):
        out.print(block)
    assert isinstance(out.file, io.StringIO)
    lines = [line.rstrip() for line in out.file.getvalue().splitlines()]
    assert all(len(line) <= 80 for line in lines)
    return "\n".join(lines)


def words(one: Plan) -> str:
    return " ".join(shown(one).split())


def test_nodes_to_which_the_same_happens_share_their_words():
    text = shown(plan(many(Change.RESTART, 100, paths=["depth: desired 5, runs 4"]), untouched=20))
    assert "restart  100 nodes: cx/cx1…cx100\n           depth: 4 → 5\n" in text
    assert text.endswith("restarts 100 nodes; 20 other nodes untouched")
    assert len(text.splitlines()) < 9


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ('level: desired "a", runs "b"', 'level: "b" → "a"'),
        ("depth: desired 4, is missing", "depth: new, 4"),
        ("depth: runs 4, not desired", "depth: goes, was 4"),
        ("x: desired 3 items, runs 2", "x: 2 → 3 items"),
        ("and 12 more", "and 12 more"),
    ],
)
def test_a_difference_is_told_as_a_change(path: str, line: str):
    assert f"  {line}\n" in shown(plan(many(Change.RESTART, 1, paths=[path])))


def test_that_one_node_tries_it_first_is_said_where_several_would_restart_at_once():
    several = many(Change.RESTART, 2) | many(Change.RESTART, 2, "recv")
    assert "one node of each group (cx, recv) tries it first" in words(plan(several))
    assert "one node of cx gets it first" in words(plan(many(Change.UPDATE, 2)))
    assert "first" not in words(plan(many(Change.RESTART, 1)))
    assert "first" not in words(plan(many(Change.RESTART, 2, waits="in maintenance by ann")))


def test_nodes_that_wait_say_why():
    nodes = many(Change.RESTART, 3) | {
        "cx/cx2": PlannedNode(change=Change.RESTART, waits="in maintenance by ann: new fan")
    }
    text = shown(plan(nodes))
    assert "2 nodes: cx/cx1, cx/cx3" in text
    assert "cx/cx2\n           not at once: in maintenance by ann: new fan" in text


def test_what_is_refused_is_told_with_its_words_once():
    nodes = many(Change.REFUSED, 30, error="vars.yaml:3: not YAML")
    text = shown(plan(nodes))
    assert text.count("vars.yaml:3: not YAML") == 1
    assert "would leave 30 nodes without a config" in text


def test_a_new_epoch_is_warned_of():
    text = words(plan(many(Change.JOIN, 1), new_epoch=["cx/cx1", "cx/cx2"]))
    assert "2 nodes would go into maintenance, because the nodes or addresses in nodes.yaml change" in text


def test_files_that_go_are_told_apart():
    text = shown(plan(many(Change.RESTART, 1), removed=("old.yaml",)))
    assert "writes   vars.yaml\nremoves  old.yaml\n" in text


def test_many_files_take_few_words():
    names = [f".updatable/cx/cx{i}.json" for i in range(1, 101)] + ["vars.yaml"]
    assert files_words(names) == ".updatable/cx/cx1…cx100.json, vars.yaml"
    assert files_words([f"a{2 * i}.yaml" for i in range(20)]).endswith("a14.yaml, … (20 files)")


def test_a_plan_that_changes_nothing_says_so():
    nothing = Planned(name="p", action=EditAction.SET_FILES, files=[], nodes={}, untouched=3)
    assert shown(Plan(Wish(EditAction.SET_FILES, ()), (nothing,))) == "it is so already: no file would change"


def test_somebody_elses_words_can_do_nothing_to_a_terminal():
    assert "\x1b" not in shown(plan(many(Change.REFUSED, 1, error="\x1b[2J boo")))


def test_a_restart_of_several_nodes_is_asked_for_and_of_one_is_not():
    assert risk_of(plan(many(Change.RESTART, 1))) is None
    assert risk_of(plan(many(Change.UPDATE, 100))) is None
    several = many(Change.RESTART, 2) | many(Change.RESTART, 1, "recv")
    assert risk_of(plan(several)) == "This restarts 3 nodes (2 of cx, 1 of recv)"


def test_what_goes_or_enters_an_epoch_is_asked_for():
    risk = risk_of(plan(many(Change.LEAVE, 1), new_epoch=["cx/cx2"]))
    assert risk == "This removes 1 node (1 of cx) and puts 1 node into maintenance"


def test_the_sum_names_each_kind():
    nodes = many(Change.RESTART, 2) | many(Change.UPDATE, 1, "recv")
    assert sum_of(plan(nodes)) == "restarts 2 nodes, updates 1 node in place"
    assert sum_of(plan({})) == "changes no node's config"


def test_nodes_that_it_does_not_concern_are_named_with_why():
    one = dataclasses.replace(
        plan(many(Change.UPDATE, 1)),
        skipped=dict.fromkeys(["recv/a1", "recv/a2"], "has no updatable block gains"),
    )
    assert "skipped   2 nodes: recv/a1, recv/a2: has no updatable block gains" in shown(one)
