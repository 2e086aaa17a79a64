"""What the broker holds about services, registry, groups and nodes, as one value."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Final

from conche.bus.client import Client
from conche.contract import (
    BIRTHS,
    GROUP_SUMMARY,
    NODE_OBSERVED,
    NODE_STATUS,
    REGISTRY,
    GroupSummary,
    NodeState,
    NodeStatus,
    Registry,
    Service,
    ServiceBirth,
    ServiceState,
)

UNPOLLED: Final = "no poller has asked its nodes lately"


@dataclass(frozen=True)
class Picture:
    """All that `conche status` shows.

    Parameters
    ----------
    registry
        None where no renderer has ever published one.
    births
        By name: ``renderer``, ``poller/main``, ``sync/cx``.
    summaries
        By group.
    statuses
        By group and node.
    unreadable
        Topics below the root that could not be understood, and why.
    unpolled
        Groups whose nodes no poller asks, and why that is so, in words.
    """

    registry: Registry | None = None
    births: dict[str, ServiceBirth] = field(default_factory=dict)
    summaries: dict[str, GroupSummary] = field(default_factory=dict)
    statuses: dict[str, dict[str, NodeStatus]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    unpolled: dict[str, str] = field(default_factory=dict)

    def worker(self, group: str) -> ServiceBirth | None:
        """Return the birth of a group's worker."""
        return self.births.get(f"{Service.SYNC}/{group}")

    def unserved(self, group: str) -> str | None:
        """Return why nobody looks after a group, or None where its worker is there."""
        if self.is_served(group):
            return None
        name = f"{Service.SYNC}/{group}"
        return f"no worker serves it: {absence(name, self.births.get(name))}"

    def is_served(self, group: str) -> bool:
        """Return whether a group's worker is there."""
        return is_online(self.worker(group))

    def is_blind(self, group: str) -> bool:
        """Return whether a group's worker is there and knows the state of none of its nodes."""
        statuses = self.statuses.get(group, {}).values()
        return self.is_served(group) and all(status.state is NodeState.UNKNOWN for status in statuses)

    def groups(self) -> dict[str, list[str]]:
        """Return the nodes of each group, of the registry and those of which something is left."""
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for group, members in (self.registry.groups if self.registry else {}).items():
            found[group] = dict.fromkeys(members)
        for group, statuses in self.statuses.items():
            found[group].update(dict.fromkeys(statuses))
        for group in self.summaries:
            found.setdefault(group, {})
        return {group: list(nodes) for group, nodes in found.items()}


def is_online(birth: ServiceBirth | None) -> bool:
    """Return whether a service is there."""
    return birth is not None and birth.state is ServiceState.ONLINE


def absence(name: str, birth: ServiceBirth | None) -> str:
    """Return what has become of a service; its birth tells since when it was there, not when it went."""
    if birth is None:
        return f"{name} has never been online"
    word = {ServiceState.OFFLINE: "was stopped", ServiceState.LOST: "is lost"}.get(birth.state, "is online")
    return f"{name} {word}{f', it ran on {birth.host}' if birth.host else ''}"


async def read_picture(client: Client, *, statuses: bool = True) -> Picture:
    """Read everything in one go.

    Parameters
    ----------
    client
        Connected.
    statuses
        Whether those of the nodes are wanted too.
    """
    kinds = (REGISTRY, *BIRTHS, *((GROUP_SUMMARY, NODE_STATUS) if statuses else ()))
    picture = Picture(unreadable=client.unreadable)
    registry = None
    for params, payload in await client.read(*kinds):
        match payload:
            case Registry():
                registry = payload
            case ServiceBirth():
                picture.births["/".join(params.values())] = payload
            case GroupSummary():
                picture.summaries[params["group"]] = payload
            case NodeStatus():
                picture.statuses.setdefault(params["group"], {})[params["node"]] = payload
    picture = replace(picture, registry=registry)
    if statuses:
        await _look_for_pollers(client, picture)
    return picture


async def _look_for_pollers(client: Client, picture: Picture) -> None:
    """Find the groups that no poller asks: nothing that was observed there is of a poller that is online.

    Only where nothing is known of any node, which is what follows from it.
    """
    pollers = {
        birth.boot
        for name, birth in picture.births.items()
        if name.startswith(f"{Service.POLLER}/") and is_online(birth)
    }
    for group in [group for group, nodes in picture.groups().items() if nodes and picture.is_blind(group)]:
        observed = await client.read(NODE_OBSERVED, group=group)
        if pollers.isdisjoint(one.boot for _, one in observed):
            picture.unpolled[group] = UNPOLLED
