"""Changes, a line for each."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from conche.cli.watch.changes import Changes, JsonChanges, TextChanges
from conche.cli.watch.live import Live, Moved
from conche.contract import NODE_STATUS, REGISTRY, Maintenance
from tests.unit.cli.samples import NOW, ago, picture, registry, status

from .samples import EPOCH, live_of, news, tell, tell_birth, tell_status, thousand

WELL = {"cx/cx1": status(), "cx/cx2": status(), "recv/recv1": status()}


def begun(live: Live, changes: Changes) -> list[str]:
    """What is said at first."""
    return list(changes.lines(Moved(tuple(live.entries), others=True), NOW))


def said(live: Live, changes: Changes) -> list[str]:
    """What is said of what was told since."""
    moved = live.settle(1.0)
    lines = list(changes.lines(moved, NOW)) if moved else []
    assert all(line.startswith("2026-11-21T03:00:00Z  ") for line in lines)
    return [" ".join(line.split()[1:]) for line in lines]


def words(statuses: dict[str, Any], **how: Any) -> tuple[Live, TextChanges]:
    live = live_of(statuses)
    changes = TextChanges(live, **how)
    begun(live, changes)
    return live, changes


def test_it_begins_with_how_the_groups_stand_and_not_with_a_thousand_lines():
    live = live_of(thousand(), eop="lost")
    lines = begun(live, TextChanges(live))
    assert len(lines) == 9
    assert lines[0] == "2026-11-21T03:00:00Z  conche    error    eop is lost, it ran on vm"
    assert lines[1] == "2026-11-21T03:00:00Z  cx0       error    2 down, 123 started, 1 differing"
    assert begun(live, TextChanges(live)) == lines


def test_a_change_is_one_line_with_node_state_and_error():
    live, changes = words(WELL)
    tell_status(live, "cx/cx2", status("down", error="10.0.0.2:12048: refused", since=ago(seconds=1)))
    assert said(live, changes) == ["cx/cx2 down refused"]
    tell_status(live, "cx/cx2", status())
    assert said(live, changes) == ["cx/cx2 started"]


def test_where_nothing_changes_nothing_is_said():
    live, changes = words(WELL)
    tell_status(live, "cx/cx2", status(since=ago(hours=1), proven="0" * 32))
    tell(live, picture(WELL))
    assert said(live, changes) == []


@pytest.mark.parametrize("until", [None, NOW.replace(hour=9)], ids=["open", "until"])
def test_maintenance_is_told_with_who_why_and_until_when(until: Any):
    live, changes = words(WELL)
    tell_status(
        live, "cx/cx1", status(maintenance=Maintenance(on=True, by="alice", reason="new GPU", until=until))
    )
    end = ", until 09:00 UTC" if until else ""
    assert said(live, changes) == [f"cx/cx1 started maintenance by alice: new GPU{end}"]


def test_a_worker_that_goes_is_one_line_of_its_group_and_none_of_its_nodes():
    live, changes = words(WELL | {"cx/cx3": status("down", error="refused")})
    tell_birth(live, "sync/cx", "lost")
    assert said(live, changes) == [
        "cx error no worker serves it: sync/cx is lost, it ran on vm; 1 down, 2 started"
    ]
    tell_birth(live, "sync/cx", "online")
    assert said(live, changes) == ["cx error 1 down, 2 started"]


def test_services_come_and_go():
    live, changes = words(WELL)
    tell_birth(live, "renderer", "lost")
    problem = "renderer is lost, it ran on vm: no change of a config is taken up"
    assert said(live, changes) == [f"conche error {problem}"]
    tell_birth(live, "renderer", "online")
    assert said(live, changes) == [f"conche over {problem}"]


def test_nodes_and_groups_come_and_go():
    live, changes = words(WELL)
    live.take(news(REGISTRY, registry("cx/cx1", "cx/cx2", "beam/b1")), 0.0)
    tell_status(live, "recv/recv1", None)
    assert said(live, changes) == [
        "recv gone not in the registry any more",
        "beam error no worker serves it: sync/beam has never been online; 1 unknown",
        "recv/recv1 gone not in the registry any more",
        "beam/b1 unknown nobody looks after it",
    ]


def test_the_broker_is_told_once_when_it_goes_and_once_when_it_is_back():
    live, changes = words(WELL)
    live.on_lost("Connection refused", NOW)
    assert said(live, changes) == ["broker away Connection refused"]
    live.on_lost("no route", NOW)
    assert said(live, changes) == []
    live.on_complete(2.0)
    assert said(live, changes) == ["broker back"]


def test_only_what_is_wrong_and_that_it_is_over():
    live, changes = words(WELL | {"cx/cx3": status("down")}, wrong=True)
    tell_status(live, "cx/cx1", status("stopped", started=False))
    tell_status(live, "cx/cx2", status("failed", error="rejected"))
    tell_status(live, "cx/cx3", status())
    assert said(live, changes) == ["cx/cx2 failed rejected", "cx/cx3 started"]
    tell_status(live, "cx/cx3", status("stopped", started=False))
    assert said(live, changes) == []


# --- for programs


def objects(lines: Iterable[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def test_programs_get_everything_first():
    live = live_of(WELL)
    told = objects(begun(live, JsonChanges(live)))
    assert [(one["kind"], one["name"]) for one in told] == [
        ("broker", ""), ("registry", ""), ("service", "poller/main"), ("service", "renderer"),
        ("service", "sync/cx"), ("service", "sync/recv"), ("group", "cx"), ("group", "recv"),
        ("node", "cx/cx1"), ("node", "cx/cx2"), ("node", "recv/recv1"),
    ]  # fmt: skip
    assert told[0] | {"at": ""} == {"at": "", "kind": "broker", "name": "", "state": "online", "error": None}
    assert told[6]["served"] is told[6]["polled"] is True
    assert told[8]["status"]["state"] == "started"
    assert told[8]["at"] == "2026-11-21T03:00:00Z"


def test_programs_get_every_change_of_a_status_and_none_that_is_none():
    live = live_of(WELL)
    changes = JsonChanges(live)
    begun(live, changes)
    tell_status(live, "cx/cx1", status(proven="0" * 32))
    tell_status(live, "cx/cx2", status())
    (one,) = objects(changes.lines(live.settle(1.0), NOW))
    assert (one["name"], one["health"], one["status"]["proven"]) == ("cx/cx1", "normal", "0" * 32)
    tell_birth(live, "sync/cx", "lost")
    told = objects(changes.lines(live.settle(2.0), NOW))
    assert [(one["kind"], one["name"]) for one in told] == [("service", "sync/cx"), ("group", "cx")]
    assert told[1]["served"] is False


def test_programs_are_told_who_is_gone():
    live = live_of(WELL)
    changes = JsonChanges(live, wrong=False)
    begun(live, changes)
    live.take(news(REGISTRY, registry("cx/cx1", "cx/cx2")), 0.0)
    live.take(news(NODE_STATUS, None, group="recv", node="recv1"), 0.0)
    told = objects(changes.lines(live.settle(1.0), NOW))
    assert [(one["kind"], one["name"], one.get("gone")) for one in told] == [
        ("group", "recv", True),
        ("registry", "", None),
        ("node", "recv/recv1", True),
    ]


def test_programs_that_ask_for_what_is_wrong_get_these_nodes_alone():
    live = live_of(thousand() | {"cx1/n130": status(maintenance=EPOCH)})
    told = objects(begun(live, JsonChanges(live, wrong=True)))
    assert [one["name"] for one in told if one["kind"] == "node"] == [
        "cx0/n3", "cx0/n5", "cx0/n100", "cx1/n197", "cx7/n876",
    ]  # fmt: skip
