"""What somebody wants to see, and how keys change it."""

from conche.cli.top.view import Anchored, Order, Pane, View


def test_of_many_nodes_only_the_groups_are_shown_at_first():
    view = View()
    view.begin(["cx", "recv"], nodes=1000)
    assert view.folded == {"cx", "recv"}


def test_few_nodes_are_all_shown():
    view = View()
    view.begin(["cx", "recv"], nodes=12)
    assert view.folded == set()


def test_what_a_filter_leaves_is_folded_by_itself():
    view = View()
    view.begin(["cx"], nodes=1000)
    view.wrong = True
    assert view.folded == set()
    view.fold("cx")
    assert view.folded == {"cx"}
    view.wrong = False
    view.fold("cx")
    view.wrong = True
    assert view.folded == {"cx"}


def test_all_groups_are_folded_and_unfolded_by_one_key():
    view = View()
    view.fold("cx")
    view.fold_all(["cx", "recv"])
    assert view.folded == {"cx", "recv"}
    view.fold_all(["cx", "recv"])
    assert view.folded == set()


def test_marking_what_is_marked_unmarks_it():
    view = View()
    view.mark(["cx/cx1"])
    view.mark(["cx/cx1", "cx/cx2"])
    assert view.marked == {"cx/cx1", "cx/cx2"}
    view.mark(["cx/cx1"])
    assert view.marked == {"cx/cx2"}


def test_the_orders_come_in_turn():
    view = View()
    seen = []
    for _ in Order:
        seen.append(view.order)
        view.next_order()
    assert (seen, view.order) == (list(Order), Order.STATE)


def test_back_undoes_one_thing_after_the_other():
    view = View(wrong=True, needle="gpu", marked={"cx/cx1"}, zoomed=True)
    for left in (
        (False, "gpu", {"cx/cx1"}, True, Pane.EVENTS),
        (False, "", {"cx/cx1"}, True, Pane.EVENTS),
        (False, "", set(), True, Pane.EVENTS),
        (False, "", set(), False, Pane.EVENTS),
        (False, "", set(), False, Pane.NONE),
    ):
        view.back()
        assert (view.zoomed, view.needle, view.marked, view.wrong, view.pane) == left


def test_a_pane_is_shown_and_hidden_by_its_key():
    view = View()
    view.toggle(Pane.DETAIL)
    assert view.pane is Pane.DETAIL
    view.toggle(Pane.DETAIL)
    assert view.pane is Pane.NONE


def test_what_is_seen_is_told_in_words():
    view = View(wrong=True, needle="gpu", order=Order.NAME, marked={"cx/cx1"})
    assert view.words == "by name, only what is wrong, only with 'gpu', 1 marked"


def test_the_first_line_stays_chosen_when_others_come_above_it():
    scroll = Anchored()
    scroll.settle(["a", "b"], 2)
    scroll.settle(["x", "a", "b"], 2)
    assert (scroll.index, scroll.offset) == (1, 0)


def test_who_looks_at_the_top_sees_what_comes_there():
    scroll = Anchored()
    scroll.settle(["a", "b", "c", "d"], 3)
    scroll.settle(["x", "y", "a", "b", "c", "d"], 3)
    assert (scroll.index, scroll.offset) == (2, 0)
    scroll.settle(["w", "x", "y", "a", "b", "c", "d"], 3)
    assert (scroll.index, scroll.offset) == (3, 1)  # what is chosen stays on the screen
