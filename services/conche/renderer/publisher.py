"""What the renderer says on the broker."""

from typing import Protocol, TypeVar

from msgspec import Raw
from msgspec.structs import replace

from conche.contract import NODE_DESIRED, REGISTRY, DesiredConfig, Message, Payload, RegisteredNode, Registry

from .forcing import Forced
from .nodes import Nodes
from .render import Rendered

PayloadT = TypeVar("PayloadT", bound=Payload)


class Bus(Protocol):
    """What the renderer asks of the bus."""

    @property
    def boot(self) -> str:
        """Name of this process."""

    async def run(self) -> None:
        """Stay connected."""

    async def picture_complete(self) -> None:
        """Wait until everything retained is in."""

    def own(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> None:
        """Set a retained state; it is published where the broker holds something else."""

    def disown(self, message: Message[PayloadT], **params: str) -> None:
        """Clear one."""

    def found(self, message: Message[PayloadT]) -> list[tuple[dict[str, str], PayloadT]]:
        """Return what stands on the own topics."""

    def clear_unowned(self, message: Message[PayloadT], **only: str) -> None:
        """Clear, from now on, what stands there and is not owned."""


class Publisher:
    """Puts registry and desired configs on the broker.

    Parameters
    ----------
    bus
        The broker.
    forced
        Wishes that refused values be tried once more.
    """

    def __init__(self, bus: Bus, *, forced: Forced) -> None:
        self._bus = bus
        self._forced = forced
        self.groups: dict[str, dict[str, RegisteredNode]] | None = None
        """Groups of the registry that was published; None before."""
        self._said: set[tuple[str, str]] = set()

    def last_registry(self) -> Registry | None:
        """Return the registry that stands on the broker."""
        return next((registry for _, registry in self._bus.found(REGISTRY)), None)

    def registry(self, registry: Registry) -> None:
        """Publish which nodes there are."""
        self.groups = registry.groups
        self._bus.own(REGISTRY, registry)

    def desired(self, rendered: Rendered) -> None:
        """Publish what a node should run, or why that can't be told."""
        desired = DesiredConfig(
            boot=self._bus.boot,
            source=rendered.source,
            error=rendered.error,
            warnings=rendered.warnings,
        )
        if rendered.config is not None and rendered.fingerprint is not None:
            desired = replace(
                desired,
                revision=rendered.fingerprint.revision,
                base=rendered.fingerprint.base,
                updatable=rendered.fingerprint.updatable,
                config=Raw(rendered.config),
                forced=self._forced.of(rendered),
            )
        self._own(desired, rendered.node.group, rendered.node.name)

    def unknown(self, registry: Registry) -> None:
        """Publish that what the nodes of a registry should run can't be told: so they can at least be stopped."""
        desired = DesiredConfig(boot=self._bus.boot, error=f"not rendered: {registry.error}")
        for group, members in registry.groups.items():
            for name in members:
                self._own(desired, group, name)

    def gone(self, nodes: Nodes) -> None:
        """Clear what this process has said of nodes that are not there, or no longer."""
        for group, name in self._said - {(node.group, node.name) for node in nodes}:
            self._bus.disown(NODE_DESIRED, group=group, node=name)
            self._said.remove((group, name))

    def all_said(self) -> None:
        """Clear, from now on, what stands there of nodes that nobody knows; call when all have been rendered."""
        self._bus.clear_unowned(NODE_DESIRED)

    def _own(self, desired: DesiredConfig, group: str, name: str) -> None:
        self._bus.own(NODE_DESIRED, desired, group=group, node=name)
        self._said.add((group, name))
