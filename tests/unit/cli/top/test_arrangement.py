"""Who has which part of the screen."""

import pytest

from conche.cli.top.arrangement import WIDE, arrange
from conche.cli.top.view import Pane, View


@pytest.mark.parametrize("rows", [1, 3, 5, 8, 12, 16, 24, 40, 100])
@pytest.mark.parametrize("pane", list(Pane))
@pytest.mark.parametrize("zoomed", [False, True])
def test_the_parts_fill_the_screen(rows: int, pane: Pane, zoomed: bool):
    part = arrange(View(pane=pane, zoomed=zoomed), columns=80, rows=rows, head=4)
    assert part.head + part.table + part.panes + part.foot == max(rows, part.head + part.foot)
    assert min(part.head, part.table, part.panes, part.foot) >= 0


def test_on_eighty_by_twenty_four_the_table_has_the_most():
    part = arrange(View(), columns=80, rows=24, head=3)
    assert (part.head, part.table, part.panes, part.foot) == (3, 13, 6, 2)


def test_on_a_wide_screen_events_stand_beside_the_other_panes():
    part = arrange(View(pane=Pane.DETAIL), columns=WIDE, rows=40, head=3)
    assert (part.pane, part.events) == (55, 55)
    part = arrange(View(pane=Pane.DETAIL), columns=80, rows=24, head=3)
    assert (part.pane, part.events) == (80, 0)


def test_a_small_screen_is_for_the_table():
    part = arrange(View(), columns=80, rows=8, head=5)
    assert (part.head, part.panes, part.page) == (1, 0, 5)


def test_a_pane_that_is_zoomed_hides_the_table():
    part = arrange(View(pane=Pane.COMMANDS, zoomed=True), columns=80, rows=24, head=3)
    assert (part.table, part.panes) == (0, 19)
