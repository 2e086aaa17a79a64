"""Back-off, epochs, rejections, sources, tally: the small rules of a worker."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from conche.contract import (
    DesiredConfig,
    Drift,
    Health,
    Maintenance,
    NodeState,
    NodeStatus,
    Observed,
    PushKind,
    Reach,
    RegisteredNode,
    Registry,
    Rejection,
    ServiceBirth,
    ServiceState,
    Sweep,
)
from conche.kotekan.revision import Fingerprint
from conche.kotekan.snapshot import Snapshot
from conche.sync.backoff import FORGOTTEN_AFTER_S, LONGEST_S, Backoff
from conche.sync.cures import Cures, Ignored
from conche.sync.epochs import adopt, adopted, enter_epoch, restore
from conche.sync.exits import Exits
from conche.sync.node import MAX_REJECTIONS, Node
from conche.sync.picture import Sources
from conche.sync.records import NodeRecord, PushStep
from conche.sync.rejections import RefusedValues, of_revision
from conche.sync.slots import Slots
from conche.sync.tally import MAX_NAMES, Tally

NOW = datetime(2026, 11, 21, tzinfo=UTC)
IDLE = Snapshot(Reach.OK)
RUNNING = Snapshot(Reach.OK, running=Fingerprint("1" * 32, "2" * 32, {}))
DOWN = Snapshot(Reach.REFUSED)


def entry(epoch: str = "e1", *, started: bool = False, host: str = "cx1") -> RegisteredNode:
    return RegisteredNode(host=host, port=12048, epoch=epoch, started=started)


def node(name: str = "cx1", epoch: str = "e1") -> Node:
    return Node("cx", name, entry(epoch), epoch=epoch, started=True, maintenance=Maintenance(on=False))


# --- back-off


def test_the_first_push_of_a_revision_need_not_wait():
    backoff = Backoff()
    backoff.begin("a", 0.0)
    assert backoff.wait("b", 0.1) == 0.0


def test_waits_double_up_to_five_minutes():
    backoff, now, waits = Backoff(), 0.0, []
    for _ in range(10):
        backoff.begin("a", now)
        waits.append(backoff.wait("a", now))
        now += waits[-1]
    assert 1.5 <= waits[0] <= 2.0
    assert all(0.74 * 2 ** (i + 1) <= w <= 2 ** (i + 1) for i, w in enumerate(waits[:7]))
    assert 0.75 * LONGEST_S <= waits[9] <= LONGEST_S


def test_attempts_are_forgotten_after_a_long_quiet_and_not_before():
    backoff = Backoff()
    backoff.begin("a", 0.0)
    backoff.begin("a", FORGOTTEN_AFTER_S - 1)
    assert backoff.attempts == 2
    backoff.begin("a", 2 * FORGOTTEN_AFTER_S)
    assert backoff.attempts == 1


def test_an_interrupted_push_does_not_count():
    backoff = Backoff()
    backoff.begin("a", 0.0)
    backoff.uncount(1.0)
    assert backoff.attempts == 0
    assert backoff.wait("a", 1.0) <= 1.0


def test_a_clock_that_stepped_does_not_lengthen_the_wait():
    backoff = Backoff()
    backoff.resume(attempts=3, revision="a", wait_s=10_000.0, now=5.0)
    assert backoff.wait("a", 5.0) == LONGEST_S


# --- epochs


@pytest.mark.parametrize(
    ("was_started", "interrupted", "seen", "registered", "outcome"),
    [
        (False, False, RUNNING, False, True),  # running: true
        (True, False, IDLE, False, True),  # was to run, and is idle
        (True, False, DOWN, False, True),  # was to run, and is unreachable
        (False, True, IDLE, False, True),  # a push was under way
        (False, False, IDLE, True, True),  # else nodes.yaml
        (False, False, IDLE, False, False),  # else false
        (False, False, DOWN, True, None),  # when it first answers
        (False, False, None, True, None),
    ],
)
def test_a_node_is_adopted_as_it_is_found(
    was_started: bool, interrupted: bool, seen: Snapshot | None, registered: bool, outcome: bool | None
):
    found = adopted(was_started=was_started, interrupted=interrupted, seen=seen, registered=registered)
    assert found is outcome


def test_a_new_epoch_puts_a_node_into_maintenance_and_asks_anew_whether_it_is_to_run():
    one = node()
    assert enter_epoch(one, entry("e2"))
    assert one.maintenance.on
    assert one.started is None
    one.seen = DOWN
    assert adopt(one)
    assert one.started is True


def test_an_epoch_waits_for_a_push_under_way():
    one = node()
    one.push = PushStep(id="p", kind=PushKind.RESTART, at=NOW)
    assert not enter_epoch(one, entry("e2"))
    assert (one.epoch, one.maintenance.on) == ("e1", False)


def test_an_epoch_that_was_left_does_not_come_back():
    one = node()
    enter_epoch(one, entry("e2"))
    one.maintenance = Maintenance(on=False)
    assert not enter_epoch(one, entry("e1"))
    assert (one.epoch, one.maintenance.on) == ("e2", False)


def test_another_address_makes_what_was_seen_worthless():
    one = node()
    one.seen = RUNNING
    enter_epoch(one, entry("e2", host="elsewhere"))
    assert one.seen is None
    assert one.entry.host == "elsewhere"


def test_an_explicit_wish_wins_over_adoption():
    one = node()
    enter_epoch(one, entry("e2"))
    one.started = False
    one.seen = RUNNING
    assert not adopt(one)
    assert one.started is False


def test_switches_come_from_the_file_then_from_the_broker_then_maintenance():
    record = NodeRecord(epoch="e1", maintenance=Maintenance(on=False), started=True)
    status = NodeStatus(
        state=NodeState.STARTED, started=False, maintenance=Maintenance(on=True, by="ann"), epoch="e1"
    )
    one = Node("cx", "cx1", entry())
    restore(one, record=record, status=status, now=0.0, wall=NOW)
    assert (one.started, one.maintenance.on) == (True, False)
    two = Node("cx", "cx1", entry())
    restore(two, record=None, status=status, now=0.0, wall=NOW)
    assert (two.started, two.maintenance.by) == (False, "ann")
    three = Node("cx", "cx1", entry())
    restore(three, record=None, status=None, now=0.0, wall=NOW)
    assert three.maintenance.on


def test_a_stop_that_was_interrupted_does_not_make_a_node_start():
    record = NodeRecord(
        epoch="e1",
        maintenance=Maintenance(on=False),
        started=False,
        push=PushStep(id="p", kind=PushKind.STOP, at=NOW),
    )
    one = Node("cx", "cx1", entry())
    restore(one, record=record, status=None, now=0.0, wall=NOW)
    enter_epoch(one, entry("e2"))
    one.seen = IDLE
    adopt(one)
    assert one.started is False


def test_the_record_of_a_node_restores_it():
    one = node()
    one.backoff.begin("1" * 32, 0.0)
    one.reject(Rejection(error="no", at=NOW, revision="9" * 32))
    one.proven = "1" * 32
    two = Node("cx", "cx1", entry())
    restore(
        two, record=one.record(now=0.5, wall=NOW), status=None, now=100.0, wall=NOW + timedelta(seconds=1)
    )
    assert (two.started, two.maintenance, two.epoch) == (one.started, one.maintenance, one.epoch)
    assert (two.rejected, two.proven) == (one.rejected, one.proven)
    assert 0.0 <= two.backoff.wait("1" * 32, 100.0) <= 1.0


# --- rejections

WANTED = DesiredConfig(boot="b", revision="5" * 32, base="6" * 32, updatable={"gains": "7" * 32})


def rejecting(name: str, **what: str) -> Node:
    one = node(name)
    one.reject(Rejection(error="no such buffer", at=NOW, **what))
    return one


def test_a_node_is_not_given_again_what_it_rejected():
    assert "no such buffer" in str(of_revision(rejecting("cx1", revision="5" * 32), WANTED))
    assert of_revision(rejecting("cx1", revision="4" * 32), WANTED) is None


def test_a_node_that_has_run_a_config_may_be_given_it_again():
    veteran = rejecting("cx1", revision="5" * 32)
    veteran.proven = "5" * 32
    assert of_revision(veteran, WANTED) is None


def test_refused_values_are_given_to_nobody_whatever_the_revision():
    refused = RefusedValues()
    assert refused.update(rejecting("cx1", endpoint="gains", values="7" * 32))
    assert list(refused.of(node("cx2"), WANTED)) == ["gains"]
    assert not refused.of(
        node("cx2"), DesiredConfig(boot="b", revision="1" * 32, updatable={"gains": "1" * 32})
    )


def test_values_that_a_node_runs_well_are_not_taken_from_it():
    refused = RefusedValues()
    refused.update(rejecting("cx1", endpoint="gains", values="7" * 32))
    veteran = node("cx2")
    veteran.proven = "5" * 32
    assert not refused.of(veteran, WANTED)


def test_a_refusal_that_is_lifted_holds_nobody():
    refused = RefusedValues()
    sick = rejecting("cx1", endpoint="gains", values="7" * 32)
    refused.update(sick)
    sick.rejected = []
    assert refused.update(sick)
    assert not refused.of(node("cx2"), WANTED)


# --- exits, cures, slots


def test_four_exits_in_ten_seconds_are_the_most():
    exits = Exits()
    for at in (0.0, 1.0, 2.0):
        exits.count(at)
    assert exits.wait(2.0) == 0.0
    exits.count(3.0)
    assert 7.0 <= exits.wait(3.0) <= 8.0
    assert exits.wait(11.0) == 0.0


def test_exits_are_remembered_by_their_age():
    exits, heir = Exits(), Exits()
    for at in (0.0, 1.0, 2.0, 3.0):
        exits.count(at)
    heir.resume(exits.ages(4.0), 1000.0)
    assert heir.wait(1000.0) == pytest.approx(exits.wait(4.0))


def test_a_restart_is_no_cure_for_the_same_paths_within_the_hour():
    cures = Cures()
    cures.restarted_for(["rfi/mask", "log_level"], 0.0)
    assert cures.failed_for(["rfi/mask"], 10.0)
    assert not cures.failed_for(["rfi/mask", "depth"], 10.0)
    assert not cures.failed_for(["rfi/mask"], 3601.0)


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("rfi/*", "rfi/mask", True),
        ("rfi/*", "rfi/a/b[3]", True),
        ("dishes[?]/x", "dishes[3]/x", True),
        ("dishes[3]", "dishes3", False),
        ("mask", "rfi/mask", False),
    ],
)
def test_ignored_paths_are_patterns_in_which_brackets_stand_for_themselves(
    pattern: str, path: str, covered: bool
):
    assert Ignored([pattern]).covers(path) is covered


def test_slots_bound_how_many_are_restarted_at_once():
    slots = Slots(2)
    slots.take("cx1")
    slots.take("cx2")
    assert not slots.free("cx3")
    assert slots.free("cx1")
    for name in ("cx5", "cx4", "cx3"):
        slots.wait(name)
    assert slots.give_back("cx1") == {"cx3"}
    assert slots.free("cx3")


def test_rejections_of_one_node_are_bounded_and_the_newest_kept():
    one = node()
    for number in range(MAX_REJECTIONS + 5):
        one.reject(Rejection(error="no", at=NOW, revision=f"{number:032d}"))
    assert len(one.rejected) == MAX_REJECTIONS
    assert one.rejected[-1].revision == f"{MAX_REJECTIONS + 4:032d}"


# --- renderer and poller


def birth(boot: str, state: ServiceState = ServiceState.ONLINE) -> ServiceBirth:
    return ServiceBirth(state=state, boot=boot, since=NOW)


def sweep(boot: str = "p1", groups: tuple[str, ...] = ("cx",)) -> Sweep:
    return Sweep(
        boot=boot,
        number=1,
        groups=list(groups),
        at=NOW,
        took_s=0.1,
        polled=1,
        unreachable=0,
        overrun=False,
        period_s=2.0,
    )


def seen_by(boot: str) -> Observed:
    return Observed(boot=boot, sweep=1, reach=Reach.OK)


def test_only_the_registry_of_a_renderer_that_is_there_counts():
    sources = Sources("cx")
    sources.on_registry(Registry(boot="r1", groups={}), heard=True)
    assert not sources.renderer_lives()
    sources.on_birth({"service": "renderer"}, birth("r0"), heard=True)
    assert not sources.renderer_lives()
    sources.on_birth({"service": "renderer"}, birth("r1"), heard=True)
    assert sources.renderer_lives()
    sources.on_birth({"service": "renderer"}, birth("r1", ServiceState.LOST), heard=True)
    assert not sources.renderer_lives()


def test_the_last_will_and_the_registry_of_a_predecessor_are_not_believed():
    sources = Sources("cx")
    sources.on_birth({"service": "renderer"}, birth("r1"), heard=True)
    sources.on_registry(Registry(boot="r1", groups={}), heard=True)
    sources.on_birth({"service": "renderer"}, birth("r2"), heard=True)
    sources.on_registry(Registry(boot="r2", groups={}), heard=True)
    sources.on_birth({"service": "renderer"}, birth("r1", ServiceState.LOST), heard=True)
    assert not sources.on_registry(Registry(boot="r1", groups={"cx": {}}), heard=True)
    assert sources.renderer_lives()


def test_what_an_old_store_of_the_broker_says_does_not_replace_a_renderer_that_is_there():
    sources = Sources("cx")
    old, new = birth("r0"), structs.replace(birth("r2"), since=NOW + timedelta(hours=1))
    sources.on_birth({"service": "renderer"}, new, heard=True)
    sources.on_registry(Registry(boot="r2", groups={}), heard=True)
    sources.on_registry(Registry(boot="r0", groups={"cx": {}}), heard=False)
    sources.on_birth({"service": "renderer"}, old, heard=False)
    assert sources.renderer_lives()
    assert sources.registry is not None
    assert sources.registry.boot == "r2"
    assert sources.on_registry(Registry(boot="r2", groups={"cx": {"cx1": entry()}}), heard=True)
    assert sources.entry("cx1") is not None


def test_a_renderer_that_came_while_the_worker_was_away_is_found_and_believed():
    sources = Sources("cx")
    sources.on_birth({"service": "renderer"}, birth("r1"), heard=True)
    sources.on_registry(Registry(boot="r1", groups={}), heard=True)
    newer = structs.replace(birth("r2"), since=NOW + timedelta(hours=1))
    sources.on_registry(Registry(boot="r2", groups={}), heard=False)
    sources.on_birth({"service": "renderer"}, newer, heard=False)
    assert sources.renderer_lives()
    assert sources.registry is not None
    assert sources.registry.boot == "r2"


def test_an_epoch_that_the_renderer_says_itself_is_believed_even_if_it_was_left():
    one = node()
    enter_epoch(one, entry("e2"))
    assert enter_epoch(one, entry("e1"), heard=True)


def test_observations_count_while_sweeps_come_and_for_three_periods_more():
    sources = Sources("cx")
    assert sources.blind(seen_by("p1")) is not None
    sources.on_sweep({"instance": "main"}, sweep(), 100.0)
    sources.changed(100.0)
    assert sources.blind(seen_by("p1")) is None
    assert sources.blind(None) is not None
    assert sources.blind(seen_by("p0")) is not None
    sources.changed(106.1)
    assert "away" in str(sources.blind(seen_by("p1")))


def test_sweeps_of_other_groups_say_nothing():
    sources = Sources("cx")
    sources.on_sweep({"instance": "other"}, sweep(groups=("recv",)), 100.0)
    sources.changed(100.0)
    assert sources.blind(seen_by("p1")) is not None


def test_a_poller_that_went_is_away_at_once():
    sources = Sources("cx")
    sources.on_sweep({"instance": "main"}, sweep(), 100.0)
    sources.on_birth({"service": "poller", "instance": "main"}, birth("p1", ServiceState.LOST), heard=True)
    sources.changed(100.1)
    assert "lost" in str(sources.blind(seen_by("p1")))


def test_observations_of_a_poller_that_has_just_come_up_count_before_its_first_sweep():
    sources = Sources("cx")
    sources.on_sweep({"instance": "main"}, sweep(), 100.0)
    sources.on_birth({"service": "poller", "instance": "main"}, birth("p2"), heard=True)
    sources.changed(100.1)
    assert sources.blind(seen_by("p2")) is None


# --- the group in one line


def status(
    state: NodeState, *, held: bool = False, error: str | None = None, drift: bool = False
) -> NodeStatus:
    return NodeStatus(
        state=state,
        started=True,
        maintenance=Maintenance(on=held),
        epoch="e1",
        error=error,
        drift=Drift(base=drift),
    )


def test_a_group_that_is_well_is_normal():
    tally = Tally()
    tally.update("cx1", status(NodeState.STARTED))
    assert tally.summary().summary is Health.NORMAL
    assert tally.summary().info == "1 started"


def test_the_worst_node_decides_and_is_named():
    tally = Tally()
    tally.update("cx1", status(NodeState.STARTED, error="odd"))
    assert tally.summary().summary is Health.WARNING
    tally.update("cx2", status(NodeState.DOWN))
    assert tally.summary().summary is Health.ERROR
    assert tally.summary().info == "1 down (cx2); 1 with an error (cx1); 1 started"


def test_a_node_in_maintenance_is_counted_and_no_fault():
    tally = Tally()
    tally.update("cx1", status(NodeState.DOWN, held=True))
    assert tally.summary().summary is Health.NORMAL
    assert tally.summary().maintenance == 1


def test_at_most_ten_nodes_are_named():
    tally = Tally()
    for number in range(25):
        tally.update(f"cx{number:02d}", status(NodeState.DOWN))
    info = tally.summary().info
    assert info.count("cx") == MAX_NAMES
    assert "and 15 more" in info


def test_counts_follow_each_node():
    tally = Tally()
    tally.update("cx1", status(NodeState.DOWN, drift=True))
    tally.update("cx1", status(NodeState.STARTED))
    tally.update("cx2", status(NodeState.STOPPED))
    tally.remove("cx2")
    found = tally.summary()
    assert (found.counts, found.nodes, found.differing) == ({NodeState.STARTED: 1}, 1, 0)
