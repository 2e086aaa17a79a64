"""A picture of two groups, as the broker would have it."""

from datetime import UTC, datetime
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
from conche.gateway.picture import Picture

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)


def birth(state: str = "online") -> ServiceBirth:
    return ServiceBirth(state=ServiceState(state), boot="b", since=NOW, host="vm")


def status(state: str = "started", **fields: Any) -> NodeStatus:
    defaults: dict[str, Any] = {"started": True, "maintenance": Maintenance(on=False), "epoch": "e"}
    return NodeStatus(state=NodeState(state), **defaults | fields)


def observed(reach: str = "ok", **fields: Any) -> Observed:
    return Observed(boot="b", sweep=1, reach=Reach(reach), **fields)


def sweep(at: datetime = NOW) -> Sweep:
    return Sweep(
        boot="b", number=1, groups=["cx"], at=at, took_s=0.1, polled=2, unreachable=0, overrun=False,
        period_s=2.0,
    )  # fmt: skip


def picture(**nodes: NodeStatus) -> Picture:
    """With a group cx of these nodes, and all services that it takes."""
    one = Picture()
    entries = {name: RegisteredNode(host="h", port=12048, epoch="e", started=True) for name in nodes}
    one.on_registry({}, Registry(boot="b", groups={"cx": entries}))
    for name, said in nodes.items():
        one.on_status({"group": "cx", "node": name}, said)
    for service, instance in (("sync", "cx"), ("poller", "main")):
        one.on_birth({"service": service, "instance": instance}, birth())
    one.on_birth({"service": "renderer"}, birth())
    return one
