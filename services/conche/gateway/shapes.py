"""What /api/v1 tells of the state: the contract's own models, put together, and why they can't be believed."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from conche.contract import (
    NULL,
    DesiredConfig,
    GroupSummary,
    NodeStatus,
    Observed,
    RegisteredNode,
    ServiceBirth,
)

from .picture import Key, Picture

Trouble = Annotated[
    str | None, Meta(description="why what is told of it is old, or not known; null where all is well")
]


class Services(Struct, frozen=True, kw_only=True):
    """The services that were ever there."""

    services: Annotated[dict[str, ServiceBirth], Meta(description="by name: renderer, poller/main, sync/cx")]


class GroupView(Struct, frozen=True, kw_only=True):
    """One group."""

    nodes: list[str]
    summary: GroupSummary | None
    trouble: Trouble


class GroupViews(Struct, frozen=True, kw_only=True):
    """All groups."""

    groups: dict[str, GroupView]


class NodeView(Struct, frozen=True, kw_only=True):
    """One node among others."""

    host: str
    port: int
    version: Annotated[str | None, Meta(description="of its kotekan")]
    last_seen: Annotated[datetime | None, Meta(description="when it answered last")]
    status: NodeStatus | None
    trouble: Trouble


class NodeViews(Struct, frozen=True, kw_only=True):
    """All nodes."""

    nodes: Annotated[dict[str, NodeView], Meta(description="by group/node")]
    error: Annotated[str | None, Meta(description="what is wrong with the registry")]


class NodeDetail(NodeView, frozen=True, kw_only=True):
    """Everything about one node, but for its configs."""

    node: Annotated[str, Meta(description="group/node")]
    registered: RegisteredNode
    observed: Observed | None
    desired: Annotated[DesiredConfig | None, Meta(description="what it should run, without the config")]


def services_of(picture: Picture) -> Services:
    """Return the services."""
    return Services(services=dict(sorted(picture.births.items())))


def groups_of(picture: Picture) -> GroupViews:
    """Return all groups."""
    return GroupViews(groups={group: group_of(picture, group) for group in picture.groups})


def group_of(picture: Picture, group: str) -> GroupView:
    """Return one group, which there is."""
    return GroupView(
        nodes=list(picture.groups[group]),
        summary=picture.summaries.get(group),
        trouble=picture.unserved(group),
    )


def nodes_of(picture: Picture) -> NodeViews:
    """Return all nodes."""
    troubles = {group: picture.unserved(group) for group in picture.groups}
    return NodeViews(
        nodes={
            f"{group}/{name}": _node(picture, (group, name), entry, troubles[group])
            for group, members in picture.groups.items()
            for name, entry in members.items()
        },
        error=picture.registry.error if picture.registry is not None else None,
    )


def _node(picture: Picture, key: Key, entry: RegisteredNode, trouble: str | None) -> NodeView:
    observed, status = picture.observed.get(key), picture.statuses.get(key)
    unknown = "its worker has not said anything of it yet" if status is None else None
    return NodeView(
        host=entry.host,
        port=entry.port,
        version=observed.version if observed is not None else None,
        last_seen=picture.last_seen(key),
        status=status,
        trouble=trouble or unknown,
    )


def node_of(picture: Picture, key: Key) -> NodeDetail:
    """Return one node, which there is."""
    group, name = key
    entry = picture.groups[group][name]
    view = _node(picture, key, entry, picture.unserved(group))
    desired = picture.desired.get(key)
    return NodeDetail(
        node=f"{group}/{name}",
        host=view.host,
        port=view.port,
        version=view.version,
        last_seen=view.last_seen,
        status=view.status,
        trouble=view.trouble,
        registered=entry,
        observed=picture.observed.get(key),
        desired=None if desired is None else replace(desired, config=NULL),
    )
