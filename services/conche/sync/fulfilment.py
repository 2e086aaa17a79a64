"""When a command is fulfilled for a node: by what was read back from it, never by what was sent."""

from msgspec import Raw
from msgspec.structs import replace

from conche.contract import (
    NULL,
    Inspection,
    Maintenance,
    NodeState,
    Outcome,
    Reach,
    Result,
    as_object,
)
from conche.happenings import TIME_OVER
from conche.kotekan.differences import differences
from conche.kotekan.revision import parse_config
from conche.kotekan.snapshot import Snapshot

from .node import Node


def fulfilled(node: Node, outcome: Outcome, words: str | None = None) -> Result:
    """Return a result that says, where it is not ok, what stands in the node's status."""
    if outcome is Outcome.OK:
        return Result(ok=True, outcome=outcome)
    status = node.status
    detail = (
        f"{status.state}, {status.error}" if status and status.error else (status.state if status else "gone")
    )
    return Result(ok=False, outcome=outcome, error=f"{words}: {detail}" if words else detail)


def started_or_stopped(node: Node, *, wanted: bool) -> Result | None:
    """Return how ``set_started`` ended for a node that is at rest, or None while that can't be told."""
    if node.gone:
        return Result(ok=False, outcome=Outcome.FAILED, error="left the registry")
    seen = node.seen
    answered = seen is not None and seen.reach is Reach.OK
    running = seen is not None and seen.running is not None
    if node.maintenance.on:
        if answered and running == wanted:
            return fulfilled(node, Outcome.OK)
        return _held(node, "noted, and done when it is taken out of maintenance")
    if wanted:
        return _running_as_desired(node)
    return fulfilled(node, Outcome.OK) if answered and not running else _not_reached(node)


def switched(node: Node, switch: Maintenance, unsaved: str | None) -> Result:
    """Return how ``set_maintenance`` ended, and why it may not last."""
    error = f"still unanswered: {node.in_flight}" if switch.on and node.in_flight else None
    if unsaved is not None:
        return Result(ok=False, outcome=Outcome.FAILED, error="; ".join(filter(None, (unsaved, error))))
    return Result(ok=True, outcome=Outcome.OK, error=error)


def switched_before(node: Node, *, on: bool) -> Result:
    """Return how an earlier ``set_maintenance`` stands now: it is not carried out again."""
    now = node.maintenance
    if now.on is on:
        return Result(ok=True, outcome=Outcome.OK)
    if now.reason == TIME_OVER:
        words = "since then its time was over"
    else:
        why = f": {now.reason}" if now.reason else ""
        words = f"since then set otherwise by {now.by or 'nobody known'}{why}"
    return Result(ok=False, outcome=Outcome.FAILED, error=f"carried out before; {words}")


def started_otherwise(node: Node, *, last_by: str | None) -> Result:
    """Return how an earlier ``set_started`` stands that holds no more, with who set it last, if that is known."""
    if node.started is None:
        words = "since then a new epoch began, in which it is adopted as it is found"
    else:
        words = f"since then set otherwise{f' by {last_by}' if last_by else ''}"
    return Result(ok=False, outcome=Outcome.FAILED, error=f"carried out before; {words}")


def restarted(node: Node, *, since: int | None = None) -> Result | None:
    """Return how ``resync`` ended for a node that is at rest, or None while that can't be told.

    Parameters
    ----------
    node
        Which is at rest.
    since
        How many restarts there were before; None where one that was under way is joined.
    """
    if node.gone:
        return Result(ok=False, outcome=Outcome.FAILED, error="left the registry")
    if node.maintenance.on:
        return _held(node, "forgotten")
    if not node.started:
        return Result(ok=False, outcome=Outcome.SKIPPED, error="it is to be stopped; start it first")
    result = _running_as_desired(node)
    if result is not None and result.ok and node.resync_lost:
        words = "it runs as desired, but its worker was ended meanwhile: say resync again if it must be new"
        return fulfilled(node, Outcome.FAILED, words)
    if result is not None and result.ok and since == node.restarts:
        return fulfilled(node, Outcome.FAILED, "it could not be restarted in time, and runs as it did")
    return result


def _running_as_desired(node: Node) -> Result | None:
    status = node.status
    if status is None:
        return None
    if status.held is not None:
        return fulfilled(node, Outcome.HELD)
    if status.state is NodeState.STARTED and status.error is None and status.retry_at is None:
        return fulfilled(node, Outcome.OK)  # as desired, but for drift that is to be ignored
    if status.error is not None and status.state in (NodeState.STARTED, NodeState.STOPPED):
        return fulfilled(node, Outcome.FAILED)
    return _not_reached(node)


def _not_reached(node: Node) -> Result | None:
    match node.state:
        case NodeState.DOWN:
            return fulfilled(node, Outcome.UNREACHABLE)
        case NodeState.UNKNOWN | NodeState.FAILED:
            return fulfilled(node, Outcome.FAILED)
    return None


def _held(node: Node, words: str) -> Result:
    held = node.maintenance
    why = f": {held.reason}" if held.reason else ""
    return Result(
        ok=False, outcome=Outcome.HELD, error=f"in maintenance by {held.by or 'nobody known'}{why}; {words}"
    )


def inspected(node: Node, seen: Snapshot | None, *, latency_s: float, with_config: bool) -> Result:
    """Return what a look at a node showed, compared with what is desired."""
    if seen is None or node.gone:
        return Result(ok=False, outcome=Outcome.FAILED, error="left the registry")
    desired = node.desired
    paths: list[str] = []
    if seen.body is not None and desired is not None and desired.revision is not None:
        paths = [str(d) for d in differences(as_object(desired.config), parse_config(seen.body))]
    inspection = replace(
        _inspection(seen, latency_s),
        desired=desired.revision if desired else None,
        paths=paths,
        config=Raw(seen.body) if with_config and seen.body is not None else NULL,
    )
    return _answered(seen, inspection, error=desired.error if desired else None)


def pinged(node: Node, seen: Snapshot | None, *, latency_s: float) -> Result:
    """Return what a look at a node showed."""
    if seen is None or node.gone:
        return Result(ok=False, outcome=Outcome.FAILED, error="left the registry")
    return _answered(seen, _inspection(seen, latency_s))


def _inspection(seen: Snapshot, latency_s: float) -> Inspection:
    return Inspection(
        reach=seen.reach,
        latency_s=round(latency_s, 4),
        running=seen.running is not None if seen.reach is Reach.OK else None,
        revision=seen.running.revision if seen.running else None,
    )


def _answered(seen: Snapshot, inspection: Inspection, *, error: str | None = None) -> Result:
    away = seen.reach in (Reach.REFUSED, Reach.UNREACHABLE)
    outcome = Outcome.OK if seen.reach is Reach.OK else Outcome.UNREACHABLE if away else Outcome.FAILED
    return Result(ok=outcome is Outcome.OK, outcome=outcome, error=seen.error or error, inspection=inspection)
