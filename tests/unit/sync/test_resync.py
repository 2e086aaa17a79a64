"""A resync at each step of a push, and a worker that is killed at each step of a resync."""

import pytest

from .world import World
from .world.configs import Config
from .world.moments import BEFORE, HALF_WAY, LATE, RESTART, UPDATE, Moment, Occasion, carried_out, interrupt
from .world.operators import Sent

OLD = Config()
OTHER = Config(depth=5)
OTHER_VALUES = Config(coeff=2.0, phase=1.0)


def resync(world: World) -> Sent:
    sent: Sent = world.operator.send("resync", "cx1")
    return sent


# --- while something else is done


@pytest.mark.parametrize("moment", RESTART)
def test_a_resync_joins_the_restart_that_is_under_way(pair: World, moment: Moment) -> None:
    occasion = interrupt(pair, moment, lambda: resync(pair), config=OTHER)
    pair.run(60.0)
    assert pair.operator.sent[-1].reply.ok
    assert carried_out(pair, since=occasion.armed_at) == ["kill", "start"]


@pytest.mark.parametrize("moment", UPDATE)
def test_a_resync_during_an_update_is_a_restart_all_the_same(pair: World, moment: Moment) -> None:
    occasion = interrupt(pair, moment, lambda: resync(pair), config=OTHER_VALUES)
    pair.run(60.0)
    done = carried_out(pair, since=occasion.armed_at)
    assert pair.operator.sent[-1].reply.ok
    posted = [] if moment in BEFORE else ["/beams", "/gains"]
    assert done == [*posted, "kill", "start"]


@pytest.mark.parametrize("moment", [Moment.RECORDING, Moment.RECORDED])
def test_a_resync_is_done_though_the_restart_that_it_found_is_given_up(pair: World, moment: Moment) -> None:
    def resync_and_think_better_of_it() -> None:
        resync(pair)
        pair.want(OLD, "cx1")

    occasion = interrupt(pair, moment, resync_and_think_better_of_it, config=OTHER)
    pair.run(60.0)
    assert pair.operator.sent[-1].reply.ok
    assert carried_out(pair, since=occasion.armed_at) == ["kill", "start"]
    assert pair.machine("cx1").running == OLD.revision


# --- while its worker is killed


def kill_during_resync(world: World, moment: Moment) -> tuple[Sent, list[str]]:
    """Kill the worker at a step of a resync whose sender repeats it; return it and what was done for it."""
    occasion = Occasion(world, moment, lambda: world.strike(0.3), node="cx1")
    sent = world.do(resync, world)
    world.until(lambda: occasion.happened_at is not None, step=0.001)
    world.run(5.0)
    world.do(world.operator.repeat, sent)
    world.run(70.0)
    return sent, carried_out(world, since=occasion.armed_at)


@pytest.mark.parametrize("moment", [Moment.LOOKING, Moment.RECORDING])
def test_a_resync_whose_worker_was_killed_before_it_began_is_done_by_the_next(
    pair: World, moment: Moment
) -> None:
    sent, done = kill_during_resync(pair, moment)
    assert sent.reply.ok
    assert done == ["kill", "start"]


@pytest.mark.parametrize("moment", [*HALF_WAY, *LATE])
def test_a_resync_whose_worker_was_killed_in_the_middle_is_not_done_twice(
    pair: World, moment: Moment
) -> None:
    sent, done = kill_during_resync(pair, moment)
    assert sent.replies
    assert done == ["kill", "start"]
    assert pair.machine("cx1").running == OLD.revision


def test_a_resync_whose_kill_may_have_been_sent_is_told_to_be_uncertain(pair: World) -> None:
    sent, done = kill_during_resync(pair, Moment.RECORDED)
    assert done == []
    assert not sent.reply.ok
    assert "say resync again if it must be new" in str(sent.reply.results["cx/cx1"].error)
