"""The rules of the data plane, judged by the simulator's own books."""

from collections import defaultdict
from dataclasses import dataclass, field

from conche.sim.control_client import SimEntry

WRITES = frozenset({"kill", "start", "stop", "update"})


@dataclass
class Wishes:
    """What was wished for, and when; times are UNIX times of this machine, as in the books [s].

    A desired revision is never wished for again once another has taken its place, so a process that runs
    the newest one runs what is desired, whatever a worker may still believe.
    """

    desired: list[tuple[float, str]] = field(default_factory=list)
    """When it stood in the config directory, and revision."""
    held: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """Node to the times between the reply to 'maintenance on' and the sending of 'maintenance off'."""

    def newest(self, at: float) -> str | None:
        return next((revision for when, revision in reversed(self.desired) if when <= at), None)


def broken_rules(entries: list[SimEntry], wishes: Wishes) -> list[str]:
    """Return each breach, in words."""
    return [
        *_written_in_maintenance(entries, wishes),
        *_killed_though_right(entries, wishes),
        *_started_twice(entries),
    ]


def _arrived(entry: SimEntry) -> float:
    return float(entry.told.get("arrived_at", entry.at))


def _written_in_maintenance(entries: list[SimEntry], wishes: Wishes) -> list[str]:
    return [
        f"{e.node}: {e.what} in maintenance (entry {e.serial})"
        for e in entries
        if e.what in WRITES and any(begin < _arrived(e) < end for begin, end in wishes.held[e.node])
    ]


def _killed_though_right(entries: list[SimEntry], wishes: Wishes) -> list[str]:
    return [
        f"{e.node}: killed process {e.process} that ran what is desired (entry {e.serial})"
        for e in entries
        if e.what == "kill" and e.told.get("running") and e.told["running"] == wishes.newest(e.at)
    ]


def _started_twice(entries: list[SimEntry]) -> list[str]:
    found: dict[tuple[str, int, str], int] = defaultdict(int)
    for entry in entries:
        if entry.what == "start":
            found[(entry.node, entry.process, str(entry.told.get("revision")))] += 1
    return [
        f"{node}: {revision} started {n} times in process {p}"
        for (node, p, revision), n in found.items()
        if n > 1
    ]
