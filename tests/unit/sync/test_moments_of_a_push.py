"""Maintenance, or a new epoch, at each step of a push."""

from datetime import UTC, datetime

import pytest

from conche.sim.faults import SlowStart

from .world import World
from .world.configs import Config
from .world.moments import (
    BEFORE,
    HALF_WAY,
    LATE,
    RESTART,
    UPDATE,
    Moment,
    Occasion,
    follow,
    interrupt,
    register,
    writes,
)
from .world.operators import Sent

OLD = Config()
OTHER = Config(depth=5)
OTHER_VALUES = Config(coeff=2.0, phase=1.0)

EVERY = [*((moment, OTHER) for moment in RESTART), *((moment, OTHER_VALUES) for moment in UPDATE)]
"""Each step of a restart, and of an update in place."""

steps = pytest.mark.parametrize(
    ("moment", "config"), EVERY, ids=lambda v: v.value if isinstance(v, Moment) else f"depth {v.depth}"
)


def hold(world: World, moment: Moment, config: Config) -> tuple[Occasion, Sent]:
    """Put a node into maintenance at a step of a push, and wait until all is quiet."""
    sent: list[Sent] = []

    def send() -> None:
        sent.append(world.operator.send("set_maintenance", "cx1", maintenance=True))

    occasion = interrupt(world, moment, send, config=config)
    world.run(60.0)
    return occasion, sent[0]


# --- maintenance


@steps
def test_not_one_write_follows_maintenance(pair: World, moment: Moment, config: Config) -> None:
    occasion, _ = hold(pair, moment, config)
    assert writes(pair, since=occasion.heard_at) == []


@steps
def test_what_maintenance_has_stopped_goes_on_when_it_is_over(
    pair: World, moment: Moment, config: Config
) -> None:
    hold(pair, moment, config)
    pair.do(pair.operator.send, "set_maintenance", "cx1", maintenance=False)
    pair.until(lambda: pair.runs("cx1"))


@pytest.mark.parametrize("moment", [Moment.KILLING, Moment.STARTING, Moment.POSTING])
def test_the_reply_to_maintenance_comes_after_the_request_in_flight(pair: World, moment: Moment) -> None:
    pair.do(pair.machine("cx1").fault, SlowStart(seconds=2.0))
    config = OTHER_VALUES if moment is Moment.POSTING else OTHER
    occasion, sent = hold(pair, moment, config)
    in_flight = [r for r in pair.network.requests if r.writes and r.at == occasion.at]
    assert len(in_flight) == 1
    assert sent.reply.ok
    assert sent.reply.results["cx/cx1"].error is None
    assert sent.answered_at is not None
    assert in_flight[0].answered_at is not None
    assert sent.answered_at >= in_flight[0].answered_at


def test_the_reply_to_maintenance_names_a_request_that_stays_in_flight(pair: World) -> None:
    pair.do(pair.machine("cx1").fault, SlowStart(seconds=8.0))
    occasion, sent = hold(pair, Moment.STARTING, OTHER)
    assert sent.answered_at == pytest.approx(occasion.at + 5.0, abs=0.1)
    assert "still unanswered: POST /start" in str(sent.reply.results["cx/cx1"].error)


@pytest.mark.parametrize("moment", HALF_WAY)
def test_the_status_says_that_maintenance_stopped_a_restart_half_way(pair: World, moment: Moment) -> None:
    hold(pair, moment, OTHER)
    status = pair.status("cx1")
    assert status is not None
    assert status.state == "stopped"
    assert "restart stopped half-way: in maintenance by operator" in str(status.error)
    assert pair.machine("cx1").running is None


def test_the_status_says_that_maintenance_stopped_an_update_between_two_posts(pair: World) -> None:
    hold(pair, Moment.POSTING, OTHER_VALUES)
    status = pair.status("cx1")
    assert status is not None
    assert "update stopped half-way: in maintenance by operator" in str(status.error)
    assert status.drift.endpoints == ["gains"]


@pytest.mark.parametrize("moment", BEFORE)
def test_a_push_that_maintenance_kept_from_its_first_write_leaves_no_words(
    pair: World, moment: Moment
) -> None:
    hold(pair, moment, OTHER)
    status = pair.status("cx1")
    assert status is not None
    assert (status.state, status.error, status.live) == ("started", None, OLD.revision)
    assert status.drift.base


@pytest.mark.parametrize("moment", LATE)
def test_a_push_whose_last_write_was_sent_is_carried_to_its_end_in_maintenance(
    pair: World, moment: Moment
) -> None:
    hold(pair, moment, OTHER)
    status = pair.status("cx1")
    assert status is not None
    assert (status.state, status.error) == ("started", None)
    assert status.live == status.proven == OTHER.revision
    assert status.last_push is not None
    assert (status.last_push.ok, status.last_push.error) == (True, None)


# --- a new epoch


def begin_epoch(world: World, *, started: bool = False) -> None:
    register(world, cx1=world.entry("cx1", "e2", started=started))


@steps
def test_a_new_epoch_lets_a_push_end_and_then_nothing_is_written(
    pair: World, moment: Moment, config: Config
) -> None:
    heard = follow(pair, "cx1")
    interrupt(pair, moment, lambda: begin_epoch(pair), config=config)
    pair.until(lambda: heard[-1].epoch == "e2")
    held_at = pair.now
    pair.run(60.0)
    assert pair.machine("cx1").running == (OLD if moment in BEFORE else config).revision
    assert writes(pair, since=held_at) == []
    assert not [status for status in heard if status.state == "syncing" and status.epoch == "e2"]
    assert (heard[-1].started, heard[-1].maintenance.on, heard[-1].error) == (True, True, None)


@pytest.mark.parametrize("moment", BEFORE)
def test_no_push_writes_that_had_not_begun_to_when_an_epoch_began(pair: World, moment: Moment) -> None:
    occasion = interrupt(pair, moment, lambda: begin_epoch(pair), config=OTHER)
    pair.run(60.0)
    assert writes(pair, since=occasion.heard_at) == []


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("moment", [Moment.KILLING, Moment.ENDING, Moment.GONE])
def test_a_node_that_was_being_stopped_is_adopted_as_the_registry_says(
    pair: World, moment: Moment, started: bool
) -> None:
    interrupt(pair, moment, lambda: begin_epoch(pair, started=started), config=OTHER, started=False)
    pair.run(60.0)
    status = pair.status("cx1")
    assert status is not None
    assert (status.epoch, status.started, status.maintenance.on) == ("e2", started, True)
    assert writes(pair)[-1] == "/kill"


@pytest.mark.parametrize("moment", HALF_WAY)
def test_switches_that_are_set_while_an_epoch_waits_hold_in_it(pair: World, moment: Moment) -> None:
    def begin_and_set() -> None:
        begin_epoch(pair, started=True)
        pair.operator.send("set_started", "cx1", started=False)
        pair.operator.send("set_maintenance", "cx1", maintenance=False)

    interrupt(pair, moment, begin_and_set, config=OTHER)
    pair.run(60.0)
    status = pair.status("cx1")
    assert status is not None
    assert (status.epoch, status.started, status.maintenance.on) == ("e2", False, False)
    assert pair.machine("cx1").running is None


def test_maintenance_runs_out_at_its_time_and_what_it_held_is_done(pair: World) -> None:
    until = datetime.fromtimestamp(pair.wall().timestamp() + 30.0, UTC)

    def send() -> None:
        pair.operator.send("set_maintenance", "cx1", maintenance=True, until=until)

    occasion = interrupt(pair, Moment.GONE, send, config=OTHER)
    pair.until(lambda: pair.runs("cx1"))
    begun = [r.at for r in pair.network.requests if r.path == "/start" and r.at > occasion.heard_at]
    assert len(begun) == 1
    assert pair.wall() >= until
