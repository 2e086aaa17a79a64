from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.json import encode
from msgspec.structs import replace

from conche.contract import (
    Change,
    EditAction,
    Maintenance,
    NodeState,
    NodeStatus,
    Observed,
    PlannedNode,
    Reach,
    Rejection,
)
from conche.kotekan.revision import fingerprint
from conche.renderer.edits import Edit
from conche.renderer.nodes import Node, read_nodes
from conche.renderer.outcomes import Sightings
from conche.renderer.planning import plan, plan_node
from conche.renderer.problems import Problem
from conche.renderer.render import Rendered, Rendering
from conche.renderer.trial import try_out
from conche.renderer.worklist import Worklist
from conche.settings import RegistryChange

from .directory import ConfigDirectory

CX1 = Node("cx", "cx1", "h1")


def config(depth: int = 4, coeff: float = 1.0) -> dict[str, Any]:
    return {"depth": depth, "gains": {"kotekan_update_endpoint": "json", "coeff": coeff}}


def rendered(value: dict[str, Any] | None) -> Rendered:
    if value is None:
        return Rendered(CX1, frozenset(), problems=(Problem("cx/cx1.yaml", "not YAML"),))
    return Rendered(CX1, frozenset(), config=encode(value), fingerprint=fingerprint(value))


NOW = rendered(config())
GAIN = rendered(config(coeff=2.0))
DEEP = rendered(config(depth=5))


def running(value: dict[str, Any] | None) -> Observed:
    if value is None:
        return Observed(boot="p", sweep=1, reach=Reach.OK, running=False)
    found = fingerprint(value)
    return Observed(
        boot="p",
        sweep=1,
        reach=Reach.OK,
        running=True,
        revision=found.revision,
        base=found.base,
        updatable=found.updatable,
    )


def status(**fields: Any) -> NodeStatus:
    usual = NodeStatus(
        state=NodeState.STARTED,
        started=True,
        maintenance=Maintenance(on=False),
        epoch="e",
        live=fingerprint(config()).revision,
    )
    return replace(usual, **fields)


def refused(**fields: Any) -> NodeStatus:
    return status(rejected=[Rejection(error="too loud", at=datetime.now(UTC), **fields)])


@pytest.mark.parametrize(
    ("after", "known", "runs", "change"),
    [
        (GAIN, status(), config(), Change.UPDATE),
        (DEEP, status(), config(), Change.RESTART),
        (NOW, status(), config(), Change.NONE),
        (GAIN, status(), config(depth=9), Change.RESTART),  # it drifts already
        (GAIN, status(live=None), None, Change.RESTART),
        (GAIN, status(started=False, live=None), None, Change.NONE),
        (rendered(None), status(), config(), Change.REFUSED),
    ],
)
def test_what_happens_to_a_node_follows_from_what_it_runs(
    after: Rendered, known: NodeStatus, runs: dict[str, Any] | None, change: Change
) -> None:
    assert plan_node(NOW, after, status=known, observed=running(runs)).change is change


def test_an_unseen_node_is_taken_to_run_what_it_should() -> None:
    assert plan_node(NOW, GAIN, status=None, observed=None) == PlannedNode(
        change=Change.UPDATE,
        revision=fingerprint(config(coeff=2.0)).revision,
        paths=["gains/coeff: desired 2.0, runs 1.0"],
        endpoints=["gains"],
        waits="nobody knows how it is: its group has no worker",
    )


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (status(maintenance=Maintenance(on=True, by="ann", reason="fan")), "in maintenance by ann: fan"),
        (status(started=False), "it is stopped, and gets this when it is started"),
        (status(live=None, state=NodeState.DOWN, error="refused"), "down: refused"),
        (status(), None),
    ],
)
def test_why_it_would_not_happen_at_once_is_said(known: NodeStatus, words: str | None) -> None:
    assert plan_node(NOW, GAIN, status=known, observed=running(config())).waits == words


@pytest.mark.parametrize(
    "known",
    [
        refused(revision=fingerprint(config(coeff=2.0)).revision),
        refused(endpoint="gains", values=fingerprint(config(coeff=2.0)).updatable["gains"]),
    ],
)
def test_what_its_kotekan_refused_before_is_told_in_its_words(known: NodeStatus) -> None:
    planned = plan_node(NOW, GAIN, status=known, observed=running(config()))
    assert planned.change is Change.REJECTED
    assert "too loud" in (planned.error or "")


# --- of a directory


@pytest.fixture
def world(configs: ConfigDirectory) -> tuple[Rendering, Worklist]:
    configs.write("nodes.yaml", "groups: {cx: {cx1: {host: h1}, cx2: {host: h2}}}\n")
    configs.write("vars.yaml", "depth: 4\n")
    configs.write("cx/cx1.yaml", "depth: {{ depth }}\n")
    configs.write("cx/cx2.yaml", "depth: 1\n")
    rendering, work = Rendering(configs.root), Worklist()
    work.set_nodes(read_nodes(rendering.files))
    for node in work.nodes():
        work.finish(rendering.render(node))
    return rendering, work


def planned(world: tuple[Rendering, Worklist], policy: RegistryChange, **files: bytes | None) -> Any:
    rendering, work = world
    edit = Edit(
        action=EditAction.SET_FILES,
        subject="",
        files={name.replace("__", "/").replace("_", "."): data for name, data in files.items()},
    )
    trial = try_out(edit, rendering=rendering, work=work)
    return plan(trial, rendering=rendering, work=work, sightings=Sightings(), on_registry_change=policy)


def test_only_nodes_that_a_file_concerns_stand_in_the_plan(world: tuple[Rendering, Worklist]) -> None:
    found = planned(world, RegistryChange.ALL, vars_yaml=b"depth: 5\n")
    assert found.nodes.keys() == {"cx/cx1"}
    assert found.nodes["cx/cx1"].change is Change.RESTART
    assert (found.files, found.untouched, found.new_epoch) == (["vars.yaml"], 1, [])


@pytest.mark.parametrize(
    ("policy", "new"),
    [(RegistryChange.ALL, ["cx/cx1", "cx/cx3"]), (RegistryChange.CHANGED, ["cx/cx3"])],
)
def test_nodes_that_join_and_leave_begin_an_epoch(
    world: tuple[Rendering, Worklist], policy: RegistryChange, new: list[str]
) -> None:
    nodes = b"groups: {cx: {cx1: {host: h1}, cx3: {host: h3}}}\n"
    found = planned(world, policy, nodes_yaml=nodes, cx__cx3_yaml=b"depth: 1\n")
    assert {key: node.change for key, node in found.nodes.items()} == {
        "cx/cx2": Change.LEAVE,
        "cx/cx3": Change.JOIN,
    }
    assert found.new_epoch == new


def test_a_plan_that_does_the_same_has_the_same_name_and_another_one_another(
    world: tuple[Rendering, Worklist],
) -> None:
    names = [
        planned(world, RegistryChange.ALL, vars_yaml=data).name
        for data in (b"depth: 5\n", b"depth: 5\n", b"depth: 6\n", b"depth: 5 # five\n")
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3
