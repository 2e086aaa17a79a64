"""Services and sweeps as readings."""

from datetime import timedelta

import pytest

from conche.contract import ServiceState
from conche.contract import measurements as m
from conche.metrics.services import REMEMBERED, Life, sweep_reading

from .samples import NOW_NS, birth, moment, sweep


def test_a_service_that_is_online_tells_all():
    life = Life("sync", "cx", birth(dropped=2, invalid=1))
    reading = life.reading(moment(0.0))
    assert (reading.measurement, reading.tags) == (m.SERVICE, {"service": "sync", "instance": "cx"})
    assert reading.fields == {
        "online": True,
        "state": "online",
        "restarts": 0,
        "uptime_s": 60.0,
        "dropped": 2,
        "invalid": 1,
        "version": "1.0",
    }


@pytest.mark.parametrize("state", [ServiceState.OFFLINE, ServiceState.LOST])
def test_one_that_is_gone_has_no_uptime_and_no_losses_of_its_last_will(state: ServiceState):
    fields = Life("fpga", "-", birth(state)).reading(moment()).fields
    assert (fields["online"], fields["state"]) == (False, state)
    assert fields["uptime_s"] is fields["dropped"] is fields["invalid"] is None


def test_each_process_that_takes_its_place_is_a_restart():
    life = Life("fpga", "-", birth(boot="1"))
    for boot, restarts in (("1", 0), ("2", 1), ("2", 1), ("3", 2)):
        life.take(birth(boot=boot))
        assert life.reading(moment()).fields["restarts"] == restarts


def test_a_last_will_that_comes_late_is_no_restart():
    life = Life("fpga", "-", birth(boot="1"))
    life.take(birth(boot="2"))
    life.take(birth(ServiceState.LOST, boot="1"))
    life.take(birth(boot="2"))
    assert life.restarts == 1


def test_however_often_a_service_restarts_it_is_counted_and_little_is_remembered():
    life = Life("fpga", "-", birth(boot="0"))
    for boot in range(1, 10 * REMEMBERED):
        life.take(birth(boot=str(boot)))
    assert life.restarts == 10 * REMEMBERED - 1


def test_the_uptime_goes_on():
    life = Life("fpga", "-", birth())
    later = moment(timedelta(hours=1).total_seconds())
    assert life.reading(later).fields["uptime_s"] == 3660


def test_a_sweep_is_told_at_its_own_time():
    reading = sweep_reading(sweep("cx", overrun=True), instance="main")
    assert (reading.measurement, reading.tags, reading.at_ns) == (m.SWEEP, {"instance": "main"}, NOW_NS)
    assert reading.fields == {"took_s": 1, "period_s": 2, "polled": 3, "unreachable": 1, "overrun": True}
