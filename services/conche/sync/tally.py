"""A group in one line, kept up to date node by node."""

import re
from collections import Counter
from heapq import nlargest
from itertools import islice
from typing import Final

from conche.contract import GroupSummary, Health, Hold, Maintenance, NodeState, NodeStatus

MAX_NAMES: Final = 10
"""Nodes at fault, or of a hold, that are named; of the others there is a number."""

MAX_HOLDS: Final = 10
"""Holds that a summary tells of; a guess."""

_ORDER: Final = (Health.NORMAL, Health.WARNING, Health.ERROR)


def fault(status: NodeStatus) -> tuple[Health, str] | None:
    """Return how bad a node's status is and in which word, or None.

    A node in maintenance is somebody's business already: it is never more than normal.
    """
    if status.maintenance.on:
        return None
    match status.state:
        case NodeState.FAILED | NodeState.DOWN | NodeState.UNKNOWN:
            return Health.ERROR, status.state
    if status.error is not None:
        return Health.WARNING, "with an error"
    if status.drift.base or status.drift.endpoints:
        return Health.WARNING, "differing"
    return None


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts cx2 before cx10."""
    return [(int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)]


class Tally:
    """Counts of a group; the cost of a change does not grow with the group."""

    def __init__(self) -> None:
        self._statuses: dict[str, NodeStatus] = {}
        self._states: Counter[NodeState] = Counter()
        self._maintenance = 0
        self._differing = 0
        self._faults: dict[str, dict[str, Health]] = {}
        self._holds: dict[Maintenance, dict[str, None]] = {}

    def update(self, name: str, status: NodeStatus) -> None:
        """Take over a node's new status."""
        self.remove(name)
        self._statuses[name] = status
        self._count(name, status, 1)

    def remove(self, name: str) -> None:
        """Forget a node."""
        old = self._statuses.pop(name, None)
        if old is not None:
            self._count(name, old, -1)

    def _count(self, name: str, status: NodeStatus, step: int) -> None:
        self._states[status.state] += step
        self._maintenance += step * status.maintenance.on
        self._differing += step * bool(status.drift.base or status.drift.endpoints)
        self._hold(name, status.maintenance, step)
        found = fault(status)
        if found is None:
            return
        health, word = found
        if step > 0:
            self._faults.setdefault(word, {})[name] = health
        else:
            self._faults[word].pop(name)

    def _hold(self, name: str, hold: Maintenance, step: int) -> None:
        if not hold.on:
            return
        held = self._holds.setdefault(hold, {})
        if step > 0:
            held[name] = None
        else:
            held.pop(name)
        if not held:
            del self._holds[hold]

    def summary(self) -> GroupSummary:
        """Return the group in one line."""
        faults = {word: nodes for word, nodes in self._faults.items() if nodes}
        worst = max(
            (h for nodes in faults.values() for h in nodes.values()), key=_ORDER.index, default=Health.NORMAL
        )
        counts = {state: n for state, n in sorted(self._states.items()) if n}
        return GroupSummary(
            summary=worst,
            info=self._info(faults, counts),
            counts=counts,
            nodes=len(self._statuses),
            maintenance=self._maintenance,
            differing=self._differing,
            holds=self._largest_holds(),
        )

    def _largest_holds(self) -> list[Hold]:
        largest = nlargest(MAX_HOLDS, self._holds.items(), key=lambda item: len(item[1]))
        return [
            Hold(
                by=hold.by,
                reason=hold.reason,
                until=hold.until,
                count=len(names),
                nodes=sorted(islice(names, MAX_NAMES), key=natural),
            )
            for hold, names in largest
        ]

    def _info(self, faults: dict[str, dict[str, Health]], counts: dict[NodeState, int]) -> str:
        if not self._statuses:
            return "no nodes"
        parts = []
        names_left = MAX_NAMES
        for word, nodes in sorted(
            faults.items(), key=lambda item: -_ORDER.index(max(item[1].values(), key=_ORDER.index))
        ):
            shown = sorted(nodes, key=natural)[:names_left]
            names_left -= len(shown)
            parts.append(f"{len(nodes)} {word}{_listed(shown, len(nodes))}")
        well = [f"{n} {state}" for state, n in counts.items() if state not in faults]
        if self._maintenance:
            well.append(f"{self._maintenance} in maintenance")
        return "; ".join([*parts, ", ".join(well)] if well else parts)


def _listed(shown: list[str], total: int) -> str:
    if not shown:
        return ""
    more = f" and {total - len(shown)} more" if total > len(shown) else ""
    return f" ({', '.join(shown)}{more})"
