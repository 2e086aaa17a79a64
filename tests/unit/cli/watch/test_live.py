"""A picture that is kept up to date."""

import dataclasses

from conche.cli.watch.live import PATIENCE_S, Live
from conche.contract import GROUP_SUMMARY, NODE_STATUS, REGISTRY, Health
from tests.unit.cli.samples import NOW, ago, picture, registry, status, summary

from .samples import live_of, news, tell, tell_birth, tell_status, tell_sweep, thousand

WELL = {"cx/cx1": status(), "cx/cx2": status(), "recv/recv1": status()}


def lines(live: Live, *, wrong: bool = False, folded: bool = False) -> list[list[str]]:
    return [[entry.key for entry in line.entries] for line in live.lines(wrong=wrong, folded=folded)]


def test_everything_is_counted():
    live = live_of(thousand())
    assert (len(live.entries), live.wrong, live.health) == (1000, 5, Health.ERROR)
    assert live.tallies["cx0"].words == "2 down, 123 started, 1 differing"
    assert live.tallies["cx4"].words == "125 stopped, 125 in maintenance"


def test_counts_follow_and_only_what_has_changed_is_told():
    live = live_of(WELL)
    tell_status(live, "cx/cx2", status("down", error="refused"))
    moved = live.settle(1.0)
    assert (moved.nodes, moved.others) == (("cx/cx2",), False)
    assert live.tallies["cx"].words == "1 down, 1 started"
    assert live.group_health("cx") is Health.ERROR
    assert lines(live)[0] == ["cx/cx2"]
    tell_status(live, "cx/cx2", status())
    live.settle(2.0)
    assert (live.wrong, live.tallies["cx"].words) == (0, "2 started")


def test_a_message_that_says_nothing_new_is_no_change():
    live = live_of(WELL)
    tell_status(live, "cx/cx2", status())
    tell_birth(live, "renderer", "online")
    live.take(news(REGISTRY, registry(*WELL)), 0.0)
    live.take(news(GROUP_SUMMARY, summary(info="other words"), group="cx"), 0.0)
    assert not live.settle(1.0)


def test_what_is_wrong_comes_first_then_what_has_something_to_say():
    nodes = WELL | {"cx/cx9": status("failed", error="no"), "recv/recv2": status("stopped", error="bad file")}
    nodes["recv/recv3"] = status(held="waits for recv1")
    assert lines(live_of(nodes)) == [
        ["cx/cx9"], ["recv/recv2"], ["recv/recv3"], ["cx/cx1"], ["cx/cx2"], ["recv/recv1"],
    ]  # fmt: skip
    assert lines(live_of(nodes), wrong=True) == [["cx/cx9"], ["recv/recv2"]]


def test_alike_nodes_of_large_groups_share_a_line():
    folded = lines(live_of(thousand()), folded=True)
    assert [len(line) for line in folded] == [2, 1, 1, 1, 125, 122, 124, 125, 125, 125, 125, 124]
    assert folded[0] == ["cx0/n3", "cx0/n100"]


def test_times_do_not_keep_nodes_apart():
    nodes = {f"cx/cx{i}": status("down", error="refused", since=ago(minutes=i)) for i in range(30)}
    live = live_of(nodes)
    (line,) = live.lines(wrong=False, folded=True)
    assert line.row(live.picture, NOW).since == ""
    nodes = {
        key: status("down", error="refused", since=ago(minutes=5, seconds=i % 9))
        for i, key in enumerate(nodes)
    }
    live = live_of(nodes)
    (line,) = live.lines(wrong=False, folded=True)
    assert line.row(live.picture, NOW).since == "5 min"


def test_a_worker_that_goes_takes_its_group_along_and_no_other():
    live = live_of(WELL)
    tell_birth(live, "sync/cx", "lost")
    moved = live.settle(1.0)
    assert (moved.nodes, moved.others) == (("cx/cx1", "cx/cx2"), True)
    assert (live.group_health("cx"), live.group_health("recv")) == (Health.ERROR, Health.NORMAL)
    assert live.trouble_of("cx") == "no worker serves it: sync/cx is lost, it ran on vm"
    tell_birth(live, "sync/cx", "online")
    live.settle(2.0)
    assert live.health is Health.NORMAL


def test_nodes_come_and_go_with_the_registry():
    live = live_of(WELL)
    live.take(news(REGISTRY, registry("cx/cx1", "beam/b1")), 0.0)
    tell_status(live, "recv/recv1", None)
    assert sorted(live.settle(1.0).nodes) == ["beam/b1", "cx/cx2", "recv/recv1"]
    assert list(live.tallies) == ["beam", "cx"]
    assert list(live.entries) == ["cx/cx1", "cx/cx2", "beam/b1"]
    assert live.tallies["cx"].nodes == 2  # of cx2 a status is left
    tell_status(live, "cx/cx2", None)
    live.settle(2.0)
    assert (live.tallies["cx"].nodes, live.tallies["cx"].words) == (1, "1 started")


def test_targets_limit_what_is_shown_and_take_in_who_comes_later():
    live = live_of(WELL, "cx/*", "gone/node")
    assert list(live.entries) == ["cx/cx1", "cx/cx2"]
    tell_status(live, "recv/recv1", status("down"))
    assert not live.settle(1.0)
    live.take(news(REGISTRY, registry(*WELL, "cx/cx3")), 0.0)
    assert live.settle(2.0).nodes == ("cx/cx3",)


def test_a_status_that_cannot_be_understood_is_told_at_its_node():
    live = live_of(WELL)
    strange = dataclasses.replace(news(NODE_STATUS, None, group="cx", node="cx1"), trouble="no field `state`")
    live.take(strange, 0.0)
    assert live.settle(1.0).nodes == ("cx/cx1",)
    (line,) = live.lines(wrong=True, folded=False)
    assert "can't be understood" in line.row(live.picture, NOW).notes[0].words
    assert [problem.words for problem in live.problems()] == [
        "1 topic not understood, such as status/cx/cx1: no field `state`"
    ]
    tell_status(live, "cx/cx1", status())
    live.settle(2.0)
    assert live.health is Health.NORMAL


# --- pollers


BLIND = {"cx/cx1": status("unknown", error="not yet polled"), "recv/recv1": status()}


def test_a_group_that_no_sweep_covers_is_told_when_one_has_waited_for_it():
    live = live_of(BLIND)
    tell_sweep(live, "recv", now_s=PATIENCE_S - 1)
    assert not live.settle(PATIENCE_S - 1)
    tell_sweep(live, "recv", now_s=PATIENCE_S)
    assert live.settle(PATIENCE_S).others
    assert live.trouble_of("cx") == "no poller has asked its nodes lately"
    assert live.trouble_of("recv") is None
    tell_sweep(live, "recv", "cx", now_s=PATIENCE_S + 1)
    live.settle(PATIENCE_S + 1)
    assert live.trouble_of("cx") is None


def test_a_sweep_counts_for_three_of_its_periods():
    live = live_of(BLIND)
    tell_sweep(live, "cx", "recv", now_s=20.0)
    assert not live.settle(26.0)
    assert live.settle(26.1).others
    assert live.trouble_of("cx") is not None


def test_a_group_whose_worker_sees_its_nodes_is_polled_however_rare_the_sweeps():
    live = live_of(WELL)
    assert not live.settle(PATIENCE_S + 1)
    tell_birth(live, "sync/cx", "lost")  # now nobody speaks for the poller of cx
    live.settle(PATIENCE_S + 2)
    assert set(live.picture.unpolled) == {"cx"}


# --- the broker


def test_a_broker_that_is_away_leaves_the_picture_as_it_was():
    live = live_of(WELL)
    live.on_lost("ended", NOW)
    live.on_lost("refused", ago(hours=-1))
    assert live.settle(100.0).others
    assert live.lost is not None
    assert (live.lost.words, live.lost.since) == ("refused", NOW)
    assert (live.health, live.wrong, live.picture.unpolled) == (Health.ERROR, 0, {})
    live.on_complete(101.0)
    assert live.settle(101.0).others
    assert (live.health, live.lost) == (Health.NORMAL, None)


def test_nobody_who_was_missed_before_comes_back_with_the_broker_alone():
    live = live_of(BLIND)
    live.settle(PATIENCE_S)
    assert "cx" in live.picture.unpolled
    live.on_lost("ended", NOW)
    live.on_complete(PATIENCE_S + 1)
    live.settle(PATIENCE_S + 1)
    assert "cx" in live.picture.unpolled


def test_without_any_registry_there_is_nothing_but_that():
    live = Live()
    live.on_complete(0.0)
    assert live.settle(0.0).others
    assert (live.entries, live.health) == ({}, Health.ERROR)


def test_a_status_may_come_before_the_registry_that_names_its_node():
    live = Live()
    for key, one in WELL.items():
        tell_status(live, key, one)
        live.settle(0.0)
    tell(live, picture(WELL))
    assert live.health is Health.NORMAL
    assert list(live.tallies) == ["cx", "recv"]
    assert live.tallies["cx"].nodes == 2
