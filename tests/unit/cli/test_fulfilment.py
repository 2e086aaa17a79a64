"""How far a change is."""

from conche.cli.fulfilment import Fulfilment
from conche.client import NodeChange, Plan
from conche.client.plans import Wish
from conche.contract import Change, EditAction, NodeStatus, Planned, PlannedNode

from .samples import status

NEW, OLD = "a" * 32, "b" * 32


def begun(**others: PlannedNode) -> Fulfilment:
    nodes = {f"cx/cx{i}": PlannedNode(change=Change.RESTART, revision=NEW) for i in range(1, 4)}
    planned = Planned(name="p", action=EditAction.SET_FILES, files=["a.yaml"], nodes=nodes | others)
    return Fulfilment(Plan(Wish(EditAction.SET_FILES, ()), (planned,)))


def told(one: Fulfilment, key: str, state: NodeStatus | None) -> None:
    one.take(NodeChange(key, None, state))


def test_nodes_are_counted_as_they_come_to_run_what_was_wished():
    one = begun()
    told(one, "cx/cx1", status(live=NEW))
    told(one, "cx/cx2", status("syncing", live=OLD))
    told(one, "cx/cx3", status(live=OLD, held="waits for cx1, which tries it first"))
    assert one.words == "1 of 3 nodes as wished, 1 at work, 1 waiting for another"
    told(one, "cx/cx2", status(live=NEW))
    told(one, "cx/cx3", status(live=NEW))
    assert one.words == "3 of 3 nodes as wished"


def test_nodes_that_get_it_later_are_not_waited_for():
    later = PlannedNode(change=Change.RESTART, revision=NEW, waits="in maintenance by ann")
    assert begun(**{"cx/cx9": later}).nodes == ["cx/cx1", "cx/cx2", "cx/cx3"]


def test_a_node_that_is_gone_is_not_counted():
    one = begun()
    told(one, "cx/cx1", status(live=NEW))
    told(one, "cx/cx1", None)
    assert one.words == "0 of 3 nodes as wished"
