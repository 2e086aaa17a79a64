"""Renderer and poller: what they say on the broker, and when; written down anew from the design."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.json import encode

from conche.contract import (
    NODE_DESIRED,
    NODE_OBSERVED,
    REGISTRY,
    SERVICE,
    SERVICE_BEAT,
    SERVICE_INSTANCE,
    SWEEP,
    Beat,
    DesiredConfig,
    Observed,
    Payload,
    Reach,
    RegisteredNode,
    Registry,
    ServiceBirth,
    ServiceState,
    Sweep,
)

from .broker import WILL_S, Broker
from .configs import BROKEN, Config

if TYPE_CHECKING:
    from .machines import Machine

GROUP = "cx"
ROOT = "conche"
RECONNECT_S = 0.4
RENDER_S = 0.02
"""For each node, at a start [s]."""


class Speaker:
    """One service that owns retained topics, and says them again to a broker that has others."""

    def __init__(self, broker: Broker, *, birth_topic: str, name: str, wall: Callable[[], datetime]) -> None:
        self.broker = broker
        self.alive = False
        self.boot = ""
        self._name = name
        self._birth_topic = birth_topic
        self._boots = 0
        self._wall = wall
        self._since = wall()
        self._owned: dict[str, bytes] = {}
        self._connected = False
        self._loop = asyncio.get_running_loop()
        self._timers: set[asyncio.TimerHandle] = set()
        broker.on_up.append(self._reconnect)

    def start(self) -> None:
        """Come up as a new process, unless one is there."""
        if not self.alive:
            self._start()

    def _start(self) -> None:
        self._boots += 1
        self.boot, self.alive, self._since = f"{self._name}{self._boots}", True, self._wall()
        self._owned = {}
        self._reconnect()

    def die(self) -> None:
        """Be killed; the broker says so a little later."""
        self.alive = self._connected = False
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._loop.call_later(WILL_S, self._last_will, self.boot)

    def _last_will(self, boot: str) -> None:
        if boot == self.boot and not self.alive:
            self.broker.publish(self._birth_topic, self._birth(ServiceState.LOST), retain=True)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        def act() -> None:
            self._timers.discard(timer)
            action()

        timer = self._loop.call_later(seconds, act)
        self._timers.add(timer)

    def _reconnect(self) -> None:
        self._connected = False
        if self.alive and self.broker.up:
            self._later(RECONNECT_S, self._connect)

    def _connect(self) -> None:
        if not self.broker.up or self._connected:
            return
        self._connected = True
        self._owned[self._birth_topic] = self._birth(ServiceState.ONLINE)
        self.on_connected()
        for topic, payload in self._owned.items():
            if self.broker.retained.get(topic) != payload:
                self.broker.publish(topic, payload, retain=True)

    def on_connected(self) -> None:
        """Do what belongs to a new connection."""

    @property
    def speaks(self) -> bool:
        """Whether what it says reaches the broker."""
        return self.alive and self._connected and self.broker.up

    def own(self, topic: str, payload: Payload | None) -> None:
        """Have something stand on a topic, or nothing."""
        data = encode(payload) if payload is not None else b""
        if payload is None:
            self._owned.pop(topic, None)
        else:
            self._owned[topic] = data
        if self.speaks and self.broker.retained.get(topic, b"") != data:
            self.broker.publish(topic, data, retain=True)

    def _birth(self, state: ServiceState) -> bytes:
        return encode(ServiceBirth(state=state, boot=self.boot, since=self._since))


class Renderer(Speaker):
    """Says which nodes there are and what each should run; its directory outlives it."""

    def __init__(self, broker: Broker, *, wall: Callable[[], datetime]) -> None:
        topic = f"{ROOT}/{SERVICE.topic(service='renderer')}"
        super().__init__(broker, birth_topic=topic, name="renderer", wall=wall)
        self.nodes: dict[str, RegisteredNode] = {}
        self.wanted: dict[str, Config | None] = {}
        """What stands in the directory; None for a file that can't be rendered."""
        self.registry_error: str | None = None
        self._rendered: set[str] = set()

    def _start(self) -> None:
        super()._start()
        self._rendered = set()
        self._later(0.0, self._say_registry)
        self._later(0.1, self._render_next)
        self._later(1.0, self._beat)

    def _render_next(self) -> None:
        left = sorted(self.nodes.keys() - self._rendered)
        if left:
            self._rendered.add(left[0])
            self._say(left[0])
            self._later(RENDER_S, self._render_next)

    def _beat(self) -> None:
        if self.speaks:
            beat = Beat(boot=self.boot, period_s=1.0)
            self.broker.publish(
                f"{ROOT}/{SERVICE_BEAT.topic(service='renderer', instance='-')}", encode(beat)
            )
        self._later(1.0, self._beat)

    def on_connected(self) -> None:
        """Clear what stands there of nodes that are gone."""
        prefix = f"{ROOT}/{NODE_DESIRED.topic(group=GROUP, node='')}"
        for topic in [t for t in self.broker.retained if t.startswith(prefix)]:
            if topic.removeprefix(prefix) not in self.nodes:
                self.broker.publish(topic, b"", retain=True)

    # --- what changes in its directory

    def want(self, config: Config | None, *names: str) -> None:
        """Have nodes run a config; all of them where none is named."""
        for name in names or tuple(self.nodes):
            self.wanted[name] = config
            if self.alive and name in self._rendered:
                self._say(name)

    def set_nodes(self, nodes: dict[str, RegisteredNode], error: str | None = None) -> None:
        """Take another ``nodes.yaml``; the registry comes first, before anything is rendered."""
        gone = self.nodes.keys() - nodes.keys()
        self.nodes, self.registry_error = dict(nodes), error
        if not self.alive:
            return
        self._say_registry()
        for name in gone:
            self._rendered.discard(name)
            self.own(self._desired_topic(name), None)
        for name in sorted(nodes.keys() - self._rendered):
            self._rendered.add(name)
            self._say(name)

    def break_registry(self, error: str | None) -> None:
        """Have ``nodes.yaml`` broken, or mended."""
        self.set_nodes(self.nodes, error)

    def desired(self, name: str) -> DesiredConfig:
        config = self.wanted.setdefault(name, Config())
        if config is None:
            return DesiredConfig(boot=self.boot, source="cx/base.j2", error=BROKEN)
        return config.desired(self.boot)

    def _say(self, name: str) -> None:
        if name in self.nodes:
            self.own(self._desired_topic(name), self.desired(name))

    def _say_registry(self) -> None:
        registry = Registry(boot=self.boot, groups={GROUP: self.nodes}, error=self.registry_error)
        self.own(f"{ROOT}/{REGISTRY.topic()}", registry)

    def _desired_topic(self, name: str) -> str:
        return f"{ROOT}/{NODE_DESIRED.topic(group=GROUP, node=name)}"


class Poller(Speaker):
    """Says what each node of the registry runs, at once when it changes and with a sweep after each round."""

    PERIOD_S = 2.0

    def __init__(
        self,
        broker: Broker,
        *,
        renderer: Renderer,
        machines: "dict[str, Machine]",
        wall: Callable[[], datetime],
    ) -> None:
        topic = f"{ROOT}/{SERVICE_INSTANCE.topic(service='poller', instance='main')}"
        super().__init__(broker, birth_topic=topic, name="poller", wall=wall)
        self._renderer = renderer
        self._machines = machines
        self._sweeps = 0
        self._said: dict[str, Observed] = {}

    def _start(self) -> None:
        super()._start()
        self._said = {}
        self._later(RECONNECT_S + 0.1, self._round)

    def on_connected(self) -> None:
        """Say everything again: the broker may have something else."""
        self._said = {}

    def observe(self) -> None:
        """Ask every node, and say what is new."""
        self._sweeps += 1
        for name, entry in self._renderer.nodes.items():
            seen = self._look(entry)
            before = self._said.get(name)
            topic = f"{ROOT}/{NODE_OBSERVED.topic(group=GROUP, node=name)}"
            if before is None or before != Observed(boot=self.boot, sweep=before.sweep, **seen):
                self._said[name] = Observed(boot=self.boot, sweep=self._sweeps, **seen)
                self.own(topic, self._said[name])

    def _look(self, entry: RegisteredNode) -> dict[str, object]:
        machine = self._machines.get(f"{entry.host}:{entry.port}")
        if machine is None:
            return {"reach": Reach.UNREACHABLE}
        return machine.observed()

    def _round(self) -> None:
        if self.speaks:
            self.observe()
            self._sweep()
        self._later(self.PERIOD_S, self._round)

    def _sweep(self) -> None:
        sweep = Sweep(
            boot=self.boot,
            number=self._sweeps,
            groups=[GROUP],
            at=self._wall(),
            took_s=0.1,
            polled=len(self._renderer.nodes),
            unreachable=0,
            overrun=False,
            period_s=self.PERIOD_S,
        )
        self.broker.publish(f"{ROOT}/{SWEEP.topic(instance='main')}", encode(sweep))
