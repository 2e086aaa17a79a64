"""What is known of nodes and groups, as readings."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from conche.contract import GroupSummary, Health, Latencies, NodeState, NodeStatus, Observed, Reach
from conche.contract import measurements as m
from conche.needs import is_unhealed

from .readings import Reading, time_ns

NOBODY: Final = "its group has no worker"


class Heard(StrEnum):
    """Whether what a poller said of a node still counts."""

    FRESH = "fresh"
    STALE = "stale"
    """It was said by a poller that is gone, or too long ago."""
    EARLY = "early"
    """Nobody can tell: it was not listened long enough."""


@dataclass(frozen=True, slots=True)
class Node:
    """What is known of a node.

    Parameters
    ----------
    status
        What its worker said last.
    observed
        What the poller said last.
    served
        Whether the worker is there: what it said last counts no more once it is gone.
    heard
        Whether what the poller said counts.
    """

    status: NodeStatus | None
    observed: Observed | None
    served: bool
    heard: Heard


def node_reading(node: Node, *, group: str, name: str, at_ns: int) -> Reading:
    """Return a node's state."""
    said = _said(node.status) if node.served and node.status is not None else _silent(node)
    fields = {**said, **_reach(node)}
    return Reading(m.NODE, {"group": group, "node": name}, fields, at_ns)


def _said(status: NodeStatus) -> dict[str, Any]:
    drift = status.drift
    return {
        "state": status.state,
        "state_code": m.NODE_STATE_CODES[status.state],
        "started": status.started,
        "maintenance": status.maintenance.on,
        "differing": drift.base or bool(drift.endpoints),
        "unhealed": is_unhealed(status),
        "drift_base": drift.base,
        "drift_endpoints": len(drift.endpoints),
        "held": status.held is not None,
        "rejected": len(status.rejected),
        "attempts": status.attempts,
        "pending": status.pending,
        "desired": status.desired or "",
        "live": status.live or "",  # nothing runs: that is known, and must not look like the last that did
        "error": status.error or "",
    }


def _silent(node: Node) -> dict[str, Any]:
    """Return what can be said without the worker: the operators' switches, which nobody else turns."""
    status = node.status
    return {
        "state": NodeState.UNKNOWN,
        "state_code": m.NODE_STATE_CODES[NodeState.UNKNOWN],
        "started": status.started if status else None,
        "maintenance": status.maintenance.on if status else None,
        "error": "" if node.served else NOBODY,
    }


def _reach(node: Node) -> dict[str, Any]:
    if node.heard is Heard.EARLY:
        return {}
    observed = node.observed
    if node.heard is Heard.STALE or observed is None:
        return {"reached": False}
    return {"reach": observed.reach, "reached": observed.reach is Reach.OK, "version": observed.version}


def group_reading(
    summary: GroupSummary | None, *, group: str, served: bool, nodes: int, at_ns: int
) -> Reading:
    """Return a group in figures.

    Parameters
    ----------
    summary
        What its worker said last.
    group
        Its name.
    served
        Whether the worker is there.
    nodes
        How many there are by the registry: what can be said without the worker.
    at_ns
        When [ns].
    """
    counted = _counted(summary) if served and summary is not None else _uncounted(nodes)
    return Reading(m.GROUP, {"group": group}, {**counted, "worker": served}, at_ns)


def _counted(summary: GroupSummary) -> dict[str, Any]:
    return {
        "summary": summary.summary,
        "summary_code": m.HEALTH_CODES[summary.summary],
        "nodes": summary.nodes,
        **{state: summary.counts.get(state, 0) for state in NodeState},
        "in_maintenance": summary.maintenance,
        "differing": summary.differing,
    }


def _uncounted(nodes: int) -> dict[str, Any]:
    counts: Mapping[NodeState, int] = {NodeState.UNKNOWN: nodes}
    return {
        "summary": Health.ERROR,
        "summary_code": m.HEALTH_CODES[Health.ERROR],
        "nodes": nodes,
        **{state: counts.get(state, 0) for state in NodeState},
    }


def latency_readings(latencies: Latencies) -> list[Reading]:
    """Return how long the nodes of a poller took to answer."""
    at_ns = time_ns(latencies.at)
    return [
        Reading(
            m.LATENCY,
            {"group": group, "node": name},
            {"median_s": one.median_s, "worst_s": one.worst_s, "answers": one.answers},
            at_ns,
        )
        for group, nodes in latencies.groups.items()
        for name, one in nodes.items()
    ]
