"""The nodes that there are, who speaks for them, and whether what was said of them still counts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from conche.contract import (
    GroupSummary,
    NodeStatus,
    Observed,
    Reach,
    Registry,
    Sweep,
)

from .board import STALE_PERIODS, patience_s
from .nodes import Heard, Node

Key: TypeAlias = tuple[str, str]
"""Group and node."""


@dataclass(frozen=True, slots=True)
class _Swept:
    sweep: Sweep
    at: float


@dataclass
class Cluster:
    """What was said of nodes and groups.

    Parameters
    ----------
    poll_s
        Period of a poller that was not heard yet, as far as the settings tell [s].
    """

    poll_s: float
    registry: Registry | None = None
    statuses: dict[Key, NodeStatus] = field(default_factory=dict)
    observed: dict[Key, Observed] = field(default_factory=dict)
    summaries: dict[str, GroupSummary] = field(default_factory=dict)
    workers: set[str] = field(default_factory=set)
    """Groups whose worker is there."""
    _swept: dict[str, _Swept] = field(default_factory=dict)
    _periods_s: dict[str, float] = field(default_factory=dict)
    """Of each group's poller, as it said last, also before the last connection [s]."""
    _judged: dict[str, tuple[bool | None, str | None]] = field(default_factory=dict)
    _listening_since: float = 0.0

    # --- what is heard

    def listen(self, clock: float) -> None:
        """Begin to listen anew, at a monotonic time [s]: what was missed meanwhile is nobody's silence."""
        self._listening_since = clock
        self._swept.clear()
        self._judged.clear()

    def on_sweep(self, sweep: Sweep, clock: float) -> None:
        """Take a poller's heartbeat, heard at a monotonic time [s]."""
        for group in sweep.groups:
            self._swept[group] = _Swept(sweep, clock)
            self._periods_s[group] = sweep.period_s

    def rejudged(self, clock: float) -> list[str]:
        """Return groups of which it is judged otherwise than before whether their poller is there."""
        changed = []
        for group in self.groups():
            judged = self._polled(group, clock), self._boot(group)
            if self._judged.get(group) != judged:
                self._judged[group] = judged
                changed.append(group)
        return changed

    # --- what there is

    def groups(self) -> list[str]:
        """Return the groups that there are."""
        if self.registry is not None:
            return list(self.registry.groups)
        return list({group for group, _ in self.statuses} | self.summaries.keys())

    def nodes(self, groups: Iterable[str] | None = None) -> Iterator[Key]:
        """Yield the nodes that there are; those of the statuses while there is no registry."""
        if self.registry is None:
            yield from (key for key in self.statuses if groups is None or key[0] in groups)
            return
        for group in self.registry.groups if groups is None else groups:
            yield from ((group, name) for name in self.registry.groups.get(group, {}))

    def has(self, key: Key) -> bool:
        """Return whether there is such a node."""
        if self.registry is None:
            return key in self.statuses
        return key[1] in self.registry.groups.get(key[0], {})

    def size(self, group: str) -> int:
        """Return how many nodes a group has."""
        return sum(1 for _ in self.nodes([group]))

    # --- what is known

    def node(self, key: Key, clock: float) -> Node:
        """Return what is known of a node at a monotonic time [s]."""
        observed = self.observed.get(key)
        return Node(self.statuses.get(key), observed, key[0] in self.workers, self._heard(key, clock))

    def answers(self, key: Key, clock: float) -> bool:
        """Return whether a node answered its poller the last time."""
        observed = self.observed.get(key)
        heard = self._heard(key, clock)
        return observed is not None and observed.reach is Reach.OK and heard is not Heard.STALE

    def _heard(self, key: Key, clock: float) -> Heard:
        polled, boot = self._polled(key[0], clock), self._boot(key[0])
        if polled is None:
            return Heard.EARLY
        observed = self.observed.get(key)
        fresh = polled and observed is not None and observed.boot == boot
        return Heard.FRESH if fresh else Heard.STALE

    def _polled(self, group: str, clock: float) -> bool | None:
        """Return whether a group's poller is there; None while nobody can tell."""
        swept = self._swept.get(group)
        if swept is None:
            grace_s = patience_s(self._periods_s.get(group, self.poll_s))
            return None if clock - self._listening_since < grace_s else False
        return clock - swept.at <= STALE_PERIODS * swept.sweep.period_s

    def _boot(self, group: str) -> str | None:
        swept = self._swept.get(group)
        return swept.sweep.boot if swept else None
