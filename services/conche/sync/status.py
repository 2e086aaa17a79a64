"""A node's status as everybody reads it."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from conche.contract import Cure, DesiredConfig, Drift, NodeState, NodeStatus, as_object
from conche.happenings import cut
from conche.kotekan.differences import Difference, differences
from conche.kotekan.revision import Fingerprint, parse_config
from conche.kotekan.snapshot import Snapshot

from .decide import Action, Decision, changed_endpoints
from .node import Node

TOO_LARGE: Final = "cut, because it was too large to be published: inspect and the worker's log have more"
"""What stands in a status of which long texts had to be left out."""

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


def base_paths(desired: DesiredConfig, seen: Snapshot) -> tuple[str, ...]:
    """Return the paths at which only a restart could bring a running node to what is desired."""
    if seen.running is None or seen.body is None or desired.revision is None:
        return ()
    pair = _Pair(desired.revision, seen.running.revision, bytes(desired.config), seen.body)
    return tuple(found.path for found in _compared(pair) if found.endpoint is None)


def _paths(desired: DesiredConfig, running: Fingerprint, body: bytes | None) -> tuple[str, ...]:
    if body is None or desired.revision is None:
        return ()
    return _shown(_compared(_Pair(desired.revision, running.revision, bytes(desired.config), body)))


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
def _compared(pair: _Pair) -> tuple[Difference, ...]:
    return tuple(differences(as_object(pair.desired), parse_config(pair.live)))


def _shown(found: tuple[Difference, ...]) -> tuple[str, ...]:
    more = (f"and {len(found) - MAX_PATHS} more",) if len(found) > MAX_PATHS else ()
    return (*(str(difference) for difference in found[:MAX_PATHS]), *more)


def status_of(node: Node, decision: Decision, *, retry_s: float, clock: float, now: datetime) -> NodeStatus:
    """Return a node's status after a decision, and remember since when it has its state.

    Parameters
    ----------
    retry_s
        How long back-off still forbids to try again [s].
    clock, now
        Monotonic [s] and wall clock.
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
        held=decision.held,
        rejected=list(node.rejected),
        cure=_cure(node, clock=clock, now=now),
        error=_error(node, decision),
        since=node.since,
        last_push=node.last_push,
        attempts=node.backoff.attempts,
        retry_at=retry_at,
        pending=node.push is not None or decision.action is not Action.NONE or decision.queue is not None,
    )


def shortened(status: NodeStatus) -> NodeStatus:
    """Return what can be published of a status that is too large for the broker."""
    push, held = status.last_push, status.held
    reason = status.maintenance.reason
    error = f"{TOO_LARGE}{f': {status.error}' if status.error else ''}"
    return replace(
        status,
        maintenance=replace(status.maintenance, reason=cut(reason) if reason else None),
        drift=replace(status.drift, endpoints=[], paths=[]),
        held=cut(held) if held else None,
        rejected=[],
        cure=None,
        last_push=replace(push, error=cut(push.error) if push.error else None) if push else None,
        error=cut(error),
    )


def _cure(node: Node, *, clock: float, now: datetime) -> Cure | None:
    ages = node.cures.current(clock)
    if not ages:
        return None
    at = (now - timedelta(seconds=min(ages.values()))).replace(microsecond=0)
    old = node.status.cure if node.status else None
    if old is not None and abs((old.at - at).total_seconds()) <= 1:
        at = old.at  # the same moment, counted anew
    return Cure(paths=sorted(ages), at=at)


def _error(node: Node, decision: Decision) -> str | None:
    parts = [words for words in (decision.error, node.problem) if words]
    if decision.waits and not parts:
        parts = [f"it did not stay as it was brought {node.backoff.attempts} times: the next try is put off"]
    return "; ".join(dict.fromkeys(parts)) or None
