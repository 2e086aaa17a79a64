"""All that there is to say of the chosen line."""

from conche.cli.top.detail import detail, rule
from conche.cli.top.items import items_of
from conche.cli.top.view import View
from conche.contract import Cure, LastPush, NodeStatus, PushKind, Rejection
from tests.unit.cli.samples import NOW, ago, status
from tests.unit.cli.watch.samples import live_of

from .samples import FEW, OTHER, REVISION


def words_of(statuses: dict[str, NodeStatus], key: str, columns: int = 100, **births: str) -> list[str]:
    live = live_of(statuses, **births)
    item = next(one for one in items_of(live, View()) if one.key == key)
    return [line.plain.strip() for line in detail(live, item, now=NOW, columns=columns)]


def test_a_node_that_differs_tells_how_and_what_it_runs():
    heading, *lines = words_of(FEW, "cx/cx10")
    assert heading.startswith("── cx/cx10 ─")
    assert lines == [
        "started for 3 d, should run",
        "differs: base config, gains/coeffs",
        "maintenance by leonie: new GPU, until 05:00 UTC (in 2 h)",
        "log_level: desired 'info', runs 'warn'",
        f"runs {OTHER}, should run {REVISION}",
        "this revision ran well here before",
        "epoch e",
    ]


def test_a_node_that_is_well_tells_its_revision_once():
    assert f"runs {REVISION}, as it should" in words_of(FEW, "cx/cx1")


def test_everything_that_a_status_may_hold_is_told():
    full = status(
        "failed",
        error="its kotekan rejected it",
        held="rejected by two nodes",
        pending=True,
        attempts=3,
        proven=OTHER,
        desired=REVISION,
        cure=Cure(paths=["gains/count"], at=ago(minutes=20)),
        rejected=[
            Rejection(error="out of range", at=ago(hours=1), endpoint="gains/coeffs"),
            Rejection(error="no such stage", at=ago(hours=2), revision=REVISION),
        ],
        last_push=LastPush(kind=PushKind.START, at=ago(minutes=2), ok=False, error="ended", took_s=4.2),
    )
    lines = words_of({"cx/cx1": full}, "cx/cx1")
    for words in (
        "its kotekan rejected it",
        "held: rejected by two nodes",
        "something is being done about it, or about to be",
        "gains/coeffs was rejected 60 min ago: out of range",
        "revision aaaaaaaa was rejected 2 h ago: no such stage",
        "3 attempts so far",
        "last start 2 min ago, failed: ended",
        "the last start took 4.2 s",
        f"should run {REVISION}",
        f"what ran well here last: {OTHER}",
    ):
        assert words in lines
    assert any(line.startswith("restarted 20 min ago because of gains/count") for line in lines)


def test_the_next_attempt_is_told_with_the_attempts():
    retrying = status("down", error="refused", attempts=2, retry_at=ago(seconds=-30))
    lines = words_of({"cx/cx1": retrying}, "cx/cx1")
    assert "2 attempts so far, the next in 30 s" in lines
    assert "2 attempts so far" not in lines


def test_a_node_of_a_group_without_worker_tells_that():
    lines = words_of(FEW, "cx/cx1", sync_cx="lost")
    assert "cx: no worker serves it: sync/cx is lost, it ran on vm" in lines


def test_a_node_of_which_nothing_is_known_tells_that():
    live = live_of({"cx/cx1": status()})
    item = items_of(live, View())[1]
    live.picture.statuses.clear()
    assert detail(live, item, now=NOW, columns=80)


def test_a_group_tells_its_nodes_by_their_state():
    heading, *lines = words_of(FEW, "cx")
    assert heading.startswith("── cx ─")
    assert lines == [
        "error, 3 nodes: 1 down, 2 started, 1 differing, 1 in maintenance",
        "its worker says: well",
        "down: cx2",
        "started: cx1, cx10",
    ]


def test_no_line_is_longer_than_the_pane():
    long = status("down", error="refused " * 50)
    assert max(map(len, words_of({"cx/cx1": long}, "cx/cx1", columns=40))) <= 40
    assert len(rule("x" * 100, 40).plain) == 40
