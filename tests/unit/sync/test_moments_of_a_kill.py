"""The worker is killed, and started again, at each step of a push."""

import pytest

from .world import World
from .world.configs import Config
from .world.moments import RESTART, UPDATE, Moment, carried_out, interrupt, writes

OTHER = Config(depth=5)
OTHER_VALUES = Config(coeff=2.0, phase=1.0)

pauses = pytest.mark.parametrize("back_in", [0.0, 0.3, 20.0])


@pauses
@pytest.mark.parametrize("moment", RESTART)
def test_a_restart_that_outlives_its_worker_is_one_kill_and_one_start(
    pair: World, moment: Moment, back_in: float
) -> None:
    occasion = interrupt(pair, moment, lambda: pair.strike(back_in), config=OTHER)
    pair.until(lambda: pair.runs("cx1"))
    pair.run(60.0)
    assert carried_out(pair, since=occasion.armed_at) == ["kill", "start"]


@pauses
@pytest.mark.parametrize("moment", UPDATE)
def test_an_update_that_outlives_its_worker_is_one_post_to_each_block(
    pair: World, moment: Moment, back_in: float
) -> None:
    occasion = interrupt(pair, moment, lambda: pair.strike(back_in), config=OTHER_VALUES)
    pair.until(lambda: pair.runs("cx1"))
    pair.run(60.0)
    assert carried_out(pair, since=occasion.armed_at) == ["/beams", "/gains"]


@pytest.mark.parametrize("moment", [Moment.RECORDED, Moment.KILLING, Moment.ENDING, Moment.GONE])
def test_a_stop_that_outlives_its_worker_is_one_kill(pair: World, moment: Moment) -> None:
    occasion = interrupt(pair, moment, lambda: pair.strike(0.3), config=OTHER, started=False)
    pair.run(60.0)
    status = pair.status("cx1")
    assert status is not None
    assert (status.state, status.started, status.error) == ("stopped", False, None)
    assert carried_out(pair, since=occasion.armed_at) == ["kill"]


@pytest.mark.parametrize("moment", RESTART)
def test_maintenance_that_was_answered_outlives_the_worker(pair: World, moment: Moment) -> None:
    def hold() -> None:
        pair.operator.send("set_maintenance", "cx1", maintenance=True)

    interrupt(pair, moment, hold, config=OTHER)
    pair.until(lambda: pair.operator.sent[-1].replies)
    pair.kill_worker(back_in=0.3)
    killed_at = pair.now
    pair.run(60.0)
    status = pair.status("cx1")
    assert status is not None
    assert status.maintenance.on
    assert writes(pair, since=killed_at) == []
