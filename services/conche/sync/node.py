"""One node as its worker knows it."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from conche.contract import (
    DesiredConfig,
    LastPush,
    Maintenance,
    NodeState,
    NodeStatus,
    Observed,
    PushKind,
    Reach,
    RegisteredNode,
    Rejection,
)
from conche.kotekan.errors import WriteForbidden
from conche.kotekan.snapshot import Snapshot

from .backoff import Backoff
from .cures import Cures
from .exits import Exits
from .locks import Locks
from .records import NodeRecord, PushStep

MAX_REJECTIONS: Final = 20
"""Rejections remembered for a node; the oldest go."""

BY_CONCHE: Final = "conche"


@dataclass(eq=False)
class Node:
    """One node: switches and history, which are remembered, and what is known of it now.

    Only the worker's event loop touches it.
    """

    group: str
    name: str
    entry: RegisteredNode
    epoch: str = ""
    started: bool | None = None
    was_started: bool = False
    maintenance: Maintenance = field(default_factory=lambda: Maintenance(on=True, by=BY_CONCHE))
    proven: str | None = None
    rejected: list[Rejection] = field(default_factory=list)
    backoff: Backoff = field(default_factory=Backoff)
    heal_backoff: Backoff = field(default_factory=Backoff)
    stop_backoff: Backoff = field(default_factory=Backoff)
    exits: Exits = field(default_factory=Exits)
    cures: Cures = field(default_factory=Cures)
    next_epoch: str | None = None
    next_started: bool | None = None
    next_maintenance: Maintenance | None = None
    """Switches set while a new epoch waits for the end of a push, and which epoch."""

    desired: DesiredConfig | None = None
    said: bool = False
    """Whether the desired config was heard from a renderer; one that was only found may be old."""
    confirmed: bool = False
    """Whether, at some time, it was heard from one that was there: before that nothing is begun."""
    observed: Observed | None = None
    seen: Snapshot | None = None
    look_s: float = 0.0
    """How long the last look took, from the connection on [s]."""
    busy_since: float | None = None
    running_since: float | None = None
    """Since when every look showed the same revision running."""
    push: PushStep | None = None
    interrupted: bool = False
    """Whether an earlier worker was killed in the middle of a push."""
    last_push: LastPush | None = None
    tried: bool = False
    """Whether the last push was carried out, to whatever end, and not given up on the way."""
    cure_paths: tuple[str, ...] = ()
    """What the restart that is under way is to cure."""
    forced: bool = False
    forced_until: datetime | None = None
    """When the command that forces a restart expires."""
    restarts: int = 0
    """Kills and starts that were sent."""
    restarts_before: int = 0
    """The same, when the last push began."""
    resync_lost: bool = False
    """Whether an earlier worker was killed in the middle of a resync: nobody knows if it killed the process."""
    problem: str | None = None
    """What went wrong with the last push, until another goes well or something else is desired."""
    in_flight: str | None = None
    """The request that was sent and is not answered yet."""
    gone: bool = False
    state: NodeState = NodeState.UNKNOWN
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: NodeStatus | None = None

    locks: Locks = field(default_factory=Locks)
    """Those of its group."""
    poke: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, and replaced, whenever something about the node was decided anew."""

    @property
    def key(self) -> str:
        """``group/node``."""
        return f"{self.group}/{self.name}"

    @property
    def lock(self) -> asyncio.Lock:
        """Held while anything is asked of the node at its address: one request at a time."""
        return self.locks.of(self.entry)

    @property
    def restarting(self) -> bool:
        """Whether a push other than an update in place is under way."""
        return self.push is not None and self.push.kind is not PushKind.UPDATE

    @property
    def restart_sent(self) -> bool:
        """Whether, moreover, it has sent something: before that it may still be given up."""
        return self.restarting and self.restarts > self.restarts_before

    def agrees(self) -> bool:
        """Return whether the poller saw what the worker itself last read."""
        if self.observed is None:
            return True
        if self.seen is None or self.observed.reach is not self.seen.reach:
            return False
        return self.observed.revision == (self.seen.running.revision if self.seen.running else None)

    def saw(self, snapshot: Snapshot, now: float) -> None:
        """Take what the worker read of the node at a monotonic time [s]."""
        if snapshot.reach is not Reach.BUSY:
            self.busy_since = None
        elif self.busy_since is None:
            self.busy_since = now
        before = self.seen.running.revision if self.seen and self.seen.running else None
        running = snapshot.running.revision if snapshot.running else None
        if running is None:
            self.running_since = None
            if before is not None and self.push is None and snapshot.reach in (Reach.OK, Reach.REFUSED):
                self.exits.count(now)  # it ran, and does not: it ended by itself
        elif running != before or self.running_since is None:
            self.running_since = now
        self.seen = snapshot

    def reject(self, rejection: Rejection) -> None:
        """Remember what its kotekan refused."""
        same = (rejection.revision, rejection.endpoint, rejection.values)
        kept = [r for r in self.rejected if (r.revision, r.endpoint, r.values) != same]
        self.rejected = [*kept, rejection][-MAX_REJECTIONS:]

    def tell_change(self) -> None:
        """Wake who waits for this node."""
        self.changed.set()
        self.changed = asyncio.Event()

    def backoff_for(self, kind: PushKind) -> Backoff:
        """Return the back-off that pushes of a kind heed."""
        match kind:
            case PushKind.STOP:
                return self.stop_backoff
            case PushKind.HEAL:
                return self.heal_backoff
        return self.backoff

    def await_epoch(self, epoch: str | None) -> None:
        """Take for which epoch switches are set from now on; those for another one are forgotten."""
        if epoch != self.next_epoch:
            self.next_epoch = epoch
            self.next_started = self.next_maintenance = None

    def restart_begins(self) -> None:
        """Take that a kill or a start is being sent: whatever comes of it, a resync is done with it."""
        self.restarts += 1
        self.forced = False

    def begin_anew(self) -> None:
        """Forget every back-off: somebody wants something of the node now."""
        for backoff in (self.backoff, self.heal_backoff, self.stop_backoff):
            backoff.forget()

    def record(self, *, now: float, wall: datetime) -> NodeRecord:
        """Return what must not be forgotten, at a monotonic time [s] and by the wall clock."""
        wait_s = self.backoff.wait(self.backoff.revision, now)
        return NodeRecord(
            epoch=self.epoch,
            started=self.started,
            was_started=self.was_started,
            maintenance=self.maintenance,
            next_epoch=self.next_epoch,
            next_started=self.next_started,
            next_maintenance=self.next_maintenance,
            push=self.push,
            forced=self.forced,
            forced_until=self.forced_until,
            proven=self.proven,
            rejected=self.rejected,
            attempts=self.backoff.attempts,
            attempted=self.backoff.revision,
            retry_at=wall + timedelta(seconds=wait_s) if wait_s > 0 else None,
            exits=[wall - timedelta(seconds=age) for age in self.exits.ages(now)],
            cures={p: wall - timedelta(seconds=age) for p, age in self.cures.current(now).items()},
        )

    def restore(self, record: NodeRecord, *, now: float, wall: datetime) -> None:
        """Take what an earlier worker remembered; a push that it was killed in does not count as an attempt."""
        self.epoch = record.epoch
        self.started = record.started
        self.was_started = record.was_started
        self.maintenance = record.maintenance
        self.next_epoch = record.next_epoch
        self.next_started = record.next_started
        self.next_maintenance = record.next_maintenance
        self.proven = record.proven
        self.rejected = list(record.rejected)
        wait_s = (record.retry_at - wall).total_seconds() if record.retry_at else 0.0
        self.backoff.resume(attempts=record.attempts, revision=record.attempted, wait_s=wait_s, now=now)
        self.exits.resume([_age(at, wall) for at in record.exits], now)
        self.cures.resume({path: _age(at, wall) for path, at in record.cures.items()}, now)
        restarting = record.push is not None and record.push.kind is not PushKind.UPDATE
        # Whether a restart that was under way has killed can't be told: a second one might follow.
        self.forced, self.forced_until = record.forced and not restarting, record.forced_until
        self.resync_lost = record.forced and restarting
        if record.push is not None:
            self.interrupted = record.push.kind is not PushKind.STOP
            self.backoff_for(record.push.kind).uncount(now)


def _age(at: datetime, wall: datetime) -> float:
    """Return how old something is [s]; nothing is from the future, whatever the clocks say."""
    return max(0.0, (wall - at).total_seconds())


def forbid_in_maintenance(node: Node) -> None:
    """Refuse to write to a node in maintenance, or to one that left the registry.

    Raises
    ------
    WriteForbidden
        Says who holds it.
    """
    if node.gone:
        raise WriteForbidden(f"{node.key} is not in the registry any more")
    held = node.maintenance
    if held.on:
        raise WriteForbidden(
            f"in maintenance by {held.by or 'nobody known'}{f': {held.reason}' if held.reason else ''}"
        )
