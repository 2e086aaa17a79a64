"""The rules of the data plane, judged by the simulator's own books."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from conche.sim.control_client import SimEntry

from .record import Record, Restart, Switch
from .switches import OFF, ON, Switches

WRITES = frozenset({"kill", "start", "stop", "update", "lost"})
"""What arrived at a node and changes it, or would have: `lost` waited until its process ended."""


def broken_rules(entries: Sequence[SimEntry], record: Record) -> list[str]:
    """Return each breach, in words."""
    switches = Switches(record, entries)
    return [
        *_written_in_maintenance(entries, record, switches),
        *_written_though_gone(entries, record),
        *_killed_though_right(entries, record, switches),
        *_started_though_off(entries, record, switches),
        *_started_twice(entries),
        *_driven_to_the_limit(entries),
        *_came_wrongly_into_an_epoch(record, switches),
        *_epochs_without_reason(record),
        *sorted(record.not_kept),
    ]


def _arrived(entry: SimEntry) -> float:
    return float(entry.told.get("arrived_at", entry.at))


def _words(entry: SimEntry, rule: str) -> str:
    request = entry.told.get("request", entry.what)
    return f"{entry.node}: {request} {rule} (entry {entry.serial}, process {entry.process}, {_arrived(entry):.3f})"


def _of_nodes(entries: Sequence[SimEntry], record: Record) -> Iterator[tuple[SimEntry, str]]:
    """Yield each entry with its machine's node."""
    for entry in entries:
        yield entry, record.node_of.get(entry.node, entry.node)


def _written_in_maintenance(entries: Sequence[SimEntry], record: Record, switches: Switches) -> Iterator[str]:
    for entry, node in _of_nodes(entries, record):
        if entry.what in WRITES and switches.at(node, Switch.MAINTENANCE, _arrived(entry)) == ON:
            yield _words(entry, "in maintenance")


def _written_though_gone(entries: Sequence[SimEntry], record: Record) -> Iterator[str]:
    for entry in entries:
        times = record.retired.get(entry.node, [])
        if entry.what in WRITES and any(begin < _arrived(entry) < end for begin, end in times):
            yield _words(entry, "to a machine that is not in the registry any more")


def _killed_though_right(entries: Sequence[SimEntry], record: Record, switches: Switches) -> Iterator[str]:
    """Find each kill of what is desired, but for the one that a resync may make, and where the machine lies."""
    excused: set[int] = set()
    liars = Impaired(_lies)
    for entry, node in _of_nodes(entries, record):
        liars.follow(entry)
        running = entry.told.get("running")
        if entry.what != "kill" or not running or running != record.newest(entry.at):
            continue
        if switches.at(node, Switch.STARTED, _arrived(entry)) != ON or entry.node in liars:
            continue
        restart = _resync_of(record, node, entry)
        if restart is None:
            yield _words(entry, "of a process that runs what is desired")
        elif id(restart) in excused:
            yield _words(entry, "a second time for one resync")
        else:
            excused.add(id(restart))


def _resync_of(record: Record, node: str, entry: SimEntry) -> Restart | None:
    """Return the resync during which a kill arrived."""
    at = _arrived(entry)
    return next((r for r in record.restarts if r.node == node and r.sent <= at <= r.answered), None)


def _started_though_off(entries: Sequence[SimEntry], record: Record, switches: Switches) -> Iterator[str]:
    for entry, node in _of_nodes(entries, record):
        if entry.what == "start" and switches.at(node, Switch.STARTED, _arrived(entry)) == OFF:
            yield _words(entry, "of a node that is not to run")


def _started_twice(entries: Sequence[SimEntry]) -> Iterator[str]:
    """Find each process that was given one revision twice, unless a fault kept the first from it."""
    starts: Counter[tuple[str, int, str]] = Counter()
    deaf = Impaired(_is_deaf)
    for entry in entries:
        deaf.follow(entry)
        if entry.what == "start" and entry.node not in deaf:
            starts[(entry.node, entry.process, str(entry.told.get("revision")))] += 1
    for (machine, process, revision), count in starts.items():
        if count > 1:
            yield f"{machine}: {revision} started {count} times in process {process}"


class Impaired:
    """The machines that have a certain fault, as one goes through the books.

    Parameters
    ----------
    has
        Whether a fault is one of those.
    """

    def __init__(self, has: Callable[[dict[str, Any]], bool]) -> None:
        self._has = has
        self._machines: set[str] = set()

    def __contains__(self, machine: str) -> bool:
        return machine in self._machines

    def follow(self, entry: SimEntry) -> None:
        """Take an entry, in the order of the books."""
        if entry.what != "fault":
            return
        fault = entry.told.get("fault")
        if fault is None:
            self._machines.discard(entry.node)
        elif self._has(fault):
            self._machines.add(entry.node)


def _is_deaf(fault: dict[str, Any]) -> bool:
    """Tell whether a machine answers /start with rubbish, and does nothing else."""
    return fault["kind"] == "http" and fault.get("path") in {None, "/start"}


def _lies(fault: dict[str, Any]) -> bool:
    """Tell whether a machine answers /config with one that it does not run."""
    return fault["kind"] == "http" and fault.get("mode") == "huge"


def _driven_to_the_limit(entries: Sequence[SimEntry]) -> Iterator[str]:
    """Find each unit that systemd gave up, though nothing but conche ended its processes."""
    faulty = {entry.node for entry in entries if entry.what == "fault"}
    for entry in entries:
        if entry.what == "failed" and entry.node not in faulty:
            yield _words(entry, "for good: its start limit was hit")


def _came_wrongly_into_an_epoch(record: Record, switches: Switches) -> Iterator[str]:
    for epoch in record.epochs:
        first = {Switch.MAINTENANCE: epoch.seen_in_maintenance, Switch.STARTED: epoch.adopted_as}
        for switch, found in first.items():
            if found is not None and found not in switches.in_epoch(epoch, switch):
                yield f"{epoch.node}: came into the epoch of {epoch.edited:.3f} with {switch} {found}"


def _epochs_without_reason(record: Record) -> Iterator[str]:
    edits = Counter(epoch.node for epoch in record.epochs)
    for node, found in record.epochs_seen.items():
        if len(found) > edits[node] + (node in record.founders):
            yield f"{node}: {len(found)} epochs, and {edits[node]} edits that concern it: {', '.join(found)}"
