"""A node's status as everybody reads it."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from conche.contract import DesiredConfig, Drift, NodeState, NodeStatus, as_object
from conche.kotekan.differences import differences
from conche.kotekan.revision import Fingerprint, parse_config
from conche.kotekan.snapshot import Snapshot

from .decide import Decision, changed_endpoints
from .node import Node

MAX_PATHS: Final = 10
"""Differing paths in a status; `inspect` has them all."""


def drift_of(desired: DesiredConfig | None, seen: Snapshot | None) -> Drift:
    """Return how what a node runs differs from what it should run; none while either is not known."""
    running = seen.running if seen else None
    if desired is None or desired.revision is None or running is None or running.revision == desired.revision:
        return Drift()
    endpoints = changed_endpoints(desired.updatable, running.updatable)
    return Drift(
        base=running.base != desired.base or not endpoints,
        endpoints=list(endpoints),
        paths=list(_paths(desired, running, seen.body if seen else None)),
    )


def _paths(desired: DesiredConfig, running: Fingerprint, body: bytes | None) -> tuple[str, ...]:
    if body is None or desired.revision is None:
        return ()
    return _cached_paths(_Pair(desired.revision, running.revision, bytes(desired.config), body))


class _Pair:
    """Two configs, compared by their revisions: equal nodes share one diff."""

    def __init__(self, desired_revision: str, live_revision: str, desired: bytes, live: bytes) -> None:
        self._key = (desired_revision, live_revision)
        self.desired = desired
        self.live = live

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pair) and self._key == other._key


@lru_cache(maxsize=32)
def _cached_paths(pair: _Pair) -> tuple[str, ...]:
    found = differences(as_object(pair.desired), parse_config(pair.live))
    shown = [str(difference) for difference in found[:MAX_PATHS]]
    if len(found) > MAX_PATHS:
        shown.append(f"and {len(found) - MAX_PATHS} more")
    return tuple(shown)


def status_of(node: Node, decision: Decision, *, retry_s: float, now: datetime) -> NodeStatus:
    """Return a node's status after a decision, and remember since when it has its state.

    Parameters
    ----------
    retry_s
        How long back-off still forbids to try again [s].
    now
        Wall clock.
    """
    if decision.state is not node.state:
        node.state, node.since = decision.state, now
    old = node.status
    retry_at = (now + timedelta(seconds=retry_s)).replace(microsecond=0) if decision.waits else None
    if retry_at and old and old.retry_at and abs((old.retry_at - retry_at).total_seconds()) <= 1:
        retry_at = old.retry_at  # the same moment, counted anew
    known = decision.state is not NodeState.UNKNOWN
    seen = node.seen if known else None
    return NodeStatus(
        state=decision.state,
        started=node.started,
        maintenance=node.maintenance,
        epoch=node.epoch,
        drift=drift_of(node.desired, seen),
        desired=node.desired.revision if node.desired else None,
        live=seen.running.revision if seen and seen.running else None,
        proven=node.proven,
        held=decision.error if decision.held else None,
        rejected=list(node.rejected),
        error=_error(node, decision),
        since=node.since,
        last_push=node.last_push,
        attempts=node.backoff.attempts,
        retry_at=retry_at,
    )


def _error(node: Node, decision: Decision) -> str | None:
    parts = [words for words in (decision.error, node.problem) if words]
    return "; ".join(dict.fromkeys(parts)) or None
