"""choco's answers, made of what conche knows: the same keys, words and kinds, for the scripts that read them."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from conche.contract import NodeState, NodeStatus, RegisteredNode

from .picture import Key, Picture

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


class ChocoState(StrEnum):
    """A node in one of choco's words."""

    UNKNOWN = "unknown"
    DOWN = "down"
    IDLE = "idle"
    """Reachable, and not running."""
    STARTED = "started"
    SYNCING = "syncing"


_STATES: Final = {
    NodeState.STARTED: ChocoState.STARTED,
    NodeState.STOPPED: ChocoState.IDLE,
    NodeState.SYNCING: ChocoState.SYNCING,
    NodeState.DOWN: ChocoState.DOWN,
    NodeState.UNKNOWN: ChocoState.UNKNOWN,
    NodeState.FAILED: ChocoState.UNKNOWN,
}


class ChocoNode(Struct, frozen=True, kw_only=True):
    """One node as choco shows it."""

    key: Annotated[str, Meta(description="group/node")]
    group: str
    name: str
    host: str
    port: int
    started: Annotated[bool, Meta(description="whether it should run")]
    maintenance: bool
    status: ChocoState
    last_seen: Annotated[float | None, Meta(description="when it answered last, UNIX time [s]")]
    last_seen_ago: Annotated[str | None, Meta(description="the same in words, such as 3s ago")]
    version: str | None
    version_info: dict[str, str] | None
    error: str | None
    queue_depth: Annotated[int, Meta(description="1 while something is being done about it, else 0")]


class ChocoSummary(Struct, frozen=True, kw_only=True):
    """How many nodes are in each state."""

    unknown: int
    down: int
    idle: int
    started: int
    syncing: int
    total: int
    started_desired: Annotated[int, Meta(description="nodes that should run")]


class ChocoStatus(Struct, frozen=True, kw_only=True):
    """Every node, and how many are in which state."""

    summary: ChocoSummary
    nodes: list[ChocoNode]


class ChocoEntry(Struct, frozen=True, kw_only=True):
    """One node of the registry."""

    name: str
    host: str
    port: int
    started: bool


class ChocoRegistry(Struct, frozen=True, kw_only=True):
    """The nodes of each group."""

    groups: dict[str, list[ChocoEntry]]


def status_of(picture: Picture, now: datetime) -> ChocoStatus:
    """Return what ``GET /api/status`` answers."""
    nodes = [
        _node(picture, (group, name), entry, now)
        for group, members in picture.groups.items()
        for name, entry in members.items()
    ]
    counts = Counter(node.status for node in nodes)
    return ChocoStatus(
        summary=ChocoSummary(
            **{state.value: counts[state] for state in ChocoState},
            total=len(nodes),
            started_desired=sum(node.started for node in nodes),
        ),
        nodes=nodes,
    )


def registry_of(picture: Picture) -> ChocoRegistry:
    """Return what ``GET /api/nodes`` answers."""
    return ChocoRegistry(
        groups={
            group: [
                ChocoEntry(
                    name=name,
                    host=entry.host,
                    port=entry.port,
                    started=_started(picture.statuses.get((group, name)), entry),
                )
                for name, entry in members.items()
            ]
            for group, members in picture.groups.items()
        }
    )


def _node(picture: Picture, key: Key, entry: RegisteredNode, now: datetime) -> ChocoNode:
    group, name = key
    status = picture.statuses.get(key)
    observed = picture.observed.get(key)
    version = observed.version if observed is not None else None
    seen = picture.last_seen(key)
    away = picture.unserved(group)
    return ChocoNode(
        key=f"{group}/{name}",
        group=group,
        name=name,
        host=entry.host,
        port=entry.port,
        started=_started(status, entry),
        maintenance=status is None or status.maintenance.on,
        status=ChocoState.UNKNOWN if status is None or away else _STATES[status.state],
        last_seen=None if seen is None else seen.timestamp(),
        last_seen_ago=None if seen is None else ago((now - seen).total_seconds()),
        version=version,
        version_info=None if version is None else {"kotekan_version": version},
        error="; ".join(_errors(status, away)) or None,
        queue_depth=int(status is not None and status.pending),
    )


def _started(status: NodeStatus | None, entry: RegisteredNode) -> bool:
    if status is None or status.started is None:
        return entry.started
    return status.started


def _errors(status: NodeStatus | None, away: str | None) -> Iterator[str]:
    """Yield what is wrong; choco has no word for a node that was given up, so that is said here."""
    if away is not None:
        yield away
    if status is None:
        return
    found = status.error or status.held
    if status.state is NodeState.FAILED:
        yield f"failed: {found}" if found else "failed"
    elif found:
        yield found


def ago(seconds: float) -> str:
    """Return choco's words for how long ago something was."""
    whole = max(0, int(seconds))
    if whole < _MINUTE_S:
        return f"{whole}s ago"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S}m ago"
    return f"{whole // _HOUR_S}h ago"
