"""What the broker holds, as the gateway knows it: kept up to date, and never made up."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, TypeVar

from conche.bus.intake import Handler
from conche.client.picture import absence, is_online
from conche.contract import (
    BIRTHS,
    EOP,
    FPGA,
    GROUP_SUMMARY,
    NODE_DESIRED,
    NODE_OBSERVED,
    NODE_STATUS,
    REGISTRY,
    SWEEP,
    DesiredConfig,
    EopStatus,
    FpgaStatus,
    GroupSummary,
    Message,
    NodeStatus,
    Observed,
    Payload,
    Reach,
    RegisteredNode,
    Registry,
    Service,
    ServiceBirth,
    Sweep,
)

PayloadT = TypeVar("PayloadT", bound=Payload)

Key = tuple[str, str]
"""Group and node."""


class Reader(Protocol):
    """What reading needs of the bus."""

    def subscribe(self, message: Message[PayloadT], handler: Handler[PayloadT], **only: str) -> None:
        """Read a kind of message."""


class Picture:
    """What was said last of everything.

    Attributes
    ----------
    registry
        None where no renderer has ever published one.
    births
        By name: ``renderer``, ``poller/main``, ``sync/cx``.
    summaries
        By group.
    statuses, observed, desired
        By group and node.
    fpga, eop
        None where their service has never said anything.
    changes
        Counts up with each message: who has made something of the picture sees by it whether that is old.
    """

    def __init__(self) -> None:
        self.registry: Registry | None = None
        self.births: dict[str, ServiceBirth] = {}
        self.summaries: dict[str, GroupSummary] = {}
        self.statuses: dict[Key, NodeStatus] = {}
        self.observed: dict[Key, Observed] = {}
        self.desired: dict[Key, DesiredConfig] = {}
        self.fpga: FpgaStatus | None = None
        self.eop: EopStatus | None = None
        self.changes = 0
        self._swept: dict[str, datetime] = {}
        """When the nodes of a group were asked last."""
        self._left: dict[Key, datetime] = {}
        """When a node that does not answer did so last."""

    def subscribe(self, bus: Reader) -> None:
        """Set up what is read."""
        bus.subscribe(REGISTRY, self.on_registry)
        bus.subscribe(NODE_STATUS, self.on_status)
        bus.subscribe(NODE_OBSERVED, self.on_observed)
        bus.subscribe(NODE_DESIRED, self.on_desired)
        bus.subscribe(GROUP_SUMMARY, self.on_summary)
        bus.subscribe(SWEEP, self.on_sweep)
        bus.subscribe(FPGA, self.on_fpga)
        bus.subscribe(EOP, self.on_eop)
        for message in BIRTHS:
            bus.subscribe(message, self.on_birth)

    # --- what comes in

    def on_registry(self, _params: Mapping[str, str], registry: Registry | None) -> None:
        """Take which nodes there are; an absent registry changes nothing."""
        if registry is not None:
            self.registry = registry
            self.changes += 1

    def on_status(self, params: Mapping[str, str], status: NodeStatus | None) -> None:
        """Take how a node is."""
        _set(self.statuses, _key(params), status)
        self.changes += 1

    def on_observed(self, params: Mapping[str, str], observed: Observed | None) -> None:
        """Take what the poller saw."""
        key = _key(params)
        if (seen := self.last_seen(key)) is not None:
            self._left[key] = seen
        _set(self.observed, key, observed)
        if observed is None:
            self._left.pop(key, None)
        self.changes += 1

    def on_desired(self, params: Mapping[str, str], desired: DesiredConfig | None) -> None:
        """Take what a node should run."""
        _set(self.desired, _key(params), desired)
        self.changes += 1

    def on_summary(self, params: Mapping[str, str], summary: GroupSummary | None) -> None:
        """Take a group in one line."""
        _set(self.summaries, params["group"], summary)
        self.changes += 1

    def on_sweep(self, _params: Mapping[str, str], sweep: Sweep | None) -> None:
        """Take that a poller has asked all its nodes."""
        if sweep is not None:
            self._swept |= dict.fromkeys(sweep.groups, sweep.at)
            self.changes += 1

    def on_fpga(self, _params: Mapping[str, str], status: FpgaStatus | None) -> None:
        """Take how the FPGA master is."""
        self.fpga = status
        self.changes += 1

    def on_eop(self, _params: Mapping[str, str], status: EopStatus | None) -> None:
        """Take how the Earth-orientation table is."""
        self.eop = status
        self.changes += 1

    def on_birth(self, params: Mapping[str, str], birth: ServiceBirth | None) -> None:
        """Take that a service came or went."""
        _set(self.births, "/".join(params.values()), birth)
        self.changes += 1

    # --- what follows

    @property
    def groups(self) -> Mapping[str, Mapping[str, RegisteredNode]]:
        """The nodes that there are."""
        return self.registry.groups if self.registry is not None else {}

    def last_seen(self, key: Key) -> datetime | None:
        """Return when a node's REST server answered last, as far as this process knows."""
        observed = self.observed.get(key)
        if observed is not None and observed.reach is Reach.OK:
            return self._swept.get(key[0])
        return self._left.get(key)

    def away(self, service: str) -> str | None:
        """Return why a service can't answer, or None where it is there."""
        birth = self.births.get(service)
        return None if is_online(birth) else absence(service, birth)

    def unserved(self, group: str) -> str | None:
        """Return why nobody looks after a group, or None where its worker is there."""
        why = self.away(f"{Service.SYNC}/{group}")
        return None if why is None else f"no worker serves it: {why}"


def _key(params: Mapping[str, str]) -> Key:
    return params["group"], params["node"]


KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


def _set(known: dict[KeyT, ValueT], key: KeyT, value: ValueT | None) -> None:
    if value is None:
        known.pop(key, None)
    else:
        known[key] = value
