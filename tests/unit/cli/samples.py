"""Statuses, pictures and replies for tests, as short as can be."""

from datetime import UTC, datetime, timedelta
from typing import Any

from conche.client.picture import Picture
from conche.contract import (
    GroupSummary,
    Health,
    Maintenance,
    NodeState,
    NodeStatus,
    Outcome,
    RegisteredNode,
    Registry,
    Result,
    ServiceBirth,
    ServiceState,
)

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def status(state: str = "started", **fields: Any) -> NodeStatus:
    defaults: dict[str, Any] = {"started": True, "maintenance": Maintenance(on=False), "epoch": "e"}
    return NodeStatus(state=NodeState(state), **defaults | fields)


def birth(state: str = "online") -> ServiceBirth:
    return ServiceBirth(state=ServiceState(state), boot="b", since=ago(hours=3), host="vm")


def registry(*keys: str, error: str | None = None) -> Registry:
    groups: dict[str, dict[str, RegisteredNode]] = {}
    for key in keys:
        group, _, node = key.partition("/")
        groups.setdefault(group, {})[node] = RegisteredNode(host=node, port=1, epoch="e")
    return Registry(boot="b", groups=groups, error=error)


def summary(health: str = "normal", info: str = "well") -> GroupSummary:
    return GroupSummary(summary=Health(health), info=info, counts={}, nodes=1)


def picture(statuses: dict[str, NodeStatus], **births: str) -> Picture:
    """A healthy cluster with these nodes; births by name with _ for /, None of which is lost by default."""
    groups = sorted({key.partition("/")[0] for key in statuses})
    states = {
        "renderer": "online",
        "poller/main": "online",
        **{f"sync/{group}": "online" for group in groups},
    }
    states |= {name.replace("_", "/"): state for name, state in births.items()}
    nested: dict[str, dict[str, NodeStatus]] = {}
    for key, one in statuses.items():
        group, _, node = key.partition("/")
        nested.setdefault(group, {})[node] = one
    return Picture(
        registry=registry(*statuses),
        births={name: birth(state) for name, state in states.items() if state != "never"},
        summaries={group: summary() for group in groups},
        statuses=nested,
    )


def result(outcome: str = "ok", error: str | None = None) -> Result:
    return Result(ok=outcome == "ok", outcome=Outcome(outcome), error=error)
