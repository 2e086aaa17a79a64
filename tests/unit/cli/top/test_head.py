"""What stands above and below the table."""

import pytest

from conche.cli.top.head import foot, head, totals
from conche.cli.top.view import Pane, View
from conche.cli.watch.live import Live
from tests.unit.cli.samples import NOW, ago
from tests.unit.cli.watch.samples import live_of

from .samples import FEW


def lines(live: Live, columns: int = 80) -> list[str]:
    return [line.plain for line in head(live, where="here:1883", columns=columns, now=NOW)]


def test_broker_clock_services_and_totals_stand_above():
    first, second, third = lines(live_of(FEW, poller_main="online", journal="offline"))
    assert first.startswith("conche  error  4 nodes in 2 groups, 1 to look at")
    assert first.endswith("here:1883  03:00:00Z")
    assert second == "online  vm: poller (main), renderer, sync (cx, recv); offline: journal"
    assert third == "nodes   1 down, 1 stopped, 2 started, 1 differing, 1 in maintenance"


def test_what_is_wrong_outside_the_groups_stands_between():
    found = lines(live_of(FEW, renderer="lost", poller_main="lost"))
    assert "renderer is lost" in found[1]
    assert "nobody sees what the nodes run" in found[2]
    assert found[3].startswith("online")
    assert found[4].startswith("nodes")


def test_a_broker_that_is_away_is_told_first():
    live = live_of(FEW)
    live.on_lost("refused", ago(minutes=5))
    found = lines(live)
    assert found[1] == "broker away since 02:55:00Z, 5 min: all below is old; refused"
    assert found[2].startswith("online")
    assert len(found) == 4


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_no_line_is_longer_than_the_screen(columns: int):
    live = live_of(FEW, renderer="lost")
    assert max(map(len, lines(live, columns))) <= columns
    below = foot(View(), lines=4, news="start cx: 2 ok", columns=columns)
    assert max(len(line.plain) for line in below) <= columns


def test_totals_are_those_of_all_groups():
    assert totals(live_of({})) == "no nodes"


def test_the_keys_to_act_stand_below_on_eighty_columns():
    _, keys = foot(View(), lines=4, news="", columns=80)
    for words in ("s start", "x stop", "r resync", "m/M", "w wrong", "/ find", "? help"):
        assert words in keys.plain


def test_below_stands_where_one_is_and_what_has_become_of_a_command():
    view = View()
    view.scroll.settle(list(range(1000)), 14)
    place, _ = foot(view, lines=1000, news="stop cx: 2 ok", columns=80)
    assert place.plain == " 1-14 of 1000  by state  stop cx: 2 ok"


def test_who_has_a_pane_on_the_whole_screen_is_told_the_way_back():
    _, keys = foot(View(pane=Pane.DETAIL, zoomed=True), lines=4, news="", columns=80)
    assert "Esc back" in keys.plain
