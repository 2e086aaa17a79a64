"""What is shown of a node."""

from typing import Any

import pytest

from conche.cli.rows import Row, is_wrong, row_of, silent_row
from conche.contract import Drift, Health, LastPush, Maintenance, NodeStatus, PushKind

from .samples import NOW, ago, status


def row(one: NodeStatus, *, key: str = "cx/cx1", **how: Any) -> Row:
    return row_of(key, one, **{"known": True, "registered": True, "now": NOW} | how)


def words(shown: Row) -> list[str]:
    return [note.words for note in shown.notes]


def test_a_node_that_is_well_has_nothing_to_say():
    shown = row(status(since=ago(hours=3)))
    assert (shown.state_words, shown.should, shown.since, shown.notes) == ("started", "run", "3 h", ())
    assert not is_wrong(shown)


@pytest.mark.parametrize(("started", "should"), [(True, "run"), (False, "stop"), (None, "?")])
def test_the_switch_is_told_in_a_word(started: bool | None, should: str):
    assert row(status(started=started)).should == should


def test_what_is_wrong_is_told_whole_and_without_the_name_that_stands_beside_it():
    error = "no config file " + "x" * 300
    shown = row(status("stopped", error=f"cx/cx1: {error}"))
    assert words(shown) == [error]
    assert shown.health is Health.WARNING


def test_drift_is_told_by_base_and_endpoints():
    assert words(row(status(drift=Drift(base=True, endpoints=["gains"])))) == ["differs: base config, gains"]


def test_maintenance_is_told_with_who_why_and_until_when():
    switch = Maintenance(on=True, by="alice", reason="new\nGPU", until=NOW.replace(hour=9))
    shown = row(status("down", maintenance=switch, error="refused"))
    assert words(shown) == ["refused"]
    assert shown.switch is not None
    assert shown.switch.words == "maintenance by alice: new GPU, until 09:00 UTC (in 6 h)"
    assert shown.switch.mark == "maintenance by alice"
    assert not is_wrong(shown)  # it is somebody's business already


def test_a_push_under_way_is_named():
    shown = row(status("syncing", last_push=LastPush(kind=PushKind.RESTART, at=NOW)))
    assert words(shown) == ["restarting"]


def test_a_node_that_goes_on_failing_is_not_well_even_if_its_worker_gives_no_error():
    shown = row(status("stopped", attempts=6, retry_at=NOW.replace(second=40)))
    assert shown.timing == "6 attempts so far, the next in 40 s"
    assert is_wrong(shown)


def test_what_nobody_keeps_up_to_date_does_not_look_well():
    shown = row(status(), known=False)
    assert shown.state_words == "was started"
    assert is_wrong(shown)


def test_a_node_that_left_the_registry_says_so():
    assert words(row(status(), registered=False)) == ["not in the registry any more"]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"served": True, "unreadable": None}, "its worker has said nothing about it yet"),
        ({"served": False, "unreadable": None}, "nobody looks after it"),
        ({"served": True, "unreadable": "no field `state`"}, "can't be understood"),
    ],
)
def test_a_node_without_a_status_is_unknown_and_says_why(how: dict[str, Any], expected: str):
    shown = silent_row("cx/cx1", **how)
    assert shown.state == "unknown"
    assert expected in words(shown)[0]
    assert is_wrong(shown)
