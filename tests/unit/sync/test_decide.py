"""The decision table of the design, row by row."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec import Raw

from conche.contract import DesiredConfig, NodeState, Reach
from conche.kotekan.revision import Fingerprint
from conche.kotekan.snapshot import Snapshot
from conche.sync.batches import Turn
from conche.sync.decide import BUSY_PATIENCE_S, Action, Decision, Queue, View, decide

DESIRED = DesiredConfig(
    boot="b",
    revision="1" * 32,
    base="2" * 32,
    updatable={"gains": "3" * 32},
    config=Raw(b"{}"),
    source="cx/cx1.yaml",
)
IDLE = Snapshot(Reach.OK)
AS_DESIRED = Snapshot(Reach.OK, running=Fingerprint("1" * 32, "2" * 32, {"gains": "3" * 32}))
OTHER_BASE = Snapshot(Reach.OK, running=Fingerprint("8" * 32, "9" * 32, {"gains": "3" * 32}))
OTHER_VALUES = Snapshot(Reach.OK, running=Fingerprint("8" * 32, "2" * 32, {"gains": "7" * 32}))


def view(**changes: Any) -> View:
    return replace(
        View(desired=DESIRED, seen=AS_DESIRED, started=True, last_state=NodeState.STARTED), **changes
    )


def test_a_push_under_way_is_left_to_finish():
    assert decide(view(pushing=True, seen=OTHER_BASE)) == Decision(NodeState.SYNCING)


def test_nothing_is_done_before_a_live_renderer_has_spoken():
    found = decide(view(unready="the renderer is not there", seen=OTHER_BASE))
    assert (found.state, found.action) == (NodeState.UNKNOWN, Action.NONE)
    assert found.error == "the renderer is not there"


@pytest.mark.parametrize("seen", [IDLE, OTHER_BASE, OTHER_VALUES])
def test_nothing_is_begun_on_a_config_that_was_only_found_and_that_is_said(seen: Snapshot):
    found = decide(view(seen=seen, unheard="the renderer was not heard"))
    assert found.action is Action.NONE
    assert found.error == "the renderer was not heard"
    assert decide(view(unheard="the renderer was not heard")) == Decision(NodeState.STARTED)


def test_nobody_is_stopped_or_healed_before_the_renderer_is_heard():
    assert decide(view(started=False, unheard="not heard")).action is Action.NONE
    healed = view(seen=IDLE, rejected="bad", can_heal=True, unheard="not heard")
    assert decide(healed).error == "bad; not heard"
    assert decide(healed).action is Action.NONE


def test_a_stop_that_failed_is_tried_again_after_its_back_off():
    found = decide(view(started=False, stop_retry_s=1.0))
    assert (found.state, found.action, found.waits) == (NodeState.STARTED, Action.NONE, True)
    assert decide(view(started=False, retry_s=1.0)).action is Action.STOP


def test_nothing_is_done_without_a_desired_config():
    assert decide(view(desired=None, seen=IDLE)).state is NodeState.UNKNOWN


def test_without_a_poller_nobody_knows():
    found = decide(view(blind="the poller is away", seen=OTHER_BASE))
    assert (found.state, found.action, found.error) == (NodeState.UNKNOWN, Action.NONE, "the poller is away")


def test_an_answer_that_makes_no_sense_is_unknown_and_says_what_it_was():
    found = decide(view(seen=Snapshot(Reach.HTTP_ERROR, error="HTTP 500: oh")))
    assert (found.state, found.action, found.error) == (NodeState.UNKNOWN, Action.NONE, "HTTP 500: oh")


def test_a_busy_node_keeps_its_state_and_says_why():
    busy = Snapshot(Reach.BUSY, error="no answer within 2 s")
    found = decide(view(seen=busy, busy_s=BUSY_PATIENCE_S))
    assert (found.state, found.action, found.error) == (
        NodeState.STARTED,
        Action.NONE,
        "no answer within 2 s",
    )


def test_a_node_that_is_busy_for_too_long_is_unknown():
    assert decide(view(seen=Snapshot(Reach.BUSY), busy_s=BUSY_PATIENCE_S + 1)).state is NodeState.UNKNOWN


@pytest.mark.parametrize("reach", [Reach.REFUSED, Reach.UNREACHABLE])
def test_a_node_that_cannot_be_reached_is_down(reach: Reach):
    found = decide(view(seen=Snapshot(reach, error="refused")))
    assert (found.state, found.action) == (NodeState.DOWN, Action.NONE)


@pytest.mark.parametrize(
    ("seen", "state"),
    [(IDLE, NodeState.STOPPED), (OTHER_BASE, NodeState.STARTED), (AS_DESIRED, NodeState.STARTED)],
)
@pytest.mark.parametrize("started", [True, False, None])
def test_a_node_in_maintenance_is_shown_as_observed_and_never_acted_on(
    seen: Snapshot, state: NodeState, started: bool | None
):
    assert decide(view(maintenance=True, seen=seen, started=started)) == Decision(state)


def test_a_node_that_is_not_adopted_yet_is_never_acted_on():
    assert decide(view(started=None, seen=IDLE)).action is Action.NONE


def test_a_node_that_should_be_stopped_and_runs_is_killed():
    assert decide(view(started=False)).action is Action.STOP


def test_a_node_that_should_be_stopped_is_killed_even_if_its_config_is_broken():
    broken = DesiredConfig(boot="b", error="cx/cx1.yaml:3: not YAML")
    assert decide(view(started=False, desired=broken)).action is Action.STOP


def test_a_node_that_should_be_stopped_and_is_idle_is_stopped():
    assert decide(view(started=False, seen=IDLE)) == Decision(NodeState.STOPPED)


@pytest.mark.parametrize(("seen", "state"), [(IDLE, NodeState.STOPPED), (OTHER_BASE, NodeState.STARTED)])
def test_half_a_config_is_never_pushed(seen: Snapshot, state: NodeState):
    broken = DesiredConfig(boot="b", error="cx/cx1.yaml:3: not YAML")
    assert decide(view(desired=broken, seen=seen)) == Decision(state, error="cx/cx1.yaml:3: not YAML")


def test_a_node_that_runs_what_is_desired_is_started():
    assert decide(view()) == Decision(NodeState.STARTED)


def test_a_node_that_runs_what_is_desired_stays_so_whatever_was_rejected():
    found = decide(view(rejected="cx2 rejected it", refused={"gains": "refused"}, retry_s=9.0))
    assert found == Decision(NodeState.STARTED)


def test_a_rejected_config_is_not_given_to_an_idle_node():
    found = decide(view(seen=IDLE, rejected="cx2 rejected it"))
    assert found == Decision(NodeState.FAILED, error="cx2 rejected it", held="cx2 rejected it")


@pytest.mark.parametrize("seen", [OTHER_BASE, OTHER_VALUES])
def test_a_rejected_config_leaves_a_running_node_alone(seen: Snapshot):
    found = decide(view(seen=seen, rejected="cx2 rejected it"))
    assert found == Decision(NodeState.STARTED, error="cx2 rejected it", held="cx2 rejected it")


def test_refused_values_are_not_posted():
    found = decide(view(seen=OTHER_VALUES, refused={"gains": "cx2 refused the values of gains"}))
    assert (found.state, found.action) == (NodeState.STARTED, Action.NONE)
    assert found.error == "cx2 refused the values of gains"


def test_refused_values_of_one_block_do_not_keep_another_from_being_posted():
    desired = DesiredConfig(
        boot="b", revision="1" * 32, base="2" * 32, updatable={"gains": "3" * 32, "flags": "4" * 32}
    )
    live = Snapshot(Reach.OK, running=Fingerprint("8" * 32, "2" * 32, {"gains": "7" * 32, "flags": "7" * 32}))
    found = decide(view(desired=desired, seen=live, refused={"gains": "refused"}))
    assert (found.action, found.endpoints, found.error) == (Action.UPDATE, ("flags",), "refused")


@pytest.mark.parametrize(("seen", "state"), [(IDLE, NodeState.FAILED), (OTHER_BASE, NodeState.STARTED)])
def test_refused_values_keep_a_node_from_a_start_that_would_kill_it(seen: Snapshot, state: NodeState):
    found = decide(view(seen=seen, refused={"gains": "refused"}))
    assert (found.state, found.action, found.held) == (state, Action.NONE, "refused")


@pytest.mark.parametrize("seen", [IDLE, OTHER_BASE, OTHER_VALUES])
def test_back_off_is_waited_for(seen: Snapshot):
    found = decide(view(seen=seen, retry_s=3.0))
    assert found.action is Action.NONE
    assert found.waits


def test_an_idle_node_is_started():
    assert decide(view(seen=IDLE)).action is Action.START


def test_another_base_means_a_restart():
    assert decide(view(seen=OTHER_BASE)).action is Action.RESTART


def test_other_values_alone_are_posted():
    found = decide(view(seen=OTHER_VALUES))
    assert (found.state, found.action, found.endpoints) == (NodeState.STARTED, Action.UPDATE, ("gains",))


def test_a_difference_that_no_post_can_mend_means_a_restart():
    odd = Snapshot(Reach.OK, running=Fingerprint("8" * 32, "2" * 32, {"gains": "3" * 32}))
    assert decide(view(seen=odd)).action is Action.RESTART


@pytest.mark.parametrize(("seen", "action"), [(IDLE, Action.START), (AS_DESIRED, Action.RESTART)])
def test_a_resync_restarts_whatever_runs(seen: Snapshot, action: Action):
    assert decide(view(forced=True, seen=seen, standing="a restart was no cure")).action is action


def test_a_resync_does_not_write_to_a_node_in_maintenance():
    assert decide(view(forced=True, maintenance=True)).action is Action.NONE


@pytest.mark.parametrize("seen", [IDLE, OTHER_BASE, OTHER_VALUES])
def test_nothing_is_begun_while_the_broker_is_away(seen: Snapshot):
    assert decide(view(seen=seen, connected=False)).action is Action.NONE
    assert decide(view(seen=AS_DESIRED, connected=False, started=False)).action is Action.NONE


# --- batches, slots, healing, exits, drift that stays

WAIT = Turn(go=False, words="waits for cx1, which tries it first")
HELD = Turn(go=False, words="held, cx1 and cx2 rejected it", held=True)


@pytest.mark.parametrize("seen", [IDLE, OTHER_BASE, OTHER_VALUES])
def test_a_node_waits_while_another_tries_its_config_first(seen: Snapshot):
    found = decide(view(seen=seen, turn=WAIT))
    assert (found.action, found.queue, found.held, found.error) == (Action.NONE, Queue.TURN, WAIT.words, None)


def test_a_node_that_backs_off_does_not_stand_in_the_queue():
    assert decide(view(seen=IDLE, turn=WAIT, retry_s=1.0)).queue is None


@pytest.mark.parametrize(("seen", "state"), [(IDLE, NodeState.FAILED), (OTHER_BASE, NodeState.STARTED)])
def test_a_batch_that_is_held_is_given_to_nobody(seen: Snapshot, state: NodeState):
    found = decide(view(seen=seen, turn=HELD))
    assert (found.state, found.action, found.held, found.error) == (
        state,
        Action.NONE,
        HELD.words,
        HELD.words,
    )


@pytest.mark.parametrize(
    "why", [{"turn": HELD}, {"rejected": "its kotekan rejected it"}, {"refused": {"gains": "refused"}}]
)
def test_an_idle_node_goes_back_to_what_last_ran_well_whatever_is_held(why: dict[str, Any]):
    assert decide(view(seen=IDLE, can_heal=True, **why)).action is Action.HEAL


def test_healing_waits_for_nobody_but_its_own_back_off():
    waiting = decide(view(seen=IDLE, can_heal=True, turn=HELD, heal_retry_s=1.0))
    assert (waiting.state, waiting.action, waiting.waits) == (NodeState.FAILED, Action.NONE, True)
    assert decide(view(seen=IDLE, can_heal=True, turn=HELD, retry_s=9.0)).action is Action.HEAL


@pytest.mark.parametrize(("seen", "slotted"), [(IDLE, True), (OTHER_BASE, True), (OTHER_VALUES, False)])
def test_restarts_wait_for_a_slot_and_updates_do_not(seen: Snapshot, slotted: bool):
    found = decide(view(seen=seen, slot=False))
    assert (found.queue is Queue.SLOT) is slotted


@pytest.mark.parametrize(
    "changes",
    [
        {"seen": IDLE},
        {"seen": OTHER_BASE},
        {"seen": OTHER_VALUES},
        {"started": False},
        {"forced": True},
        {"seen": IDLE, "turn": HELD, "can_heal": True},
    ],
)
def test_nothing_is_done_that_can_end_a_process_after_too_many_exits(changes: dict[str, Any]):
    found = decide(view(exits_s=3.0, **changes))
    assert (found.action, found.waits) == (Action.NONE, True)


def test_drift_that_a_restart_did_not_cure_is_shown_and_left_alone():
    found = decide(view(seen=OTHER_BASE, standing="a restart did not cure rfi/mask"))
    assert (found.state, found.action, found.error) == (
        NodeState.STARTED,
        Action.NONE,
        "a restart did not cure rfi/mask",
    )


def test_drift_that_is_to_be_ignored_is_no_error():
    assert decide(view(seen=OTHER_BASE, standing="")) == Decision(NodeState.STARTED)


def test_values_are_posted_whatever_else_stays_different():
    both = Snapshot(Reach.OK, running=Fingerprint("8" * 32, "9" * 32, {"gains": "7" * 32}))
    assert decide(view(seen=both, standing="")).action is Action.UPDATE


def test_a_block_that_is_on_one_side_only_is_not_posted():
    live = Snapshot(Reach.OK, running=Fingerprint("8" * 32, "9" * 32, {"gains": "3" * 32, "old": "7" * 32}))
    assert decide(view(seen=live, standing="")) == Decision(NodeState.STARTED)
