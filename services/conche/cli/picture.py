"""What the broker holds about services, registry, groups and nodes, as one value."""

from collections import defaultdict
from dataclasses import dataclass, field

from conche.bus.client import Client
from conche.contract import (
    BIRTHS,
    GROUP_SUMMARY,
    NODE_STATUS,
    REGISTRY,
    GroupSummary,
    NodeStatus,
    Registry,
    Service,
    ServiceBirth,
    ServiceState,
)


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
    """

    registry: Registry | None = None
    births: dict[str, ServiceBirth] = field(default_factory=dict)
    summaries: dict[str, GroupSummary] = field(default_factory=dict)
    statuses: dict[str, dict[str, NodeStatus]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def worker(self, group: str) -> ServiceBirth | None:
        """Return the birth of a group's worker."""
        return self.births.get(f"{Service.SYNC}/{group}")

    def is_served(self, group: str) -> bool:
        """Return whether a group's worker is there."""
        return is_online(self.worker(group))

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
    return Picture(registry, picture.births, picture.summaries, picture.statuses, client.unreadable)
