"""What the worker was told and may act on: rule 3 of the design, worked out from what was delivered to it."""

from collections import defaultdict
from typing import TypeVar

from msgspec import Struct
from msgspec.json import decode

from conche.bus.link import Incoming
from conche.contract import (
    NODE_DESIRED,
    REGISTRY,
    SERVICE_BEAT,
    Beat,
    DesiredConfig,
    RegisteredNode,
    Registry,
)

from .speakers import GROUP, ROOT
from .world import World

ValueT = TypeVar("ValueT", DesiredConfig, Registry)

LAG_S = 0.02
"""A message may be on its way through the worker, or a step that it began before may still be under way [s]."""

POSTS_S = 5.0
"""Each post of an update may be answered late [s]."""


class Said(Struct):
    """Values of one thing, with when each was said."""

    values: list[tuple[float, object]]

    def at(self, now: float, *, lag_s: float = LAG_S) -> list[object]:
        """Return what may count at a time: the last value, and those that it has only just replaced."""
        found = []
        for index in range(len(self.values) - 1, -1, -1):
            since, value = self.values[index]
            found.append(value)
            if since < now - lag_s:
                break
        return found

    def say(self, now: float, value: object) -> None:
        if not self.values or self.values[-1][1] != value:
            self.values.append((now, value))


class Hearing:
    """What one worker after the other heard.

    What was found at a connection counts from the first beat of its renderer; what was heard before stays until then.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._worker: object = None
        self._desired: dict[str, Said] = defaultdict(lambda: Said([]))
        self._registry = Said([])
        self._found: dict[str, DesiredConfig] = {}
        self._found_registry: Registry | None = None
        self.renderer_heard = False
        """Whether this worker has heard its renderer since it was started."""
        self.epoch_since: dict[str, tuple[str, float]] = {}
        """Node to the epoch that it is in by now, and since when that is known."""
        world.broker.on_delivery.append(self._take)
        world.broker.on_down.append(self._forget_found)

    def _take(self, message: Incoming) -> None:
        world = self._world
        if world.worker is not self._worker:
            self._worker = world.worker
            self._desired.clear()
            self._registry = Said([])
            self.renderer_heard = False
            self._forget_found()
        topic = message.topic.removeprefix(f"{ROOT}/")
        live = world.worker is not None and world.worker.bus.connected
        if SERVICE_BEAT.match(topic) is not None:
            if live:
                self._confirm(decode(message.payload, type=Beat).boot)
        elif topic == REGISTRY.topic():
            self._take_registry(message, live=live)
        elif (found := NODE_DESIRED.match(topic)) is not None and message.payload:
            self._take_desired(found["node"], decode(message.payload, type=DesiredConfig), live=live)

    def _forget_found(self) -> None:
        """Take that the connection is lost: what was only found is of no account any more."""
        self._found.clear()
        self._found_registry = None

    def _take_registry(self, message: Incoming, *, live: bool) -> None:
        registry = decode(message.payload, type=Registry)
        if live:
            self._found_registry = None
            self._say_registry(registry)
        else:
            self._found_registry = registry

    def _take_desired(self, node: str, desired: DesiredConfig, *, live: bool) -> None:
        if live:
            self._found.pop(node, None)
            self._desired[node].say(self._world.now, desired)
            self.renderer_heard = True
        else:
            self._found[node] = desired

    def _confirm(self, boot: str) -> None:
        self.renderer_heard = True
        for node, desired in list(self._found.items()):
            if desired.boot == boot:
                self._desired[node].say(self._world.now, self._found.pop(node))
        if self._found_registry is not None and self._found_registry.boot == boot:
            registry, self._found_registry = self._found_registry, None
            self._say_registry(registry)

    def _say_registry(self, registry: Registry) -> None:
        now = self._world.now
        self._registry.say(now, registry)
        entries = registry.groups.get(GROUP, {})
        for name, entry in entries.items():
            if self.epoch_since.get(name, ("", 0.0))[0] != entry.epoch:
                self.epoch_since[name] = (entry.epoch, now)
        for name in self.epoch_since.keys() - entries.keys():
            del self.epoch_since[name]

    def revisions(self, node: str) -> set[str | None]:
        """Return the revisions that a node may be started with now."""
        return {desired.revision for desired in self._desired[node].at(self._world.now)}  # type: ignore[attr-defined]  # Said holds any

    def values(self, node: str, endpoint: str) -> set[str | None]:
        """Return the hashes of the values that an endpoint of a node may be given now; one goes after the other."""
        found = self._desired[node].at(self._world.now, lag_s=POSTS_S)
        return {desired.updatable.get(endpoint) for desired in found}  # type: ignore[attr-defined]  # Said holds any

    def desired_since(self, node: str) -> tuple[str | None, float]:
        """Return what a node should run, and since when that is known."""
        values = self._desired[node].values
        if not values:
            return None, self._world.now
        since, desired = values[-1]
        for earlier, value in reversed(values[:-1]):
            if value.revision != desired.revision:  # type: ignore[attr-defined]  # Said holds any
                break
            since = earlier
        return desired.revision, since  # type: ignore[attr-defined]  # Said holds any

    def entries(self, node: str) -> list[RegisteredNode | None]:
        """Return what the registry may say of a node now."""
        return [r.groups.get(GROUP, {}).get(node) for r in self._registry.at(self._world.now)]  # type: ignore[attr-defined]  # Said holds any
