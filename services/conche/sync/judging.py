"""From the picture of a node to a decision about it."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from conche.bus import Bus
from conche.commands import CLOCK_TOLERANCE
from conche.contract import DesiredConfig, Reach
from conche.kotekan.errors import WriteForbidden
from conche.kotekan.snapshot import Snapshot

from .batches import GO, Batches
from .cures import Ignored
from .decide import BUSY_PATIENCE_S, Decision, View, decide
from .node import Node, forbid_in_maintenance
from .picture import UNHEARD, Sources
from .proven import ProvenConfigs
from .rejections import RefusedValues, of_revision
from .slots import Slots
from .status import base_paths

BEGINNING_S: Final = 10.0
"""So long after a worker's start it is likely that what is not known yet is on its way [s]."""

TIMER_LONGEST_S: Final = 30.0
"""A wall clock may step while a timer runs: look again at least this often [s]."""


@dataclass(frozen=True)
class GroupView:
    """What decisions about one node depend on that is the whole group's.

    Parameters
    ----------
    sources
        Renderer and pollers.
    batches
        Whose turn it is.
    slots
        How many may be restarted at once.
    refused
        Values that are given to nobody.
    proven
        Configs that ran well.
    ignored
        Paths whose drift is of no account.
    """

    sources: Sources
    batches: Batches
    slots: Slots
    refused: RefusedValues
    proven: ProvenConfigs
    ignored: Ignored


class Judge:
    """Decides about nodes; everything that a decision depends on comes together here.

    Parameters
    ----------
    bus
        Without it nothing is begun.
    group
        What is the whole group's.
    settle_s
        A config that has run for so long is proven [s].
    """

    def __init__(self, bus: Bus, *, group: GroupView, settle_s: float) -> None:
        self._bus = bus
        self._group = group
        self._sources = group.sources
        self._settle_s = settle_s
        self._began = _now()

    def decide(
        self, node: Node, *, pushing: bool | None = None, patient: bool = True, sighted: bool = True
    ) -> Decision:
        """Decide about a node.

        Parameters
        ----------
        pushing
            Whether a push counts as under way; None for what is the case.
        patient
            Whether back-off is heeded.
        sighted
            Whether the poller's word is needed; not in a push, which looks for itself.
        """
        desired, now = node.desired, _now()
        revision = desired.revision if desired else None
        return decide(
            View(
                pushing=node.restarting if pushing is None else pushing,
                connected=self._bus.connected,
                unheard=None if node.confirmed else UNHEARD,
                unready=self._unready(node),
                blind=self._sources.blind(node.observed) if sighted else None,
                desired=desired,
                seen=node.seen,
                busy_s=now - node.busy_since if node.busy_since is not None else 0.0,
                last_state=node.state,
                maintenance=node.maintenance.on,
                started=node.started,
                forced=node.forced,
                rejected=of_revision(node, desired) if desired else None,
                refused=self._group.refused.of(node, desired) if desired else {},
                turn=self._group.batches.turn(node.name, revision) if revision else GO,
                slot=self._group.slots.free(node.name),
                standing=self._standing(node, now),
                can_heal=node.proven is not None
                and node.proven != revision
                and node.proven in self._group.proven,
                retry_s=node.backoff.wait(revision, now) if patient else 0.0,
                heal_retry_s=node.heal_backoff.wait(node.proven, now) if patient else 0.0,
                stop_retry_s=node.stop_backoff.wait(None, now) if patient else 0.0,
                exits_s=node.exits.wait(now),
            )
        )

    def _standing(self, node: Node, now: float) -> str | None:
        """Return words if a node's base differs only where no restart is to be made for it, else None."""
        seen, desired = node.seen, node.desired
        if seen is None or seen.running is None or desired is None or desired.base == seen.running.base:
            return None
        paths = base_paths(desired, seen)
        acted_on = [path for path in paths if not self._group.ignored.covers(path)]
        # A path for which it was restarted may well be one that is desired otherwise now: that is no drift.
        drifted = node.proven == desired.revision
        if not paths or (acted_on and not (drifted and node.cures.failed_for(acted_on, now))):
            return None
        if not acted_on:
            return ""
        return f"a restart did not cure {', '.join(acted_on[:3])}: left alone for an hour, or until a resync"

    def retry_s(self, node: Node) -> float:
        """Return how long back-off or the number of exits still forbids to try something [s]."""
        now = _now()
        return max(
            node.backoff.wait(node.desired.revision if node.desired else None, now),
            node.heal_backoff.wait(node.proven, now),
            node.stop_backoff.wait(None, now),
            node.exits.wait(now),
        )

    def may_look(self, node: Node) -> bool:
        """Return whether reading a node is of use: without broker or poller nothing follows from it."""
        return (
            self._bus.connected and node.observed is not None and self._sources.blind(node.observed) is None
        )

    def must_look(self, node: Node) -> bool:
        """Return whether something waits for a look at a node: what it runs, or how it is adopted."""
        adoptable = node.started is None and node.seen is not None and node.seen.reach is Reach.OK
        return (node.seen is None or adoptable) and self.may_look(node)

    def gate(self, node: Node) -> None:
        """Let a write to a node pass, or not; asked before every request.

        Raises
        ------
        WriteForbidden
            Says why not.
        """
        forbid_in_maintenance(node)
        entry = self._sources.entry(node.name)
        if entry is not None and (entry.host, entry.port) != (node.entry.host, node.entry.port):
            raise WriteForbidden("the registry gives it another address by now")
        if not self._bus.connected:
            raise WriteForbidden("the broker is away")

    def about_to_know(self, node: Node) -> bool:
        """Return whether what is missing for a decision about a node will be there soon."""
        if not node.confirmed and self._sources.speaks_for(node.desired):
            return True
        if node.seen is not None:
            return False
        return self.may_look(node) or _now() - self._began < BEGINNING_S

    def awaited_epoch(self, node: Node) -> str | None:
        """Return the epoch of a node's registry entry if it has not entered it yet, else None."""
        entry = self._sources.entry(node.name)
        return None if entry is None or entry.epoch == node.epoch else entry.epoch

    def learn(self, node: Node) -> None:
        """Take note of what time alone brings: a confirmed renderer, and a config that has proven itself."""
        if not node.confirmed and node.said and self._sources.says_surely(node.desired):
            node.confirmed = True
        if node.forced and node.push is None and _expired(node):
            node.forced = False
        seen, desired = node.seen, node.desired
        if node.push is None and _is_as_wished(node):
            node.problem = None
        if seen is None or desired is None or not _runs(seen, desired):
            return
        if seen.body is not None:
            node.seen = replace(seen, body=None)  # the desired config says the same
        settled = node.running_since is not None and _now() - node.running_since >= self._settle_s
        if node.push is None and settled:
            node.proven = desired.revision
        if desired.revision is not None and node.proven == desired.revision:
            self._group.proven.keep(desired.revision, bytes(desired.config))

    def look_again_s(self, node: Node) -> float | None:
        """Return after how long time alone may change the decision about a node [s], or None."""
        now = _now()
        waits = [self.retry_s(node)]
        if node.busy_since is not None:
            waits.append(node.busy_since + BUSY_PATIENCE_S - now)
        if node.running_since is not None:
            waits.append(node.running_since + self._settle_s - now)
        if node.maintenance.on and node.maintenance.until is not None:
            waits.append(max(0.1, (node.maintenance.until - datetime.now(UTC)).total_seconds()))
        due = min((wait for wait in waits if wait > 0), default=None)
        return None if due is None else min(due, TIMER_LONGEST_S) + 0.01

    def _unready(self, node: Node) -> str | None:
        if node.push is None and self.awaited_epoch(node) is not None:
            return "a new epoch begins"
        return None if node.confirmed else self._sources.unready(node.desired)


def _runs(seen: Snapshot, desired: DesiredConfig) -> bool:
    return seen.running is not None and seen.running.revision == desired.revision


def _is_as_wished(node: Node) -> bool:
    """Return whether a node is what its last push was to bring about, whoever has done it."""
    if node.seen is None or node.desired is None:
        return False
    return node.seen.idle if node.started is False else _runs(node.seen, node.desired)


def _expired(node: Node) -> bool:
    return node.forced_until is not None and datetime.now(UTC) > node.forced_until + CLOCK_TOLERANCE


def _now() -> float:
    return asyncio.get_running_loop().time()
