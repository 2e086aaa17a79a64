"""What is news of all that is said, and what is no longer known when nobody says it any more."""

from collections.abc import Iterable
from typing import Any

import pytest

from conche.contract import (
    EopState,
    EopStatus,
    FpgaState,
    FpgaStatus,
    GroupSummary,
    Health,
    NodeState,
    Reach,
    ServiceState,
)
from conche.metrics.board import GRACE_S
from conche.metrics.picture import Picture
from conche.metrics.readings import Reading

from .samples import birth, moment, observed, registry, status, sweep

CX1, CX2 = ("cx", "cx1"), ("cx", "cx2")
WORKER = {"service": "sync", "instance": "cx"}
SUMMARY = GroupSummary(summary=Health.NORMAL, info="", counts={NodeState.STARTED: 2}, nodes=2)


def take(readings: Iterable[Reading]) -> dict[str, dict[str, Any]]:
    """Fields of readings, by measurement and the last of the tags."""
    return {
        " ".join((reading.measurement.name, *reading.tags.values())): dict(reading.fields)
        for reading in readings
    }


@pytest.fixture
def picture() -> Picture:
    """A group of two nodes, with worker and poller, of which everything is known at 0 s."""
    made = Picture(refresh_s=1e6, poll_s=2)
    take(made.on_registry(registry("cx/cx1", "cx/cx2"), moment()))
    for key in (CX1, CX2):
        take(made.on_status(key, status(), moment()))
        take(made.on_observed(key, observed(), moment()))
    take(made.on_birth(WORKER, birth(), moment()))
    take(made.on_summary("cx", SUMMARY, moment()))
    take(made.listen(moment()))
    made.on_sweep(sweep("cx"), moment())
    take(made.due(moment()))
    return made


def test_nothing_is_told_before_all_that_is_retained_was_heard():
    made = Picture(refresh_s=60, poll_s=2)
    assert take(made.on_registry(registry("cx/cx1"), moment())) == {}
    assert take(made.on_status(CX1, status(), moment())) == {}
    assert take(made.due(moment())) == {}
    assert take(made.on_birth(WORKER, birth(), moment())) == {}
    told = take(made.listen(moment()))
    assert told.keys() == {"node cx cx1", "group cx", "service sync cx"}
    assert told["node cx cx1"]["state"] == "started"


def test_a_change_is_told_once(picture: Picture):
    told = take(picture.on_status(CX1, status(NodeState.DOWN), moment(1)))
    assert told["node cx cx1"]["state"] == "down"
    assert take(picture.on_status(CX1, status(NodeState.DOWN), moment(2))) == {}
    told = take(picture.on_observed(CX1, observed(Reach.REFUSED), moment(3)))
    assert (told["node cx cx1"]["reach"], told["node cx cx1"]["reached"]) == ("refused", False)


def test_an_observation_that_is_published_again_is_no_news(picture: Picture):
    assert take(picture.on_observed(CX1, observed(), moment(1))) == {}


def test_a_worker_that_goes_leaves_its_nodes_unknown_and_one_that_comes_tells_them(picture: Picture):
    told = take(picture.on_birth(WORKER, birth(ServiceState.LOST), moment(1)))
    assert told["node cx cx1"]["state"] == told["node cx cx2"]["state"] == "unknown"
    assert (told["group cx"]["worker"], told["group cx"]["unknown"]) == (False, 2)
    assert told["service sync cx"]["state"] == "lost"
    told = take(picture.on_birth(WORKER, birth(boot="2"), moment(2)))
    assert told["node cx cx1"]["state"] == "started"
    assert (told["group cx"]["worker"], told["service sync cx"]["restarts"]) == (True, 1)


def test_a_worker_whose_birth_is_cleared_is_gone_and_its_series_with_it(picture: Picture):
    told = take(picture.on_birth(WORKER, None, moment(1)))
    assert told["group cx"]["worker"] is False
    assert "service sync cx" not in take(picture.readings(moment(1)))


def test_a_poller_that_is_silent_for_three_periods_reaches_nobody(picture: Picture):
    assert take(picture.due(moment(6))) == {}
    told = take(picture.due(moment(6.1)))
    assert told.keys() == {"node cx cx1", "node cx cx2"}
    assert told["node cx cx1"]["reached"] is False
    assert "reach" not in told["node cx cx1"]
    assert take(picture.due(moment(7))) == {}
    picture.on_sweep(sweep("cx"), moment(8))
    assert take(picture.due(moment(8)))["node cx cx1"]["reached"] is True


def test_an_observation_of_another_poller_than_the_one_that_sweeps_counts_no_more(picture: Picture):
    picture.on_sweep(sweep("cx", boot="another"), moment(1))
    told = take(picture.due(moment(1)))
    assert told["node cx cx1"]["reached"] is False
    told = take(picture.on_observed(CX1, observed(boot="another"), moment(1.5)))
    assert told["node cx cx1"]["reached"] is True


def test_a_sweep_of_other_groups_says_nothing_of_this_one(picture: Picture):
    picture.on_sweep(sweep("recv"), moment(6))
    assert take(picture.due(moment(6.1)))["node cx cx1"]["reached"] is False


def test_at_the_beginning_nobody_is_taken_for_away_before_he_could_be_heard():
    made = Picture(refresh_s=1e6, poll_s=2)
    take(made.on_registry(registry("cx/cx1"), moment()))
    take(made.on_observed(CX1, observed(), moment()))
    assert "reached" not in take(made.listen(moment()))["node cx cx1"]
    assert take(made.due(moment(GRACE_S - 0.1))) == {}
    assert take(made.due(moment(GRACE_S)))["node cx cx1"]["reached"] is False


def test_a_poller_with_a_long_period_has_three_of_them_to_be_heard():
    made = Picture(refresh_s=1e6, poll_s=60)
    take(made.on_registry(registry("cx/cx1"), moment()))
    take(made.listen(moment()))
    assert take(made.due(moment(179))) == {}
    assert take(made.due(moment(180)))["node cx cx1"]["reached"] is False


def test_a_poller_that_was_heard_before_the_connection_was_lost_has_three_of_its_own_periods(
    picture: Picture,
):
    picture.on_sweep(sweep("cx", period_s=20), moment(1))
    picture.deafen()
    take(picture.listen(moment(100)))
    assert take(picture.due(moment(159))) == {}
    assert take(picture.due(moment(160)))["node cx cx1"]["reached"] is False


def test_while_the_broker_is_away_nothing_is_told_and_afterwards_nobody_is_blamed_for_it(picture: Picture):
    picture.deafen()
    assert picture.readings(moment(50)) == []
    assert take(picture.due(moment(100))) == {}
    told = take(picture.listen(moment(100)))
    assert told.keys() == {"node cx cx1", "node cx cx2"}
    assert "reached" not in told["node cx cx1"]
    picture.on_sweep(sweep("cx"), moment(101))
    assert take(picture.due(moment(101)))["node cx cx1"]["reached"] is True


def test_nodes_and_groups_that_left_the_registry_are_forgotten(picture: Picture):
    take(picture.on_registry(registry("cx/cx1"), moment(1)))
    assert take(picture.readings(moment(1))).keys() == {"node cx cx1", "group cx", "service sync cx"}
    take(picture.on_registry(registry("recv/r1"), moment(2)))
    assert take(picture.readings(moment(2))).keys() == {"node recv r1", "group recv", "service sync cx"}
    assert take(picture.on_status(CX1, status(), moment(3))) == {}


@pytest.mark.parametrize("absent", [None, registry("recv/r1", error="nodes.yaml: not YAML")])
def test_a_registry_that_is_absent_or_broken_changes_nothing(picture: Picture, absent: Any):
    before = take(picture.readings(moment()))
    assert take(picture.on_registry(absent, moment())) == {}
    assert take(picture.readings(moment())) == before


def test_a_node_of_the_registry_without_a_status_is_unknown(picture: Picture):
    told = take(picture.on_status(CX1, None, moment(1)))
    assert (told["node cx cx1"]["state"], told["node cx cx1"]["error"]) == ("unknown", "")


def test_without_a_registry_there_are_the_nodes_that_somebody_speaks_of():
    made = Picture(refresh_s=60, poll_s=2)
    take(made.on_status(CX1, status(), moment()))
    take(made.on_birth(WORKER, birth(), moment()))
    assert take(made.listen(moment())).keys() == {"node cx cx1", "group cx", "service sync cx"}
    take(made.on_status(CX1, None, moment()))
    assert take(made.readings(moment())).keys() == {"group cx", "service sync cx"}


def test_the_masters_state_counts_while_its_service_is_there(picture: Picture):
    service = {"service": "fpga"}
    take(picture.on_birth(service, birth(), moment()))
    assert take(picture.on_fpga(FpgaStatus(state=FpgaState.GOOD), moment()))["fpga"]["state"] == "good"
    told = take(picture.on_birth(service, birth(ServiceState.OFFLINE), moment(1)))
    assert told["fpga"] == {"state": "unknown", "error": "the fpga service is away"}
    assert told["service fpga -"]["online"] is False
    assert take(picture.on_birth(service, birth(), moment(2)))["fpga"]["state"] == "good"
    take(picture.on_fpga(None, moment(3)))
    assert "fpga" not in take(picture.readings(moment(3)))


def test_so_does_that_of_the_earth_orientation_table(picture: Picture):
    service = {"service": "eop"}
    take(picture.on_birth(service, birth(), moment()))
    assert take(picture.on_eop(EopStatus(state=EopState.STALE), moment()))["eop"]["state"] == "stale"
    assert take(picture.on_birth(service, None, moment(1)))["eop"]["error"] == "the eop service is away"
    take(picture.on_eop(None, moment(2)))
    assert "eop" not in take(picture.readings(moment(2)))
