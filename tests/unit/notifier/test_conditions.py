"""Each kind of alert: when it stands, when it does not, and when nobody can tell."""

from datetime import timedelta
from typing import Any

import pytest

from conche.contract import EopState, EopStatus, FpgaState, FpgaStatus, Maintenance, NodeStatus
from conche.contract.alerts import ALERTS, AlertKind
from conche.notifier.conditions import BROKER, CONDITIONS, MAX_WORDS, Findings, judge
from conche.notifier.picture import Picture

from .samples import AT, at, birth, drifting, picture, registry, status, sweep

HELD = Maintenance(on=True, by="dvw", reason="new PSU")


def stands(one: Picture, seconds: float = 0) -> dict[tuple[str, str], str]:
    """What stands, with its words."""
    found = judge(one, at(seconds)).standing
    return {(kind.value, subject): alert.words for (kind, subject), alert in found.items()}


def of_node(one: NodeStatus) -> dict[tuple[str, str], str]:
    with_it = picture()
    with_it.statuses["cx", "cx1"] = one
    return stands(with_it)


def with_birth(name: str, state: str, **fields: Any) -> Picture:
    one = picture()
    one.take_birth(name, birth(state, **fields), now_s=at(0).s)
    return one


def unsure(one: Picture, kind: AlertKind, subject: str) -> bool:
    return judge(one, at(0)).unsure((kind, subject))


def test_every_kind_of_the_catalogue_has_a_condition():
    assert set(CONDITIONS) == set(ALERTS) == set(AlertKind)


def test_a_cluster_that_is_well_needs_nobody():
    assert stands(picture()) == {}


# --- nodes


def test_a_node_that_is_down_stands_with_its_own_words():
    assert of_node(status("down", error="refused: nobody\nlistens")) == {
        ("node-down", "cx/cx1"): "refused: nobody listens"
    }


def test_a_node_that_failed_stands_with_why_it_is_held():
    assert of_node(status("failed", held="rejected: no such stage")) == {
        ("node-failed", "cx/cx1"): "rejected: no such stage"
    }


@pytest.mark.parametrize("one", [status("down"), status("failed"), drifting()])
def test_a_node_in_maintenance_is_somebodys_business_already(one: NodeStatus):
    with_it = picture()
    with_it.statuses["cx", "cx1"] = NodeStatus(
        state=one.state, started=True, maintenance=HELD, epoch="e1", drift=one.drift, error=one.error
    )
    found = judge(with_it, at(0))
    assert found.standing == {}
    key = (AlertKind.NODE_DOWN, "cx/cx1")
    assert (found.unsure(key), found.ended(key)) == (False, "it is in maintenance by dvw: new PSU")


def test_drift_stands_with_its_paths():
    (words,) = of_node(drifting(attempts=3)).values()
    assert words == "held; log_level: 'info' -> 'debug'; 3 attempts"


@pytest.mark.parametrize(
    "one",
    [
        status("started", live="a" * 32, desired="b" * 32, error="waits"),
        status("stopped", error="it did not stay as it was brought 3 times"),
    ],
    ids=["another revision", "idle"],
)
def test_a_node_that_is_not_as_desired_stands(one: NodeStatus):
    assert list(of_node(one)) == [("drift-stays", "cx/cx1")]


@pytest.mark.parametrize(
    "one",
    [
        drifting(pending=True),
        drifting(error=None),
        status("syncing", error="x"),
        status("stopped", started=False, error="x"),
        status("stopped", error=None),
        status("started", live="a" * 32, desired="a" * 32, error="x"),
    ],
    ids=["pending", "ignored path", "syncing", "to be stopped", "about to start", "as desired"],
)
def test_what_is_being_mended_ignored_or_wanted_is_no_drift(one: NodeStatus):
    assert of_node(one) == {}


def test_a_status_of_a_node_that_is_not_in_the_registry_counts_for_nothing():
    one = picture()
    one.statuses["cx", "gone"] = status("down")
    assert stands(one) == {}
    ended = judge(one, at(0)).ended((AlertKind.NODE_DOWN, "cx/gone"))
    assert ended == "it is not in the registry any more"


def test_words_of_others_become_one_line_of_bounded_length():
    (words,) = of_node(status("down", error="\x1b[31m" + "x" * 5000)).values()
    assert len(words) == MAX_WORDS
    assert words.isprintable()


@pytest.mark.parametrize("state", ["unknown", "syncing", "down"])
def test_of_a_failed_node_that_is_in_between_nobody_can_tell(state: str):
    one = picture()
    one.statuses["cx", "cx1"] = status(state)
    assert unsure(one, AlertKind.NODE_FAILED, "cx/cx1")


def test_of_nodes_whose_worker_or_registry_is_away_nobody_can_tell():
    for one in (with_birth("sync/cx", "lost"), picture(registry=None)):
        one.statuses["cx", "cx1"] = status("started")
        assert unsure(one, AlertKind.NODE_DOWN, "cx/cx1")
    assert unsure(picture(registry=registry({"cx": 9})), AlertKind.NODE_DOWN, "cx/cx9")
    assert not unsure(picture(), AlertKind.NODE_DOWN, "cx/cx1")


# --- services


@pytest.mark.parametrize("state", ["lost", "offline"])
def test_a_group_whose_worker_is_not_there_stands_for_whatever_reason(state: str):
    words = stands(with_birth("sync/cx", state))
    assert list(words) == [("no-worker", "cx")]
    assert "it ran on vm" in words["no-worker", "cx"]


def test_a_group_that_never_had_a_worker_stands_and_one_that_is_gone_does_not():
    one = picture(registry=registry({"cx": 3, "cy": 1, "empty": 0}))
    one.take_birth("sync/old", birth("lost"), now_s=at(0).s)
    assert stands(one) == {("no-worker", "cy"): "its sync service was never there"}


def test_a_service_that_is_lost_stands_and_one_that_was_stopped_does_not():
    assert stands(with_birth("renderer", "lost")) == {("service-lost", "renderer"): "is lost; it ran on vm"}
    assert stands(with_birth("renderer", "offline")) == {}


def test_a_poller_that_has_not_swept_for_three_periods_is_lost():
    one = picture()
    assert stands(one, 6) == {}
    assert list(stands(one, 7)) == [("service-lost", "poller/main")]
    one.take_sweep("main", sweep(), now_s=at(10).s)
    assert stands(one, 16) == {}
    assert list(stands(one, 17)) == [("service-lost", "poller/main")]


def test_a_poller_that_is_slow_is_given_three_of_its_own_sweeps():
    one = picture()
    one.take_sweep("main", sweep(took_s=10.0), now_s=at(0).s)
    assert stands(one, 29) == {}


def test_a_poller_without_nodes_does_not_sweep():
    assert stands(picture(registry=registry({})), 100) == {}


def test_a_poller_that_was_begun_anew_is_given_its_time():
    one = picture()
    one.take_birth("poller/main", birth(boot="two"), now_s=at(100).s)
    assert stands(one, 105) == {}


def test_a_poller_that_does_not_get_round_stands_while_it_is_there():
    one = picture()
    one.take_sweep("main", sweep(overrun=True, took_s=3.4, polled=900), now_s=at(0).s)
    assert stands(one) == {("poller-overrun", "main"): "900 nodes in 3.4 s, where the period is 2 s"}
    one.take_birth("poller/main", birth("lost"), now_s=at(0).s)
    assert ("poller-overrun", "main") not in stands(one)
    assert unsure(one, AlertKind.POLLER_OVERRUN, "main")


def sweeping(overruns: str, *, every_s: float = 2.0) -> tuple[Picture, float]:
    """A poller, a letter for each of its sweeps, ``x`` for one that is overrun; and when the last one was."""
    one = picture()
    for number, letter in enumerate(overruns):
        one.take_sweep("main", sweep(overrun=letter == "x"), now_s=at(number * every_s).s)
    return one, (len(overruns) - 1) * every_s


@pytest.mark.parametrize(
    ("overruns", "stands_so"),
    [
        ("x....", False),
        ("x..", True),
        ("x.." * 50, True),
        ("x..." * 38, False),
        ("x" * 200 + "." * 120, False),
    ],
    ids=["once", "once of three", "every third", "every fourth", "minutes ago"],
)
def test_a_poller_that_does_not_get_round_often_enough_stands(overruns: str, stands_so: bool):
    one, seconds = sweeping(overruns)
    key = (AlertKind.POLLER_OVERRUN, "main")
    assert (key in judge(one, at(seconds)).standing) is stands_so
    assert not judge(one, at(seconds)).unsure(key)


def test_of_a_poller_of_which_no_sweep_was_heard_lately_nobody_can_tell():
    one, _ = sweeping("x")
    key = (AlertKind.POLLER_OVERRUN, "main")
    assert key in judge(one, at(299)).standing
    assert key not in judge(one, at(300)).standing
    assert judge(one, at(300)).unsure(key)


def test_a_poller_that_is_gone_for_good_overruns_no_more():
    one, _ = sweeping("xxx")
    one.take_birth("poller/main", None, now_s=at(5).s)
    found = judge(one, at(5))
    key = (AlertKind.POLLER_OVERRUN, "main")
    assert (key in found.standing, found.unsure(key), one.sweeps) == (False, False, {})


def test_while_the_broker_is_away_that_is_all_that_is_known():
    one = picture(listening_s=None, away="no connection")
    one.statuses["cx", "cx1"] = status("down")
    found = judge(one, at(0))
    assert list(found.standing) == [(AlertKind.SERVICE_LOST, BROKER)]
    assert found.unsure((AlertKind.NODE_DOWN, "cx/cx1"))
    assert not found.unsure((AlertKind.SERVICE_LOST, BROKER))


def test_while_owners_may_still_mend_what_stands_there_nothing_is_known():
    found = judge(picture(listening_s=None), at(0))
    assert found.standing == {}
    assert found.unsure((AlertKind.FPGA_TIMING, ""))


# --- the broker's count


def dropping(*counts: tuple[float, int]) -> Picture:
    one = picture()
    for seconds, count in counts:
        one.take_dropped(count, now_s=at(seconds).s)
    return one


def test_what_was_dropped_before_anybody_looked_is_no_news():
    assert stands(dropping((0, 500))) == {}


def test_drops_stand_for_five_minutes_and_add_up():
    one = dropping((0, 500), (10, 500), (20, 512), (200, 520))
    assert stands(one, 499)[("broker-drops", "")] == "20 messages so far"
    assert ("broker-drops", "") not in stands(one, 500)
    one.take_dropped(521, now_s=at(900).s)
    assert stands(one, 901)[("broker-drops", "")] == "1 messages so far"


def test_a_broker_that_was_started_anew_has_dropped_what_it_counts():
    assert ("broker-drops", "") not in stands(dropping((0, 500), (10, 0)), 11)
    assert stands(dropping((0, 500), (10, 7)), 11)[("broker-drops", "")] == "7 messages so far"


# --- timing


def fpga(state: str, **fields: Any) -> FpgaStatus:
    return FpgaStatus(state=FpgaState(state), **fields)


@pytest.mark.parametrize(
    ("state", "counts"), [("down", 1), ("degraded", 1), ("good", 0), ("unconfigured", 0)]
)
def test_an_fpga_master_that_is_not_good_stands(state: str, counts: int):
    assert len(stands(picture(fpga=fpga(state, error="HTTP 500")))) == counts


def test_what_the_fpga_service_said_before_it_went_is_not_known_any_more():
    one = with_birth("fpga", "offline")
    one.fpga = fpga("down")
    found = judge(one, at(0))
    assert found.standing == {}
    assert found.unsure((AlertKind.FPGA_TIMING, ""))


def eop(state: str = "fresh", **fields: Any) -> EopStatus:
    defaults = {"last_success_at": AT - timedelta(hours=1), "last": AT + timedelta(days=2)}
    return EopStatus(state=EopState(state), **defaults | fields)


@pytest.mark.parametrize(
    ("one", "kinds"),
    [
        (eop(), []),
        (eop("stale"), ["eop-stale"]),
        (eop("failed", error="no frame0"), ["eop-stale"]),
        (eop(last_success_at=AT - timedelta(hours=26)), ["eop-stale"]),
        (eop(last=AT + timedelta(hours=23)), ["eop-runs-out"]),
        (eop(last=AT - timedelta(hours=2)), ["eop-runs-out"]),
        (eop(last=None), []),
    ],
)
def test_a_table_that_is_old_failed_or_ends_soon_stands_also_while_its_service_is_away(
    one: EopStatus, kinds: list[str]
):
    for state in ("online", "offline"):
        with_it = with_birth("eop", state)
        with_it.eop = one
        assert [kind for kind, _ in stands(with_it)] == kinds


@pytest.mark.parametrize(("state", "counts"), [("good", 1), ("down", 1), ("unconfigured", 0)])
def test_a_table_that_was_never_made_is_missed_where_there_is_an_fpga_master(state: str, counts: int):
    one = picture(eop=eop("never", last_success_at=None, last=None), fpga=fpga(state))
    assert [kind for kind, _ in stands(one)].count("eop-stale") == counts


def test_without_a_word_about_timing_nobody_can_tell():
    found: Findings = judge(picture(), at(0))
    for kind in (AlertKind.FPGA_TIMING, AlertKind.EOP_STALE, AlertKind.EOP_RUNS_OUT):
        assert found.unsure((kind, ""))
