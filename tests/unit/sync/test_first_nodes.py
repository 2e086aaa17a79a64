"""Who tries a new config, what is started between a kill and a start, and what the others run meanwhile."""

from collections.abc import Callable

import pytest

from conche.sim.books import What
from conche.sim.faults import Refuse

from .world import World
from .world.configs import Config, Fate
from .world.machines import Event
from .world.moments import HALF_WAY, Moment, Occasion, interrupt, register, writes

OLD = Config()
OTHER = Config(depth=5)
THIRD = Config(depth=6)
REJECTED = Config(depth=5, fate=Fate.REJECTED)


def starts(world: World, machine: str = "cx1", *, since: float) -> list[str]:
    """Return the revisions that a machine was started with after a time."""
    return [
        str(e.told["revision"])
        for e in world.events
        if e.machine == f"{machine}:12048" and e.what == "running" and e.at > since
    ]


# --- something else is desired between kill and start


@pytest.mark.parametrize("moment", HALF_WAY)
def test_a_proven_config_that_is_desired_between_kill_and_start_is_the_one_that_is_started(
    pair: World, moment: Moment
) -> None:
    pair.do(pair.want, THIRD, "cx2")
    pair.until(lambda: pair.runs("cx2"))
    occasion = interrupt(pair, moment, lambda: pair.want(THIRD, "cx1"), config=OTHER)
    pair.until(lambda: pair.runs("cx1"))
    pair.run(60.0)
    assert starts(pair, since=occasion.at) == [THIRD.revision]


@pytest.mark.parametrize("moment", HALF_WAY)
def test_between_kill_and_start_of_an_unproven_config_a_node_is_given_what_ran_well(
    pair: World, moment: Moment
) -> None:
    occasion = interrupt(pair, moment, lambda: pair.want(THIRD, "cx1"), config=OTHER)
    pair.until(lambda: pair.runs("cx1"))
    assert starts(pair, since=occasion.at) == [OLD.revision, THIRD.revision]


@pytest.mark.parametrize("moment", HALF_WAY)
def test_a_node_whose_config_breaks_between_kill_and_start_is_given_what_ran_well(
    pair: World, moment: Moment
) -> None:
    occasion = interrupt(pair, moment, lambda: pair.want(None, "cx1"), config=OTHER)
    pair.run(60.0)
    status = pair.status("cx1")
    assert starts(pair, since=occasion.at) == [OLD.revision]
    assert status is not None
    assert (status.state, status.live) == ("started", OLD.revision)
    assert "unexpected end of template" in str(status.error)


# --- a batch is held


def test_nodes_that_rejected_a_config_are_healed_and_the_others_are_not_given_it(trio: World) -> None:
    before = writes(trio, "cx3")
    trio.do(trio.want, REJECTED)
    trio.run(120.0)
    assert [trio.machine(name).running for name in trio.names] == [OLD.revision] * 3
    assert writes(trio, "cx3") == before
    statuses = [trio.status(name) for name in trio.names]
    assert [(s.state, s.live) for s in statuses if s] == [("started", OLD.revision)] * 3
    assert all("held, cx1 and cx2 rejected it" in str(s.held) for s in statuses[2:] if s)


def test_a_held_batch_is_healed_by_a_worker_that_was_killed_before_it_could(trio: World) -> None:
    trio.do(trio.want, REJECTED)
    trio.until(lambda: (s := trio.status("cx3")) is not None and "held" in str(s.held), step=0.001)
    trio.kill_worker(back_in=0.3)
    trio.run(120.0)
    assert [trio.machine(name).running for name in trio.names] == [OLD.revision] * 3
    assert "/start" not in writes(trio, "cx3")[1:]


def keep_down(world: World, *names: str) -> None:
    """Have no process come up at some machines after the one that they have now."""

    def refuse(name: str) -> None:
        world.machine(name).fault(Refuse())

    def tell(event: Event) -> None:
        for name in names:
            if event.what is What.DIED and event.machine == f"{name}:12048":
                world.loop.call_soon(refuse, name)

    world.on_event.append(tell)


def test_two_inconclusive_first_nodes_hold_the_batch_and_the_status_says_so(trio: World) -> None:
    keep_down(trio, "cx1", "cx2")
    before = writes(trio, "cx3")
    trio.do(trio.want, OTHER)
    trio.run(60.0)
    status = trio.status("cx3")
    assert writes(trio, "cx3") == before
    assert status is not None
    assert "held, two first nodes in a row told nothing, cx2 at last: " in str(status.held)
    assert (status.state, status.live) == ("started", OLD.revision)


def test_a_batch_that_is_held_goes_on_when_somebody_says_resync(trio: World) -> None:
    keep_down(trio, "cx1", "cx2")
    trio.do(trio.want, OTHER)
    trio.run(60.0)
    trio.on_event.pop()
    for name in ("cx1", "cx2"):
        trio.do(trio.machine(name).mend)
    trio.do(trio.operator.send, "resync")
    trio.until(trio.all_run, within=120.0)


# --- the first node leaves


def stop(world: World) -> None:
    world.operator.send("set_started", "cx1", started=False)


def hold(world: World) -> None:
    world.operator.send("set_maintenance", "cx1", maintenance=True)


def remove(world: World) -> None:
    register(world, cx1=None)


def move(world: World) -> None:
    register(world, cx1=world.entry("spare1", "e2"))


@pytest.mark.parametrize("leave", [stop, hold, remove, move])
@pytest.mark.parametrize("moment", [Moment.RECORDING, Moment.RECORDED, *HALF_WAY])
def test_when_the_first_node_leaves_the_next_one_tries(
    trio: World, leave: Callable[[World], None], moment: Moment
) -> None:
    occasion = Occasion(trio, moment, lambda: leave(trio), node="cx1")
    trio.do(trio.want, OTHER)
    trio.until(lambda: trio.runs("cx2") and trio.runs("cx3"))
    began = {r.address: r.at for r in trio.network.requests if r.path == "/kill" and r.at > occasion.at}
    proven = [e.at for e in trio.events if e.machine == "cx2:12048" and e.what == "running"][-1]
    assert began["cx2:12048"] < proven + 3.0 <= began["cx3:12048"]
