import json
import time
from pathlib import Path

import pytest

from conche.sim.fpga import FLOOD, ROLLOVER_NS, FpgaFault, FpgaMaster
from conche.sim.host import OrderRefusedError
from conche.sim.plan import PlanInvalidError, mapped_fpga
from conche.sim.unit import Address

TIMING = "/get-frame0-time"


def told(master: FpgaMaster) -> dict[str, object]:
    return json.loads(master.timing())


def test_it_was_started_just_now():
    before = time.time_ns()
    master = FpgaMaster()
    assert before <= told(master)["frame0_nano"] <= time.time_ns()
    assert 0 < told(master)["frame0_nano"] / 1e9 - told(master)["start_ctime"] < 10


def test_a_restart_is_another_frame0():
    master = FpgaMaster()
    before = master.frame0_ns
    assert master.order({"restart": True})["frame0_ns"] != before


def test_rollovers_are_taken_off_whole_nanoseconds_and_off_nothing_else():
    master = FpgaMaster()
    master.order({"frame0_ns": 3 * ROLLOVER_NS + 1, "rollovers": 2})
    assert told(master)["frame0_nano"] == ROLLOVER_NS + 1
    for other in (1.5, True, "x", None):
        master.order({"frame0_ns": other})
        assert told(master)["frame0_nano"] == other


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"fault": "flut"}, "there is no fault 'flut'"),
        ({"fault": ["html"]}, "there is no fault"),
        ({"rollovers": 1.5}, "whole number"),
        ({"rollovers": True}, "whole number"),
        ({"restart": 1}, "restart is true"),
        ({"frame0": 1}, "it is one of restart, rollovers, fault, frame0_ns, start_ctime"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_and_nothing_of_it_done(order, words):
    master = FpgaMaster()
    before = master.describe()
    with pytest.raises(OrderRefusedError, match=words):
        master.order({"start_ctime": 1, **order})
    assert master.describe() == before


@pytest.mark.parametrize("fault", FpgaFault)
def test_every_fault_changes_an_answer(fault: FpgaFault):
    master = FpgaMaster()
    good = [master.answer("/status"), master.answer(TIMING)]
    master.order({"fault": fault.value})
    assert [master.answer("/status"), master.answer(TIMING)] != good
    master.order({"fault": None})
    assert [master.answer("/status"), master.answer(TIMING)] == good


def test_the_flood_is_fifty_megabytes_with_the_answer_at_its_end():
    master = FpgaMaster()
    master.fault = FpgaFault.FLOOD
    reply = master.answer(TIMING)
    assert reply is not None
    assert reply.raw is not None
    assert len(reply.raw) > FLOOD
    assert reply.raw.endswith(master.timing())


def test_another_path_is_not_there():
    reply = FpgaMaster().answer("/adc")
    assert reply is not None
    assert reply.status == 404


def test_a_map_may_have_an_fpga_master(tmp_path: Path):
    file = tmp_path / "map.json"
    file.write_text('{"nodes": {}}')
    assert mapped_fpga(file) is None
    file.write_text('{"nodes": {}, "fpga": {"host": "127.0.0.1", "port": 20100}}')
    assert mapped_fpga(file) == Address("127.0.0.1", 20100)
    file.write_text('{"nodes": {}, "fpga": 3}')
    with pytest.raises(PlanInvalidError, match="has no address such as"):
        mapped_fpga(file)
