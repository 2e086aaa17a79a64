"""What stands on the screen."""

import dataclasses

import pytest

from conche.cli.watch.frame import Size, frame
from conche.cli.watch.keys import Key, View
from conche.cli.watch.live import Live
from conche.contract import LastPush, Maintenance, PushKind
from tests.unit.cli.samples import NOW, ago, status

from .samples import EPOCH, live_of, tell_status, thousand

SIX = {f"cx/cx{i}": status(since=ago(hours=3)) for i in range(1, 7)}


def screen(live: Live, view: View | None = None, *, columns: int = 80, rows: int = 24) -> list[str]:
    lines = frame(live, view or View(), size=Size(columns, rows), now=NOW, where="127.0.0.1:1883")
    assert len(lines) == rows
    assert all(line.cell_len <= columns for line in lines)
    assert not any("\n" in line.plain for line in lines)
    return [line.plain.rstrip() for line in lines]


def test_a_small_cluster_that_is_well():
    assert screen(live_of(SIX | {"recv/recv1": status(since=ago(minutes=5))}), rows=14) == [
        "conche  normal  7 nodes in 2 groups                    127.0.0.1:1883  03:00:00Z",
        "online  vm: poller (main), renderer, sync (cx, recv)",
        "cx    normal   6 started",
        "recv  normal   1 started",
        " node        state    should   since",
        ">cx/cx1      started  run        3 h",
        " cx/cx2      started  run        3 h",
        " cx/cx3      started  run        3 h",
        " cx/cx4      started  run        3 h",
        " cx/cx5      started  run        3 h",
        " cx/cx6      started  run        3 h",
        " recv/recv1  started  run      5 min",
        "",
        " 1-7 of 7                    j k PgUp PgDn  Enter words  w wrong  a all  q quit",
    ]


def test_a_thousand_nodes_on_80_columns_and_24_lines():
    assert screen(live_of(thousand(), sync_cx3="lost")) == [
        "conche  error  1000 nodes in 8 groups, 130 to look at  127.0.0.1:1883  03:00:00Z",
        "online  vm: poller (main), renderer, sync (cx0…cx2, cx4…cx7)",
        "cx0  error    2 down, 123 started, 1 differing",
        "cx1  error    1 down, 124 started",
        "cx2  normal   125 started",
        "cx3  error    no worker serves it: sync/cx3 is lost, it ran on vm; 125 started",
        "cx4  normal   125 stopped, 125 in maintenance",
        "cx5  normal   125 started",
        "cx6  normal   125 started",
        "cx7  error    1 down, 124 started",
        " node            state        should   since",
        ">cx0: 2 nodes    down         run             refused; n3, n100",
        " cx1/n197        down         run        3 h  10.1.0.197:12048: refused",
        " cx7/n876        down         run       14 h  10.1.0.876:12048: refused",
        " cx3: 125 nodes  was started  run             n375…n499",
        " cx0/n5          started      run             cx.j2:12: 'gain' is undefined and…",
        " cx4: 125 nodes  stopped      ?               maintenance by conche: new epoch:…",
        " cx0: 122 nodes  started      run             n0…n2, n4, n6…n99, n101…n124",
        " cx1: 124 nodes  started      run             n125…n196, n198…n249",
        " cx2: 125 nodes  started      run             n250…n374",
        " cx5: 125 nodes  started      run             n625…n749",
        " cx6: 125 nodes  started      run             n750…n874",
        " cx7: 124 nodes  started      run             n875, n877…n999",
        " 1-12 of 12                  j k PgUp PgDn  Enter words  w wrong  a all  q quit",
    ]


def test_every_node_can_be_reached_by_paging():
    live, view = live_of(thousand()), View(folded=False)
    seen: set[str] = set()
    for _ in range(100):
        shown = screen(live, view)
        seen |= {line[1:].split()[0] for line in shown[11:-1]}
        view.press(Key.PAGE_DOWN)
    assert len(seen) == 1000
    assert " 989-1000 of 1000" in shown[-1]
    assert shown[-2].startswith(">cx7/n999")


def test_only_what_is_wrong():
    shown = screen(live_of(thousand()), View(wrong=True))
    table = shown[shown.index(" node      state    should   since") + 1 : -1]
    assert [line[1:].split()[0] for line in table if line] == [
        "cx0/n3",
        "cx0/n100",
        "cx1/n197",
        "cx7/n876",
        "cx0/n5",
    ]
    assert shown[-1].startswith(" 1-5 of 5, only what is wrong")
    assert " none of 6 nodes is to be looked at: w shows them" in screen(live_of(SIX), View(wrong=True))


def test_all_that_there_is_to_say_of_the_chosen_line():
    push = LastPush(kind=PushKind.RESTART, at=ago(minutes=2), ok=False, error="HTTP 400: unknown stage")
    switch = Maintenance(on=True, by="alice", reason="new GPU")
    words = "rejected: " + " ".join(f"word{i}" for i in range(20))
    broken = status(
        "failed", error=words, since=ago(minutes=2), last_push=push, maintenance=switch, retry_at=NOW
    )
    shown = screen(live_of(SIX | {"cx/cx3": broken}), View(words=True))
    pane = shown[shown.index("── cx/cx3 " + "─" * 70) + 1 : -1]
    assert pane[0] == " failed for 2 min, should run"
    assert "word19" in " ".join(pane)
    assert " maintenance by alice: new GPU" in pane
    assert " last restart 2 min ago, failed: HTTP 400: unknown stage" in pane
    assert len(screen(live_of(SIX), View(words=True))) == 24


def test_words_without_room_say_where_there_are_more():
    broken = status("failed", error="word " * 300)
    shown = screen(live_of(SIX | {"cx/cx3": broken}), View(words=True), rows=16)
    assert " and more: conche status cx/cx3" in shown
    assert ">cx/cx3" in "\n".join(shown)


def test_all_names_of_a_line_of_many_are_told():
    live = live_of({f"cx/cx{2 * i}": status("down", error="refused") for i in range(30)})
    shown = "\n".join(screen(live, View(words=True)))
    assert "30 nodes: cx0, cx2, cx4" in shown
    assert "cx58" in shown


def test_a_broker_that_is_away_is_told_and_all_is_old():
    live = live_of(SIX)
    live.on_lost("Connection refused", ago(minutes=2))
    live.settle(0.0)
    shown = screen(live)
    assert shown[0].startswith("conche  error  6 nodes")
    assert shown[1] == "broker away since 02:58:00Z, 2 min: all below is old; Connection refused"
    assert " cx/cx2  was started  run        3 h" in shown


def test_what_is_wrong_with_services_stands_above_the_groups():
    shown = screen(live_of(SIX, renderer="lost", poller_main="offline", eop="lost", fpga="lost", x="offline"))
    assert shown[1] == "error  renderer is lost, it ran on vm: no change of a config is taken up"
    assert shown[2] == "error  poller/main was stopped, it ran on vm: nobody sees what the nodes run"
    assert shown[3] == "and 2 problems more: conche status"
    assert shown[4] == "online  vm: sync (cx); offline: x"


def test_where_there_is_no_room_for_all_groups_the_worst_are_named():
    nodes = {f"g{i}/n": status() for i in range(40)} | {"g33/n": status("down"), "g7/n": status(error="bad")}
    shown = screen(live_of(nodes))
    assert shown[2].startswith("g33  error ")
    assert shown[3].startswith("g7   warning ")
    assert "groups more: " in shown[10]
    assert shown[10].endswith(" normal")


@pytest.mark.parametrize("columns", [1, 5, 10, 20, 40, 47, 63, 79, 80, 200])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 7, 10, 24, 100])
def test_any_size_will_do(columns: int, rows: int):
    live = live_of(thousand(), renderer="lost", sync_cx3="lost")
    for view in (View(), View(words=True), View(wrong=True, folded=False, words=True)):
        view.press(Key.END)
        shown = screen(live, view, columns=columns, rows=rows)
        assert shown[0].startswith("conche"[: columns - 1])
        assert rows < 3 or columns < 2 or any(line.startswith(">") for line in shown)


def test_narrow_screens_keep_node_state_and_words():
    shown = screen(
        live_of({"cx/cx1": status("down", error="refused", since=ago(hours=1))}), columns=40, rows=10
    )
    assert ">cx/cx1  down     refused" in shown


def test_an_empty_broker():
    live = Live()
    live.settle(0.0)
    shown = screen(live)
    assert shown[1] == "error  there is no registry: the renderer has not published any"
    assert " no nodes" in shown


def test_the_chosen_line_stays_where_it_is_while_others_come_above_it():
    live, view = live_of(thousand()), View(folded=False)
    screen(live, view)
    for _ in range(40):
        view.press(Key.DOWN)
    before = next(row for row, line in enumerate(screen(live, view)) if line.startswith(">"))
    chosen = screen(live, view)[before]
    for i in range(200, 210):
        tell_status(live, f"cx1/n{i}", status("down", error="refused"))
    live.settle(1.0)
    assert screen(live, view)[before] == chosen


def test_words_of_others_do_nothing_to_the_screen():
    evil = status(error="\x1b[2J\nnext\tline [red]x[/red]", maintenance=EPOCH)
    shown = screen(live_of({"cx/cx1": evil}), View(words=True))
    assert not any("\x1b" in line or "\t" in line for line in shown)
    assert any("[red]x[/red]" in line for line in shown)


def test_wide_characters_do_not_break_a_line():
    screen(live_of({"cx/cx1": status(error="望遠鏡" * 40)}), View(words=True), columns=41)


def test_a_group_that_no_poller_asks_says_so():
    live = live_of({"cx/cx1": status("unknown", maintenance=EPOCH)})
    live.picture = dataclasses.replace(live.picture, unpolled={"cx": "no poller has asked its nodes lately"})
    assert "cx  error    no poller has asked its nodes lately; 1 unknown, 1 in maintenance" in screen(live)
