"""Plans: the same seed makes the same one, and what is in it can be carried out."""

import pytest

from conche.sim.faults import parse_fault

from .plan import QUIET_END_S, Plan, Size, draw
from .record import Switch
from .troubles import LASTING, SUDDEN

SIZE = Size(groups={"cx": 6, "recv": 4, "beam": 2}, kills=40, faults=True)
SEEDS = range(1, 13)


@pytest.fixture(params=SEEDS)
def plan(request: pytest.FixtureRequest) -> Plan:
    return draw(request.param, SIZE)


def test_the_same_seed_makes_the_same_plan() -> None:
    assert draw(7, SIZE) == draw(7, SIZE)
    assert draw(7, SIZE) != draw(8, SIZE)


def test_every_kind_of_action_comes_while_things_are_killed(plan: Plan) -> None:
    end = plan.kills[-1].at
    assert len(plan.kills) == SIZE.kills
    assert end == pytest.approx(SIZE.kills)
    assert {wish.switch for wish in plan.wishes} >= set(Switch)
    for actions in (plan.changes, plan.wishes, plan.edits, plan.troubles):
        assert actions
        assert all(0 < action.at < end for action in actions)
    assert plan.edits[0].move, "without an epoch nothing is adopted"
    assert all(edit.at < end - QUIET_END_S for edit in plan.edits)
    assert all(trouble.at + trouble.lasts_s <= end - QUIET_END_S for trouble in plan.troubles)


def test_edits_take_what_is_there_and_leave_each_group_two_nodes(plan: Plan) -> None:
    there = set(SIZE.nodes)
    for edit in plan.edits:
        assert set(edit.remove) | set(edit.move) <= there
        assert not set(edit.add) & there
        there = (there | set(edit.add)) - set(edit.remove)
        for group in SIZE.groups:
            assert sum(node.startswith(f"{group}/") for node in there) >= 2


def test_a_node_has_one_fault_at_a_time(plan: Plan) -> None:
    until: dict[str, float] = {}
    for trouble in plan.troubles:
        assert trouble.at >= until.get(trouble.node, 0.0)
        until[trouble.node] = trouble.at + trouble.lasts_s


def test_the_simulator_understands_every_fault() -> None:
    kinds = set()
    for seed in SEEDS:
        for trouble in draw(seed, SIZE).troubles:
            parse_fault({"kind": trouble.kind, **trouble.parameters})
            kinds.add(trouble.kind)
    assert len(kinds) > 12
    assert len(LASTING) + len(SUDDEN) > len(kinds)
