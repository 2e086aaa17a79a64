"""Another address, or none, at each step of a push."""

import pytest

from .world import World
from .world.configs import Config
from .world.moments import RESTART, UPDATE, Moment, interrupt, register, writes

OTHER = Config(depth=5)
OTHER_VALUES = Config(coeff=2.0, phase=1.0)
BY_HAND = Config(depth=6)

EVERY = [*((moment, OTHER) for moment in RESTART), *((moment, OTHER_VALUES) for moment in UPDATE)]
"""Each step of a restart, and of an update in place."""

steps = pytest.mark.parametrize(
    ("moment", "config"), EVERY, ids=lambda v: v.value if isinstance(v, Moment) else f"depth {v.depth}"
)

SPARE = "spare1:12048"


def move(world: World) -> None:
    """Give a node another machine, and take it out of maintenance at once."""
    register(world, cx1=world.entry("spare1", "e2"))
    world.operator.send("set_maintenance", "cx1", maintenance=False)


# --- another address


@steps
def test_nothing_is_written_to_a_machine_that_is_its_node_no_more(
    pair: World, moment: Moment, config: Config
) -> None:
    occasion = interrupt(pair, moment, lambda: move(pair), config=config)
    pair.run(60.0)
    assert writes(pair, since=occasion.heard_at) == []


@steps
def test_a_node_that_moves_to_an_idle_machine_is_looked_at_and_started_there(
    pair: World, moment: Moment, config: Config
) -> None:
    interrupt(pair, moment, lambda: move(pair), config=config)
    pair.until(lambda: pair.runs("cx1"))
    asked = [r.path for r in pair.network.requests if r.address == SPARE]
    assert asked[0] == "/config"
    assert writes(pair, "spare1") == ["/start"]


@steps
def test_a_node_that_moves_to_a_machine_that_runs_what_it_should_is_left_alone(
    pair: World, moment: Moment, config: Config
) -> None:
    pair.do(pair.machines[SPARE].start_by_hand, config.text)
    interrupt(pair, moment, lambda: move(pair), config=config)
    pair.until(lambda: pair.runs("cx1"))
    pair.run(60.0)
    assert writes(pair, "spare1") == []


@steps
def test_a_node_that_moves_to_a_machine_that_runs_something_else_is_restarted_there(
    pair: World, moment: Moment, config: Config
) -> None:
    pair.do(pair.machines[SPARE].start_by_hand, BY_HAND.text)
    interrupt(pair, moment, lambda: move(pair), config=config)
    pair.until(lambda: pair.runs("cx1"))
    assert writes(pair, "spare1") == ["/kill", "/start"]


@pytest.mark.parametrize("moment", UPDATE)
def test_values_that_were_posted_at_the_old_address_are_posted_at_the_new_one_too(
    pair: World, moment: Moment
) -> None:
    pair.do(pair.machines[SPARE].start_by_hand, Config().text)
    interrupt(pair, moment, lambda: move(pair), config=OTHER_VALUES)
    pair.until(lambda: pair.runs("cx1"))
    assert writes(pair, "spare1") == ["/beams", "/gains"]


@pytest.mark.parametrize("moment", RESTART)
def test_a_machine_that_is_given_to_another_node_gets_one_request_at_a_time(
    pair: World, moment: Moment
) -> None:
    def change_hands() -> None:
        register(pair, cx1=pair.entry("spare1", "e2"), cx2=pair.entry("cx1", "e2"))
        pair.operator.send("set_maintenance", maintenance=False)

    interrupt(pair, moment, change_hands, config=OTHER)
    pair.run(60.0)
    assert pair.all_run()


# --- out of the registry


def take_out(world: World) -> None:
    register(world, cx1=None)


@steps
def test_nothing_is_written_to_a_node_that_left_the_registry(
    pair: World, moment: Moment, config: Config
) -> None:
    occasion = interrupt(pair, moment, lambda: take_out(pair), config=config)
    pair.run(60.0)
    assert writes(pair, since=occasion.heard_at) == []
    assert pair.status("cx1") is None
    assert "cx1" not in pair.record().nodes


@pytest.mark.parametrize("away_s", [0.005, 0.5, 30.0])
@steps
def test_a_node_that_left_and_came_back_is_in_maintenance_and_then_brought_where_it_should_be(
    pair: World, moment: Moment, config: Config, away_s: float
) -> None:
    occasion = interrupt(pair, moment, lambda: take_out(pair), config=config)
    pair.later(away_s, lambda: register(pair, cx1=pair.entry("cx1", "e2")))
    pair.run(60.0)
    status = pair.status("cx1")
    assert status is not None
    assert (status.epoch, status.started, status.maintenance.on) == ("e2", True, True)
    assert writes(pair, since=occasion.heard_at) == []
    pair.do(pair.operator.send, "set_maintenance", "cx1", maintenance=False)
    pair.until(lambda: pair.runs("cx1"))


@pytest.mark.parametrize("moment", RESTART)
def test_a_node_that_left_and_is_put_to_work_at_once_gets_one_request_at_a_time(
    pair: World, moment: Moment
) -> None:
    def come_back() -> None:
        register(pair, cx1=pair.entry("cx1", "e2"))
        pair.operator.send("set_maintenance", "cx1", maintenance=False)

    def leave_and_return() -> None:
        take_out(pair)
        pair.later(0.005, come_back)

    interrupt(pair, moment, leave_and_return, config=OTHER)
    pair.run(60.0)
    assert pair.runs("cx1")
