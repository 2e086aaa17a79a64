"""The switches of each node over time, worked out from what was ordered and from the simulator's books."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache, partial

from conche.sim.control_client import SimEntry

from .record import Epoch, Order, Record, Switch
from .timeline import Event, Timeline, Values

ON: Values = frozenset({True})
OFF: Values = frozenset({False})


class Machines:
    """What each simulated machine ran, and when.

    Parameters
    ----------
    entries
        The books.
    """

    def __init__(self, entries: Iterable[SimEntry]) -> None:
        self._changes: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        for entry in entries:
            if entry.what in {"running", "died"} or (
                entry.what == "stop" and entry.told.get("status") == 200
            ):
                self._changes[entry.node].append((entry.at, entry.what == "running"))

    def ran(self, machine: str, begin: float, end: float) -> Values:
        """Return whether a machine ran something between two times: perhaps it did and did not."""
        found = frozenset({False})
        for at, running in self._changes[machine]:
            if at <= begin:
                found = frozenset({running})
            elif at <= end:
                found |= {running}
        return found


class Switches:
    """What each switch of each node can have stood at.

    Parameters
    ----------
    record
        What was wished for.
    entries
        The books.
    """

    def __init__(self, record: Record, entries: Sequence[SimEntry]) -> None:
        self._record = record
        self._machines = Machines(entries)
        self._timeline = cache(self._make_timeline)

    def at(self, node: str, switch: Switch, when: float = math.inf) -> Values:
        """Return what a switch can stand at."""
        return self._timeline(node, switch)[0].at(when)

    def in_epoch(self, epoch: Epoch, switch: Switch) -> Values:
        """Return what a switch can have stood at when it was first read in an epoch.

        What was read then may have stood there for a while: a command that was carried out meanwhile need not be in it.
        """
        timeline, events = self._timeline(epoch.node, switch)
        return timeline.since(events[id(epoch)])

    def _make_timeline(self, node: str, switch: Switch) -> tuple[Timeline, dict[int, Event]]:
        """Work out one switch; nodes come up in maintenance, and not to be run."""
        orders = [_ordered(o) for o in self._record.orders if o.node == node and o.switch is switch]
        maintenance = switch is Switch.MAINTENANCE
        epochs = {
            id(epoch): Event(epoch.edited, epoch.seen, lambda _: ON) if maintenance else self._adoption(epoch)
            for epoch in self._record.epochs
            if epoch.node == node
        }
        return Timeline(ON if maintenance else OFF, [*orders, *epochs.values()]), epochs

    def _adoption(self, epoch: Epoch) -> Event:
        ran = self._machines.ran(epoch.machine, epoch.edited, epoch.adopted)
        return Event(epoch.edited, epoch.adopted, partial(adopted, epoch=epoch, ran=ran))


def _ordered(order: Order) -> Event:
    value = frozenset({order.value})
    return Event(order.sent, order.answered, lambda before: before | value if order.lost else value)


def adopted(before: Values, *, epoch: Epoch, ran: Values) -> Values:
    """Return as what a node can be adopted in a new epoch.

    Parameters
    ----------
    before
        Whether it was to run in the epoch before.
    epoch
        Which one begins.
    ran
        Whether it ran something while that was decided.

    Source: design, section 5, "Epoch".
    """
    if epoch.returned:
        before |= {False}
    found: Values = frozenset()
    for was_started in before:
        found |= ON if was_started else {running or epoch.registered for running in ran}
    return found
