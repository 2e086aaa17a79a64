"""Whom a command is for, and what is asked before it."""

import pytest

from conche.cli.top.items import items_of
from conche.cli.top.view import View
from conche.cli.top.wishes import Kind, entries_for, question, whom, wish_for, words_of
from conche.cli.watch.live import Live
from conche.cli.watch.table import Entry
from conche.contract import Drift, Maintenance, NodeStatus
from tests.unit.cli.samples import status
from tests.unit.cli.watch.samples import live_of

from .samples import FEW

GROUPS = {"cx": ["cx1", "cx2"], "one": ["node"]}
HELD = Maintenance(on=True, by="leonie")


def entries(**statuses: NodeStatus) -> list[Entry]:
    live = live_of({f"cx/{name}": one for name, one in statuses.items()})
    return list(live.entries.values())


def test_marked_nodes_come_before_the_chosen_line():
    live = live_of(FEW)
    chosen = items_of(live, View())[0]
    assert [entry.key for entry in entries_for(live, chosen, ["recv/recv1"])] == ["recv/recv1"]
    assert len(entries_for(live, chosen, [])) == 3
    assert len(entries_for(live, chosen, ["gone/node"])) == 3
    assert entries_for(live, None, []) == []


def test_a_whole_group_is_one_word_and_a_part_of_it_its_nodes():
    assert words_of(["cx/cx1", "cx/cx2", "one/node"], GROUPS) == ("cx", "one/node")
    assert words_of(["cx/cx2"], GROUPS) == ("cx/cx2",)
    assert words_of(["cx/cx1", "cx/cx2"], {}) == ("cx/cx1", "cx/cx2")


def test_a_group_of_which_not_all_nodes_are_shown_is_not_meant_as_a_whole():
    live: Live = live_of(FEW, "cx/cx1", "cx/cx2")
    wish = wish_for(live, Kind.STOP, list(live.entries.values()))
    assert wish.words == ("cx/cx1", "cx/cx2")
    assert wish.title == "stop 2 nodes"


def test_nodes_are_counted_by_group():
    live = live_of(FEW)
    everybody = list(live.entries.values())
    assert whom(everybody) == "4 nodes (3 of cx, 1 of recv)"
    assert whom(everybody[:1]) == "1 node (cx/cx1)"


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (Kind.STOP, "This stops 1 node (cx/cx1)"),
        (Kind.RESYNC, "This restarts 1 node (cx/cx1)"),
        (Kind.START, None),
        (Kind.PING, None),
        (Kind.MAINTENANCE_OFF, None),
    ],
)
def test_what_stops_or_restarts_a_node_is_asked_before(kind: Kind, asked: str | None):
    assert question(kind, entries(cx1=status())) == asked


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (Kind.STOP, "This stops 2 nodes (2 of cx)"),
        (Kind.RESYNC, "This restarts 2 nodes (2 of cx)"),
        (Kind.START, "This starts 2 nodes (2 of cx)"),
        (Kind.MAINTENANCE_OFF, "This gives conche 2 nodes (2 of cx)"),
        (Kind.PING, None),
    ],
)
def test_what_concerns_several_nodes_is_asked_before(kind: Kind, asked: str | None):
    assert question(kind, entries(cx1=status(), cx2=status())) == asked


def test_what_conche_does_with_a_node_that_it_has_back_is_told():
    nodes = entries(
        cx1=status(maintenance=HELD, drift=Drift(base=True)),
        cx2=status(maintenance=HELD, started=False),
        cx3=status("stopped", maintenance=HELD),
        cx4=status("stopped", maintenance=HELD, started=None),
        cx5=status(drift=Drift(base=True)),
    )
    assert question(Kind.MAINTENANCE_OFF, nodes) == (
        "This gives conche 5 nodes (5 of cx); 1 node is stopped then; 1 node is restarted then; "
        "1 node is started then"
    )


def test_even_one_node_that_is_restarted_when_given_back_is_asked_for():
    nodes = entries(cx1=status(maintenance=HELD, drift=Drift(base=True)))
    assert (
        question(Kind.MAINTENANCE_OFF, nodes) == "This gives conche 1 node (cx/cx1); 1 node is restarted then"
    )


def test_a_stop_in_maintenance_is_told_to_wait():
    assert question(Kind.STOP, entries(cx1=status(maintenance=HELD))) == (
        "This stops 1 node (cx/cx1); it is in maintenance, where nothing is done"
    )
    nodes = entries(cx1=status(maintenance=HELD), cx2=status())
    assert question(Kind.RESYNC, nodes) == (
        "This restarts 2 nodes (2 of cx); 1 of them is in maintenance, where nothing is done"
    )
