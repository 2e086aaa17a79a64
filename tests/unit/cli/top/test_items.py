"""Which lines the table has, and in which order."""

import pytest

from conche.cli.top.items import items_of
from conche.cli.top.view import Order, View
from tests.unit.cli.samples import ago, status
from tests.unit.cli.watch.samples import live_of, thousand

from .samples import FEW


def keys_of(view: View, **births: str) -> list[str]:
    return [item.key for item in items_of(live_of(FEW, **births), view)]


def test_the_worst_comes_first_and_alike_ones_by_number():
    assert keys_of(View()) == ["cx", "cx/cx2", "cx/cx10", "cx/cx1", "recv", "recv/recv1"]


def test_a_group_without_worker_comes_first():
    nodes = {"cx/cx1": status(), "recv/recv1": status()}
    items = items_of(live_of(nodes, sync_recv="lost"), View())
    assert [item.key for item in items] == ["recv", "recv/recv1", "cx", "cx/cx1"]


def test_by_name_cx2_comes_before_cx10():
    assert keys_of(View(order=Order.NAME)) == ["cx", "cx/cx1", "cx/cx2", "cx/cx10", "recv", "recv/recv1"]


def test_by_since_the_latest_change_comes_first_and_who_has_none_last():
    nodes = {"cx/a": status(since=ago(hours=1)), "cx/b": status(), "cx/c": status(since=ago(minutes=1))}
    items = items_of(live_of(nodes), View(order=Order.SINCE))
    assert [item.key for item in items] == ["cx", "cx/c", "cx/a", "cx/b"]


def test_a_folded_group_hides_its_nodes_and_stands_for_them():
    view = View()
    view.fold("cx")
    first, second, *_ = items_of(live_of(FEW), view)
    assert (first.key, first.folded, second.key) == ("cx", True, "recv")
    assert sorted(first.keys) == ["cx/cx1", "cx/cx10", "cx/cx2"]


def test_only_what_is_wrong_leaves_no_group_in_which_all_is_well():
    assert keys_of(View(wrong=True)) == ["cx", "cx/cx2"]


def test_a_group_that_is_filtered_stands_for_what_is_seen():
    group, *_ = items_of(live_of(FEW), View(wrong=True))
    assert group.keys == ["cx/cx2"]


@pytest.mark.parametrize(
    ("needle", "found"),
    [
        ("cx1", ["cx", "cx/cx10", "cx/cx1"]),
        ("GPU", ["cx", "cx/cx10"]),
        ("leonie", ["cx", "cx/cx10"]),
        ("refused", ["cx", "cx/cx2"]),
        ("stopped", ["recv", "recv/recv1"]),
        ("started gains", ["cx", "cx/cx10"]),
        ("nowhere", []),
    ],
)
def test_words_are_looked_for_in_names_states_people_reasons_and_errors(needle: str, found: list[str]):
    assert keys_of(View(needle=needle)) == found


def test_a_thousand_nodes_are_a_line_for_each_group_at_first():
    live, view = live_of(thousand()), View()
    view.begin(live.tallies, nodes=len(live.entries))
    assert len(items_of(live, view)) == 8
    view.wrong = True
    assert len(items_of(live, view)) == 8
