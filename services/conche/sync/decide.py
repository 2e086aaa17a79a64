"""What to do about one node: a pure function of what is known, by the table of the design."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from conche.contract import DesiredConfig, NodeState, Reach
from conche.kotekan.snapshot import Snapshot

from .batches import GO, Turn

BUSY_PATIENCE_S: Final = 90.0
"""A node that does not answer for longer is unknown: its stages may take up to 60 s to join [s]."""


class Action(StrEnum):
    """What to do."""

    NONE = "none"
    STOP = "stop"
    START = "start"
    RESTART = "restart"
    UPDATE = "update"
    HEAL = "heal"
    """Start with what last ran well."""


class Queue(StrEnum):
    """For what a node waits that another node has."""

    TURN = "turn"
    SLOT = "slot"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that a decision about one node depends on.

    Parameters
    ----------
    pushing
        A push other than an update in place is under way.
    connected
        The broker is there; without it nothing is begun.
    unheard
        Why nothing is begun, though it is known what the node should run: that may be old.
    unready
        Why there is no registry or desired config of a live renderer yet.
    blind
        Why the poller's observations can't be trusted now.
    desired
        What the node should run.
    seen
        What the worker itself last read of the node.
    busy_s
        How long the node has been busy [s].
    last_state
        State so far: a busy node keeps it.
    maintenance, started
        The switches.
    forced
        Somebody said resync.
    rejected
        Why the desired revision is not given to this node: it refused it itself.
    refused
        Endpoint to why its desired values are not given to this node.
    turn
        Whether it is its turn to be given the desired revision.
    slot
        Whether one more node of the group may be restarted now.
    standing
        The base differs only where that is of no account, or where a restart was no cure; the words for the
        latter, empty for the former.
    can_heal
        There is a config that last ran well here.
    retry_s, heal_retry_s, stop_retry_s
        How long back-off still forbids to try the desired revision again, or that which ran well, or to stop [s].
    exits_s
        How long nothing may be done that can end the process: too many have ended lately [s].
    """

    pushing: bool = False
    connected: bool = True
    unheard: str | None = None
    unready: str | None = None
    blind: str | None = None
    desired: DesiredConfig | None = None
    seen: Snapshot | None = None
    busy_s: float = 0.0
    last_state: NodeState = NodeState.UNKNOWN
    maintenance: bool = False
    started: bool | None = None
    forced: bool = False
    rejected: str | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    turn: Turn = GO
    slot: bool = True
    standing: str | None = None
    can_heal: bool = False
    retry_s: float = 0.0
    heal_retry_s: float = 0.0
    stop_retry_s: float = 0.0
    exits_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What a node's state is and what to do about it.

    Parameters
    ----------
    state
        What an operator sees.
    action
        What to do.
    error
        What stands in the way, in words.
    endpoints
        The blocks to post, for an update.
    waits
        Back-off, or the number of exits, is all that stands in the way.
    held
        Why the desired config is not given to this node.
    queue
        What it waits for that another node has, if that is all.
    """

    state: NodeState
    action: Action = Action.NONE
    error: str | None = None
    endpoints: tuple[str, ...] = ()
    waits: bool = False
    held: str | None = None
    queue: Queue | None = None


def decide(view: View) -> Decision:
    """Return state and action: the first rule that fits.

    Source: design, section 5, "Decide".
    """
    if view.pushing:
        return Decision(NodeState.SYNCING)
    if view.unready is not None or view.desired is None:
        return Decision(NodeState.UNKNOWN, error=view.unready or "no desired config yet")
    return _unseen(view) or _switched_off(view, view.desired) or _wanted(view, view.desired)


def _unseen(view: View) -> Decision | None:
    """Tell the cases in which nobody knows what the node runs."""
    if view.blind is not None:
        return Decision(NodeState.UNKNOWN, error=view.blind)
    seen = view.seen
    if seen is None:
        return Decision(NodeState.UNKNOWN, error="not yet seen")
    match seen.reach:
        case Reach.HTTP_ERROR:
            return Decision(NodeState.UNKNOWN, error=seen.error)
        case Reach.BUSY:
            patient = view.busy_s <= BUSY_PATIENCE_S
            return Decision(view.last_state if patient else NodeState.UNKNOWN, error=seen.error)
        case Reach.REFUSED | Reach.UNREACHABLE:
            return Decision(NodeState.DOWN, error=seen.error)
    return None


def _switched_off(view: View, desired: DesiredConfig) -> Decision | None:
    """Tell the cases in which a switch decides; a desired config that is wrong is shown all the same."""
    state = _as_observed(view)
    if view.maintenance or view.started is None:
        return Decision(state, error=desired.error)
    if view.started:
        return None
    if state is NodeState.STARTED:
        if view.stop_retry_s > 0:
            return Decision(state, error=desired.error, waits=True)
        return _unless_exits(view, Decision(state, Action.STOP, desired.error))
    return Decision(NodeState.STOPPED, error=desired.error)


def _wanted(view: View, desired: DesiredConfig) -> Decision:
    """Tell what a node that should run the desired config needs for it."""
    state = _as_observed(view)
    if desired.error is not None:
        return Decision(state, error=desired.error)
    live = view.seen.running if view.seen else None
    if live is not None and live.revision == desired.revision and not view.forced:
        return Decision(NodeState.STARTED)
    held = view.rejected or (view.turn.words if view.turn.held else None)
    if held is not None:
        return _hold(view, held)
    if live is not None and not view.forced and (live.base == desired.base or view.standing is not None):
        changed = changed_endpoints(desired.updatable, live.updatable)
        # With drift of the base that is let stand, a block may be on one side only: nothing to post to.
        return _update(view, tuple(e for e in changed if e in desired.updatable and e in live.updatable))
    if view.refused:
        return _hold(view, "; ".join(view.refused.values()))
    return _try(view, Decision(state, Action.START if live is None else Action.RESTART))


def _update(view: View, endpoints: tuple[str, ...]) -> Decision:
    postable = tuple(endpoint for endpoint in endpoints if endpoint not in view.refused)
    refused = "; ".join(view.refused[e] for e in endpoints if e in view.refused) or None
    if postable:
        return _try(view, Decision(NodeState.STARTED, Action.UPDATE, refused, postable))
    if endpoints:
        return Decision(NodeState.STARTED, error=refused, held=refused)
    if view.standing is not None:
        return Decision(NodeState.STARTED, error=view.standing or None)
    # The hashes agree in their parts and not as a whole: nothing that could be posted.
    return _try(view, Decision(NodeState.STARTED, Action.RESTART))


def _hold(view: View, why: str) -> Decision:
    """Leave a node that runs alone; have one that is idle run what last ran well."""
    if _as_observed(view) is NodeState.STARTED:
        return Decision(NodeState.STARTED, error=why, held=why)
    if not view.can_heal:
        return Decision(NodeState.FAILED, error=why, held=why)
    if view.heal_retry_s > 0:
        return Decision(NodeState.FAILED, error=why, held=why, waits=True)
    return _in_a_slot(view, Decision(NodeState.STOPPED, Action.HEAL, why, held=why))


def _try(view: View, decision: Decision) -> Decision:
    """Return a decision that back-off, or a first node's try, may delay."""
    if view.retry_s > 0:
        return Decision(decision.state, error=decision.error, waits=True)
    if not view.turn.go:
        return Decision(decision.state, error=decision.error, held=view.turn.words, queue=Queue.TURN)
    return _unless_exits(view, decision) if decision.action is Action.UPDATE else _in_a_slot(view, decision)


def _in_a_slot(view: View, decision: Decision) -> Decision:
    if not view.slot:
        words = "waits until fewer nodes of the group are being restarted"
        return Decision(decision.state, error=decision.error, held=words, queue=Queue.SLOT)
    return _unless_exits(view, decision)


def _unless_exits(view: View, decision: Decision) -> Decision:
    """Return a decision that too many exits, a lost broker or an unheard renderer may delay."""
    if view.unheard is not None:
        words = "; ".join(filter(None, (decision.error, view.unheard)))
        return Decision(decision.state, error=words, held=decision.held)
    if view.exits_s > 0:
        return Decision(decision.state, error=decision.error, held=decision.held, waits=True)
    if not view.connected:
        return Decision(decision.state, error=decision.error, held=decision.held)
    return decision


def _as_observed(view: View) -> NodeState:
    return NodeState.STARTED if view.seen and view.seen.running else NodeState.STOPPED


def changed_endpoints(desired: Mapping[str, str], live: Mapping[str, str]) -> tuple[str, ...]:
    """Return the endpoints whose values differ, sorted."""
    return tuple(sorted(e for e in desired.keys() | live.keys() if desired.get(e) != live.get(e)))
