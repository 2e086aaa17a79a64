"""What the bus says now, as far as alerts follow from it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from conche.contract import (
    EopStatus,
    FpgaStatus,
    NodeStatus,
    Registry,
    Service,
    ServiceBirth,
    ServiceState,
    Sweep,
)
from conche.contract.alerts import OVERRUN_OVER_S, OVERRUN_SHARE

DROPS_LAST_S: Final = 300.0
"""So long a drop is news: when the broker has thrown nothing away since, the alert ends [s]."""

MAX_SWEEPS: Final = 1_500
"""Of a poller that are kept: five minutes' of one that takes no more than 0.2 s for each."""


@dataclass(frozen=True, slots=True)
class Born:
    """What a service says of itself, and since when this is known [s]."""

    birth: ServiceBirth
    heard_s: float


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep, and when it was heard [s]."""

    sweep: Sweep
    heard_s: float


class Sweeps:
    """What was heard of a poller's sweeps lately."""

    def __init__(self) -> None:
        self._heard: deque[Swept] = deque(maxlen=MAX_SWEEPS)

    def take(self, sweep: Sweep, *, now_s: float) -> None:
        """Take one."""
        self._heard.append(Swept(sweep, now_s))

    @property
    def last(self) -> Swept | None:
        """The last one, however long ago; None for none."""
        return self._heard[-1] if self._heard else None

    def lately(self, now_s: float) -> list[Sweep]:
        """Return those by which it is judged whether a poller gets round."""
        return [one.sweep for one in self._heard if now_s - one.heard_s < OVERRUN_OVER_S]

    def overrun(self, now_s: float) -> Sweep | None:
        """Return the last that was overrun, where too many were; else None."""
        lately = self.lately(now_s)
        overrun = [sweep for sweep in lately if sweep.overrun]
        return overrun[-1] if len(overrun) > OVERRUN_SHARE * len(lately) else None


@dataclass(frozen=True, slots=True)
class Drops:
    """The broker's count of messages that it threw away.

    Parameters
    ----------
    count
        As it said last.
    before
        As it was before it began to rise.
    risen_s
        When it rose last; None for never [s].
    """

    count: int
    before: int
    risen_s: float | None = None

    def after(self, count: int, *, now_s: float) -> "Drops":
        """Return what follows from another figure; a lower one is that of a broker that was started anew."""
        if count == self.count or (count < self.count and count == 0):
            return Drops(count, min(self.before, count), self.risen_s)
        base = self.count if count > self.count else 0
        goes_on = self.lasts(now_s) and count > self.count
        return Drops(count, self.before if goes_on else base, now_s)

    def lasts(self, now_s: float) -> bool:
        """Return whether the last drop is news."""
        return self.risen_s is not None and now_s - self.risen_s < DROPS_LAST_S


@dataclass(slots=True)
class Picture:
    """All that alerts are made of.

    Parameters
    ----------
    period_s
        In which pollers are expected to sweep, until they say it themselves [s].
    """

    period_s: float
    registry: Registry | None = None
    statuses: dict[tuple[str, str], NodeStatus] = field(default_factory=dict)
    births: dict[str, Born] = field(default_factory=dict)
    """By service, or by service and instance, as in ``poller/main``."""
    sweeps: dict[str, Sweeps] = field(default_factory=dict)
    """By instance."""
    fpga: FpgaStatus | None = None
    eop: EopStatus | None = None
    drops: Drops | None = None
    listening_s: float | None = None
    """Since when everything is heard; None while the broker is away, or what stands there may be old [s]."""
    away: str | None = None
    """Why the broker is away; None while it is there."""

    @property
    def nodes(self) -> Mapping[str, Mapping[str, object]]:
        """Nodes by group; nothing where there is no registry."""
        return self.registry.groups if self.registry is not None else {}

    def is_registered(self, group: str, node: str) -> bool:
        """Return whether there is such a node."""
        return node in self.nodes.get(group, {})

    def has_worker(self, group: str) -> bool:
        """Return whether somebody acts on a group's nodes, and says how they are."""
        return self.is_online(f"{Service.SYNC}/{group}")

    def is_online(self, name: str) -> bool:
        """Return whether a service is there."""
        born = self.births.get(name)
        return born is not None and born.birth.state is ServiceState.ONLINE

    def take_birth(self, name: str, birth: ServiceBirth | None, *, now_s: float) -> None:
        """Take what a service says of itself; None where that was cleared."""
        if birth is None:
            self.births.pop(name, None)
            service, _, instance = name.partition("/")
            if service == Service.POLLER:
                self.sweeps.pop(instance, None)
            return
        known = self.births.get(name)
        same = known is not None and (known.birth.boot, known.birth.state) == (birth.boot, birth.state)
        self.births[name] = Born(birth, known.heard_s if same and known is not None else now_s)

    def take_sweep(self, instance: str, sweep: Sweep, *, now_s: float) -> None:
        """Take that a poller has asked all its nodes."""
        self.sweeps.setdefault(instance, Sweeps()).take(sweep, now_s=now_s)

    def take_dropped(self, count: int, *, now_s: float) -> None:
        """Take the broker's count; the first that is heard tells nothing."""
        self.drops = Drops(count, count) if self.drops is None else self.drops.after(count, now_s=now_s)
