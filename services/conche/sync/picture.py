"""Who speaks for the picture: whether renderer and poller are there, and whether what they said still counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from conche.contract import (
    DesiredConfig,
    Observed,
    RegisteredNode,
    Registry,
    Service,
    ServiceBirth,
    ServiceState,
    Sweep,
)

STALE_PERIODS: Final = 3.0
"""A sweep that is older than so many of its periods says that the poller is away."""


MAX_RENDERERS: Final = 4
"""Renderers whose registry is remembered until it is clear which of them is there."""

UNHEARD: Final = "nothing is begun before the renderer is heard: what stands on the broker may be old"


@dataclass(frozen=True, slots=True)
class _Heard:
    """A sweep and when it was heard, by this process's own clock: clocks of machines differ."""

    sweep: Sweep
    at: float
    instance: str

    def fresh(self, now: float) -> bool:
        return now - self.at <= STALE_PERIODS * self.sweep.period_s


class Sources:
    """What one group's worker knows of renderer and pollers.

    What is found on the broker at a connection may be older than what its owner has, where the broker came back
    with an old store. It counts once the renderer's heartbeat is heard on that connection, which says that all
    that stands there is as the renderer wants it.

    Parameters
    ----------
    group
        Only pollers that serve it count.
    """

    def __init__(self, group: str) -> None:
        self.registry: Registry | None = None
        self._group = group
        self._renderer: ServiceBirth | None = None
        self._pollers: dict[str, ServiceBirth] = {}
        self._heard: _Heard | None = None
        self._now = 0.0
        self._last: tuple[object, ...] = ()
        self._said: dict[str, Registry] = {}
        """The last registry that was heard of each renderer, by boot."""
        self._found: dict[str, Registry] = {}
        """The same, of those that were only found."""
        self._doubted: ServiceBirth | None = None
        """A renderer that was only found, and seems to be older than the one that is known."""

    def on_disconnection(self) -> None:
        """Take that the broker is away: what was found there and not confirmed counts no more."""
        self._found.clear()
        self._doubted = None

    def on_birth(self, params: Mapping[str, str], birth: ServiceBirth | None, *, heard: bool) -> bool:
        """Take that renderer or poller came or went; return whether another registry is to be followed.

        Parameters
        ----------
        heard
            Whether it was said just now; what is found on the broker may be old.
        """
        if params["service"] == Service.RENDERER:
            if birth is not None and self._succeeds(birth, heard=heard):
                self._renderer, self._doubted = birth, None
                return self._pick_registry()
            if not heard:
                self._doubted = birth
        elif birth is None:
            self._pollers.pop(params["instance"], None)
        else:
            self._pollers[params["instance"]] = birth
        return False

    def _succeeds(self, birth: ServiceBirth, *, heard: bool) -> bool:
        """Return whether a renderer's birth is news, and not an old one or the last will of a predecessor."""
        before = self._renderer
        if before is None or birth.boot == before.boot:
            return True
        if heard:
            return birth.state is ServiceState.ONLINE
        return birth.since > before.since

    def on_registry(self, registry: Registry, *, heard: bool) -> bool:
        """Take a registry; return whether another one is to be followed."""
        self._found.pop(registry.boot, None)
        kept = self._said if heard else self._found
        kept[registry.boot] = registry
        while len(kept) > MAX_RENDERERS:
            del kept[next(iter(kept))]
        return self._pick_registry()

    def on_beat(self, boot: str) -> bool:
        """Take that the renderer is there and what was found of it is what it says; return as `on_registry`."""
        if self._doubted is not None and self._doubted.boot == boot:  # clocks step; who beats is there
            self._renderer, self._doubted = self._doubted, None
        if self._renderer is None or self._renderer.boot != boot:
            return False
        registry = self._found.pop(boot, None)
        if registry is not None:
            self._said[boot] = registry
        return self._pick_registry()

    def _pick_registry(self) -> bool:
        """Follow the registry of the renderer that is there; one that was found will do for a beginning."""
        boot = self._renderer.boot if self._renderer is not None else ""
        found = self._said.get(boot)
        if found is None and not self._follows_said():
            found = self._found.get(boot) or next(iter(reversed(self._found.values())), None)
        if found is None or found is self.registry:
            return False
        self.registry = found
        return True

    def _follows_said(self) -> bool:
        return self.registry is not None and self._said.get(self.registry.boot) is self.registry

    def on_sweep(self, params: Mapping[str, str], sweep: object, now: float) -> None:
        """Take a poller's heartbeat, heard at a monotonic time [s]."""
        if isinstance(sweep, Sweep) and self._group in sweep.groups:
            self._heard = _Heard(sweep, now, params["instance"])

    def changed(self, now: float) -> bool:
        """Move to a monotonic time [s]; return whether anything that is decided here came out differently."""
        self._now = now
        current = (self.renderer_sure(), self.renderer_lives(), self._poller_boots(), self._poller_away())
        changed, self._last = current != self._last, current
        return changed

    def entry(self, name: str) -> RegisteredNode | None:
        """Return the registry's entry of a node of this group."""
        return self.registry.groups.get(self._group, {}).get(name) if self.registry else None

    def renderer_lives(self) -> bool:
        """Return whether the registry is that of a renderer that is there."""
        return (
            self.registry is not None
            and self._renderer is not None
            and self._renderer.state is ServiceState.ONLINE
            and self._renderer.boot == self.registry.boot
        )

    def renderer_sure(self) -> bool:
        """Return whether, moreover, the registry was heard from it and is not an old message of the broker."""
        return self.renderer_lives() and self._follows_said()

    def speaks_for(self, desired: DesiredConfig | None) -> bool:
        """Return whether a desired config is that of a renderer that is there."""
        return (
            desired is not None
            and self.registry is not None
            and self.renderer_lives()
            and desired.boot == self.registry.boot
        )

    def says_surely(self, desired: DesiredConfig | None) -> bool:
        """Return whether, moreover, the registry was heard from it: the addresses in one that was found may be old."""
        return self.speaks_for(desired) and self._follows_said()

    def unready(self, desired: DesiredConfig | None) -> str | None:
        """Return why a node can't be judged yet of which no desired config was ever confirmed, or None."""
        if not self.renderer_lives():
            return "the renderer is not there, so nobody knows what it should run"
        if not self.speaks_for(desired):
            trouble = f" ({self.registry.error})" if self.registry and self.registry.error else ""
            return f"the renderer has not said yet what it should run{trouble}"
        return None

    def blind(self, observed: Observed | None) -> str | None:
        """Return why what is known of a node can't be trusted, or None."""
        away = self._poller_away()
        if away is not None:
            return away
        if observed is None or observed.boot not in self._poller_boots():
            return "not yet polled"
        return None

    def _poller_away(self) -> str | None:
        heard = self._heard
        if heard is None:
            return f"no poller has asked the nodes of {self._group} yet"
        if not heard.fresh(self._now):
            return "the poller is away: what runs now is not known"
        birth = self._pollers.get(heard.instance)
        if birth is not None and birth.boot == heard.sweep.boot and birth.state is not ServiceState.ONLINE:
            return f"the poller is {birth.state}: what runs now is not known"
        return None

    def _poller_boots(self) -> tuple[str, ...]:
        """Boots whose observations count: that of the last sweep, and that of a poller that has just come up."""
        if self._heard is None:
            return ()
        birth = self._pollers.get(self._heard.instance)
        return (self._heard.sweep.boot, *([birth.boot] if birth is not None else []))
