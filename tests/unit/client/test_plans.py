"""A plan of several messages."""

from conche.client.plans import Plan, Wish
from conche.client.sending import Order
from conche.contract import Change, EditAction, Planned, PlannedNode, UpdatableConfig

ORDERS = (Order("cx", "cx2", ("cx2",)), Order("cx", "cx10", ("cx10",)))
EDIT = UpdatableConfig(endpoint="gains", values={})


def part(name: str, *keys: str, untouched: int) -> Planned:
    nodes = {key: PlannedNode(change=Change.UPDATE) for key in keys}
    return Planned(
        name=name, action=EditAction.UPDATABLE_CONFIG, files=[f"{k}.json" for k in keys], nodes=nodes,
        untouched=untouched,
    )  # fmt: skip


def test_parts_are_told_as_one():
    wish = Wish(EditAction.UPDATABLE_CONFIG, tuple((order, EDIT) for order in ORDERS))
    plan = Plan(wish, (part("a", "cx/cx10", untouched=4), part("b", "cx/cx2", untouched=4)))
    assert list(plan.nodes) == ["cx/cx2", "cx/cx10"]
    assert plan.untouched == 3
    assert plan.files == ["cx/cx10.json", "cx/cx2.json"]


def test_each_message_names_its_own_plan_when_it_is_carried_out():
    wish = Wish(EditAction.UPDATABLE_CONFIG, tuple((order, EDIT) for order in ORDERS))
    plan = Plan(wish, (part("a", "cx/cx2", untouched=1), part("b", "cx/cx10", untouched=1)))
    assert [edit.plan for _, edit in plan.named.parcels] == ["a", "b"]


def test_a_node_that_joins_was_not_there_to_be_left_alone():
    joins = Planned(
        name="a", action=EditAction.SET_NODES, files=["nodes.yaml"], untouched=2,
        nodes={"cx/cx9": PlannedNode(change=Change.JOIN), "cx/cx1": PlannedNode(change=Change.LEAVE)},
    )  # fmt: skip
    assert Plan(Wish(EditAction.SET_NODES, ()), (joins,)).untouched == 2
