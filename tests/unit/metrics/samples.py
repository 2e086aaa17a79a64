"""What tests of the metrics service are told."""

from datetime import UTC, datetime, timedelta
from typing import Any

from conche.contract import (
    Maintenance,
    NodeState,
    NodeStatus,
    Observed,
    Reach,
    RegisteredNode,
    Registry,
    ServiceBirth,
    ServiceState,
    Sweep,
)
from conche.metrics.board import Moment

NOW = datetime(2026, 11, 21, 12, 0, 0, 250, tzinfo=UTC)
NOW_NS = 1_795_262_400_000_250_000


def moment(clock: float = 0.0) -> Moment:
    """Some time after `NOW` [s]."""
    return Moment(NOW + timedelta(seconds=clock), clock)


def status(state: NodeState = NodeState.STARTED, **more: Any) -> NodeStatus:
    given = {"started": True, "maintenance": Maintenance(on=False), "epoch": "e"}
    return NodeStatus(state=state, **{**given, **more})


def observed(reach: Reach = Reach.OK, *, boot: str = "p", **more: Any) -> Observed:
    return Observed(boot=boot, sweep=1, reach=reach, **more)


def sweep(*groups: str, boot: str = "p", **more: Any) -> Sweep:
    given = {"took_s": 1, "polled": 3, "unreachable": 1, "overrun": False, "period_s": 2}
    return Sweep(boot=boot, number=1, groups=list(groups), at=NOW, **{**given, **more})


def registry(*keys: str, error: str | None = None) -> Registry:
    groups: dict[str, dict[str, RegisteredNode]] = {}
    for key in keys:
        group, _, node = key.partition("/")
        groups.setdefault(group, {})[node] = RegisteredNode(host="h", port=1, epoch="e")
    return Registry(boot="r", groups=groups, error=error)


def birth(state: ServiceState = ServiceState.ONLINE, *, boot: str = "b", **more: Any) -> ServiceBirth:
    return ServiceBirth(state=state, boot=boot, since=NOW - timedelta(seconds=60), version="1.0", **more)
