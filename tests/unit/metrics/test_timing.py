"""frame0 and the Earth-orientation table as readings."""

from datetime import timedelta
from typing import Any

import pytest

from conche.contract import EopEntry, EopState, EopStatus, EopTarget, FpgaState, FpgaStatus, Outcome
from conche.contract import measurements as m
from conche.contract.earth import EopData
from conche.metrics.readings import Fields
from conche.metrics.timing import eop_reading, fpga_reading

from .samples import NOW, NOW_NS

DAY = timedelta(days=1)
DAY_NS = 86_400 * 10**9


def fpga(*, served: bool = True, **status: Any) -> Fields:
    reading = fpga_reading(FpgaStatus(**status), served=served, now=NOW)
    assert (reading.measurement, reading.tags, reading.at_ns) == (m.FPGA, {}, NOW_NS)
    return reading.fields


def test_frame0_is_told_to_the_nanosecond_with_its_age():
    found = fpga(state=FpgaState.GOOD, frame0_ns=NOW_NS - 1_500_000_000, rollovers=2)
    assert found == {
        "state": "good",
        "state_code": 0,
        "frame0_ns": NOW_NS - 1_500_000_000,
        "frame0_age_s": 1.5,
        "rollovers": 2,
        "error": "",
    }


def test_a_master_that_is_down_has_no_frame0():
    found = fpga(state=FpgaState.DOWN, error="refused", last_frame0_ns=5)
    assert (found["state_code"], found["frame0_ns"], found["frame0_age_s"], found["error"]) == (
        3,
        None,
        None,
        "refused",
    )


def test_without_its_service_nothing_is_known_of_the_master():
    found = fpga(state=FpgaState.GOOD, frame0_ns=5, served=False)
    assert found == {"state": "unknown", "error": "the fpga service is away"}


def entry(day: int, ut1: float, x: float = 0.0, y: float = 0.0) -> EopEntry:
    return EopEntry(t_inst_ns=10**18 + day * DAY_NS, delta_UT1_inst=ut1, xp_as=x, yp_as=y)


TABLE = EopStatus(
    state=EopState.FRESH,
    last_success_at=NOW - timedelta(hours=2),
    first=NOW - 1.25 * DAY,
    last=NOW + 2.75 * DAY,
    entries=[entry(0, 0.1), entry(1, 0.2, 1.0, -1.0), entry(2, 0.4, 3.0, -3.0), entry(3, 9), entry(4, 9)],
    iers=EopData(source="s", measured_to=NOW, age_days=3, runs_out_at=NOW + 300.5 * DAY),
    targets={
        "cx/cx1": EopTarget(outcome=Outcome.OK),
        "cx/cx2": EopTarget(outcome=Outcome.HELD),
        "cx/cx3": EopTarget(outcome=Outcome.FAILED),
    },
)


def eop(status: EopStatus, *, served: bool = True, later: timedelta = timedelta()) -> Fields:
    reading = eop_reading(status, served=served, now=NOW + later)
    assert (reading.measurement, reading.tags) == (m.EOP, {})
    return reading.fields


def test_a_table_is_told_with_its_ages_and_its_targets():
    found = eop(TABLE)
    assert (found["state"], found["state_code"], found["error"]) == ("fresh", 0, "")
    assert (found["age_s"], found["days_left"], found["data_days_left"]) == (7200, 2.75, 300.5)
    assert (found["data_age_days"], found["entries"]) == (3, 5)
    assert (found["targets_ok"], found["targets_other"]) == (1, 2)


def test_the_values_now_lie_between_the_entries_around_now():
    found = eop(TABLE)  # a quarter of the way from the second to the third
    assert found["delta_ut1_inst_s"] == pytest.approx(0.25)
    assert found["xp_as"] == pytest.approx(1.5)
    assert found["yp_as"] == pytest.approx(-1.5)


def test_at_an_entry_its_values_hold():
    assert eop(TABLE, later=-1.25 * DAY)["delta_ut1_inst_s"] == pytest.approx(0.1)
    assert eop(TABLE, later=2.75 * DAY)["delta_ut1_inst_s"] == pytest.approx(9)


@pytest.mark.parametrize("later", [-1.26 * DAY, 2.76 * DAY])
def test_outside_the_table_there_are_no_values(later: timedelta):
    found = eop(TABLE, later=later)
    assert not found.keys() & {"delta_ut1_inst_s", "xp_as", "yp_as"}


def test_a_table_that_has_run_out_has_less_than_no_days_left():
    assert eop(TABLE, later=3.75 * DAY)["days_left"] == -1


def test_before_the_first_run_there_is_next_to_nothing():
    found = eop(EopStatus(state=EopState.NEVER, error="no frame0"))
    known = {name: value for name, value in found.items() if value is not None}
    assert known == {
        "state": "never",
        "state_code": 1,
        "entries": 0,
        "targets_ok": 0,
        "targets_other": 0,
        "error": "no frame0",
    }


@pytest.mark.parametrize(
    "entries", [[entry(0, 1)], [entry(0, 1), entry(0, 2)]], ids=["one", "two at one time"]
)
def test_a_table_that_is_none_has_no_values(entries: list[EopEntry]):
    status = EopStatus(state=EopState.FRESH, first=NOW - DAY, last=NOW + DAY, entries=entries)
    assert "xp_as" not in eop(status)


def test_without_its_service_the_table_is_still_there_and_nobody_judges_it_or_sees_who_has_it():
    found = eop(TABLE, served=False)
    assert (found["state"], found["state_code"]) == ("unknown", None)
    assert found["error"] == "the eop service is away"
    assert (found["targets_ok"], found["targets_other"]) == (None, None)
    assert (found["days_left"], found["entries"]) == (2.75, 5)
