"""What stands on a line of the table."""

from datetime import timedelta

import pytest

from conche.cli.top.items import items_of
from conche.cli.top.lines import columns_of, headings, keeper, line_of, pointed
from conche.cli.top.view import View
from conche.cli.watch.live import Live
from conche.contract import Maintenance
from tests.unit.cli.samples import NOW, ago, status
from tests.unit.cli.watch.samples import live_of

from .samples import FEW


def lines_of(live: Live, view: View, total: int = 80) -> list[str]:
    items = items_of(live, view)
    columns = columns_of(live, items, total=total, now=NOW)
    return [headings(columns).plain, *(line_of(live, view, i, columns, now=NOW).plain for i in items)]


def test_a_line_tells_state_wish_age_keeper_and_what_is_wrong():
    assert [line.rstrip() for line in lines_of(live_of(FEW), View())] == [
        "    node   state    should   since  maintenance          what is wrong",
        "  - cx    error    1 down, 2 started, 1 differing, 1 in maintenance",
        "    cx2    down     run      4 min                       10.1.0.2:12048: refused",
        "    cx10   started  run        3 d  leonie until 05:00Z  differs: base config, gains/coeffs; new GPU",
        "    cx1    started  run        3 h",
        "  - recv  normal   1 stopped",
        "    recv1  stopped  stop    50 min",
    ]


def test_columns_stand_below_their_headings():
    head, *lines = lines_of(live_of(FEW), View())
    at = head.index("state")
    states = [line[at:].split()[0] for line in lines if not line.startswith(("  -", "  +"))]
    assert states == ["down", "started", "started", "stopped"]
    since = head.index("since") + len("since")
    assert [line[:since].split()[-1] for line in lines if line[4:8] in ("cx2 ", "cx10")] == ["min", "d"]


def test_nobody_in_maintenance_needs_no_column():
    assert "maintenance" not in lines_of(live_of({"cx/cx1": status()}), View())[0]


@pytest.mark.parametrize("total", [40, 60, 80, 120])
def test_on_any_screen_there_is_room_for_what_is_wrong(total: int):
    head = lines_of(live_of(FEW), View(), total)[0]
    assert head.index("what is wrong") <= total * 3 // 4


def test_a_folded_group_and_marks_are_told_by_signs():
    view = View(marked={"cx/cx2"})
    view.fold("recv")
    lines = lines_of(live_of(FEW), view)
    assert [line[:4] for line in lines[1:]] == ["  - ", " *  ", "    ", "    ", "  + "]


def test_a_group_tells_how_many_of_its_nodes_are_seen():
    lines = lines_of(live_of(FEW), View(wrong=True))
    assert "1 of 3 nodes; 1 down, 2 started" in lines[1]


def test_who_is_away_makes_what_is_shown_old():
    live = live_of(FEW, sync_cx="lost")
    lines = lines_of(live, View())
    assert "no worker serves it: sync/cx is lost, it ran on vm; 1 down" in lines[1]
    assert "was down" in "".join(lines)
    assert "was stopped" not in "".join(lines)


def test_without_the_broker_everything_is_old():
    live = live_of(FEW)
    live.on_lost("refused", NOW)
    assert sum(" was " in line for line in lines_of(live, View())) == len(FEW)


def test_a_keeper_is_told_with_the_end():
    held = Maintenance(on=True, by="leonie", until=NOW + timedelta(hours=2))
    assert keeper(status(maintenance=held), NOW) == "leonie until 05:00Z"
    held = Maintenance(on=True, by="leonie", until=NOW + timedelta(days=2))
    assert keeper(status(maintenance=held), NOW) == "leonie until 2026-11-23 03:00Z"
    assert keeper(status(maintenance=Maintenance(on=True)), NOW) == "on"
    assert keeper(status(), NOW) == ""
    assert keeper(None, NOW) == ""


def test_nothing_that_somebody_wrote_reaches_the_terminal_as_it_is():
    evil = status(maintenance=Maintenance(on=True, by="x\x1b[2J", reason="\x1b]0;x\x07"), since=ago(days=1))
    assert not any("\x1b" in line for line in lines_of(live_of({"cx/cx1": evil}), View()))


def test_the_chosen_line_stands_out_without_colour():
    live, view = live_of(FEW), View()
    items = items_of(live, view)
    columns = columns_of(live, items, total=80, now=NOW)
    line = pointed(line_of(live, view, items[2], columns, now=NOW), columns=80)
    assert line.plain.startswith(">   cx10")
    assert len(line.plain) == 80
    assert any(span.style == "reverse" for span in line.spans)
