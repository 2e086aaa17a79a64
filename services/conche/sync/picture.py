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
        self._registries: dict[str, Registry] = {}
        """The last registry of each renderer that was heard of lately, by boot."""
        self.registry_heard = False
        """Whether the registry was heard from its renderer, and not found on the broker."""

    def on_birth(self, params: Mapping[str, str], birth: ServiceBirth | None, *, heard: bool) -> None:
        """Take that renderer or poller came or went.

        Parameters
        ----------
        heard
            Whether it was said just now; what is found on the broker may be old.
        """
        if params["service"] == Service.RENDERER:
            if birth is not None and self._succeeds(birth, heard=heard):
                self._renderer = birth
                self._pick_registry(heard=False)
        elif birth is None:
            self._pollers.pop(params["instance"], None)
        else:
            self._pollers[params["instance"]] = birth

    def _succeeds(self, birth: ServiceBirth, *, heard: bool) -> bool:
        """Return whether a renderer's birth is news, and not an old one or the last will of a predecessor."""
        before = self._renderer
        if before is None or birth.boot == before.boot:
            return True
        if heard:
            return birth.state is ServiceState.ONLINE
        return birth.since > before.since

    def on_registry(self, registry: Registry | None, *, heard: bool) -> bool:
        """Take a registry; return whether it is to be followed. An absent one changes nothing."""
        if registry is None:
            return False
        self._registries[registry.boot] = registry
        while len(self._registries) > MAX_RENDERERS:
            del self._registries[next(iter(self._registries))]
        return self._pick_registry(heard=heard)

    def _pick_registry(self, *, heard: bool) -> bool:
        """Follow the registry of the renderer that is there; before it is known, whichever there is."""
        boot = self._renderer.boot if self._renderer is not None else None
        found = self._registries.get(boot or "")
        if found is None and self.registry is None and self._registries:
            found = next(reversed(self._registries.values()))
        if found is None or found is self.registry:
            return False
        self.registry, self.registry_heard = found, heard
        return True

    def on_sweep(self, params: Mapping[str, str], sweep: object, now: float) -> None:
        """Take a poller's heartbeat, heard at a monotonic time [s]."""
        if isinstance(sweep, Sweep) and self._group in sweep.groups:
            self._heard = _Heard(sweep, now, params["instance"])

    def changed(self, now: float) -> bool:
        """Move to a monotonic time [s]; return whether anything that is decided here came out differently."""
        self._now = now
        current = (self.renderer_lives(), self._poller_boots(), self._poller_away())
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

    def confirms(self, desired: DesiredConfig | None) -> bool:
        """Return whether a desired config is that of a renderer that is there."""
        return (
            desired is not None
            and self.registry is not None
            and self.renderer_lives()
            and desired.boot == self.registry.boot
        )

    def unready(self, *, confirmed: bool) -> str | None:
        """Return why a node can't be judged yet, or None; once confirmed, a renderer may come and go."""
        if confirmed:
            return None
        if not self.renderer_lives():
            return "the renderer is not there, so nobody knows what it should run"
        return "the renderer has not said yet what it should run"

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
