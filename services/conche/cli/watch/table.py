"""The table of a live status: its nodes as they are counted, sorted and folded."""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from conche.cli.folding import bundles, likeness
from conche.cli.output import age
from conche.cli.overview import row_in
from conche.cli.rows import SEVERITY, Row, is_wrong, worst
from conche.client.picture import Picture
from conche.client.words import natural
from conche.contract import Health, NodeState, NodeStatus

_AGELESS: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""A clock for what is compared, so that time alone changes nothing."""

_STATES: Final = (
    NodeState.FAILED,
    NodeState.DOWN,
    NodeState.UNKNOWN,
    NodeState.SYNCING,
    NodeState.STOPPED,
    NodeState.STARTED,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One node.

    Parameters
    ----------
    group, node
        Which.
    status
        What its worker said last.
    alike
        Its row without what time alone changes.
    rank
        Its place: the worst first, those with nothing to say last.
    """

    group: str
    node: str
    status: NodeStatus | None
    alike: Row
    rank: tuple[Any, ...]

    @property
    def key(self) -> str:
        """Its name: ``group/node``."""
        return f"{self.group}/{self.node}"

    @property
    def is_wrong(self) -> bool:
        """Whether somebody should look at it."""
        return is_wrong(self.alike)

    @property
    def differs(self) -> bool:
        """Whether it runs something else than it should."""
        drift = self.status.drift if self.status else None
        return drift is not None and bool(drift.base or drift.endpoints)


def entry_of(picture: Picture, group: str, node: str) -> Entry:
    """Return a node's entry, whatever is known of it."""
    row = likeness(row_in(picture, group, node, _AGELESS))
    return Entry(
        group=group,
        node=node,
        status=picture.statuses.get(group, {}).get(node),
        alike=row,
        rank=(-SEVERITY.index(row.health), not row.has_words, natural(group), natural(node)),
    )


@dataclass(frozen=True)
class Line:
    """One line of the table: a node, or several of a group that are alike."""

    entries: tuple[Entry, ...]

    @property
    def group(self) -> str:
        """Their group."""
        return self.entries[0].group

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the nodes."""
        return tuple(entry.node for entry in self.entries)

    @cached_property
    def key(self) -> Hashable:
        """What stays the same while the line is about the same thing."""
        first = self.entries[0]
        return first.key if len(self.entries) == 1 else (first.group, first.alike)

    @cached_property
    def _sinces(self) -> tuple[datetime | None, datetime | None]:
        found = [entry.status.since for entry in self.entries if entry.status and entry.status.since]
        return min(found, default=None), max(found, default=None)

    def row(self, picture: Picture, now: datetime) -> Row:
        """Return what stands on it now; where several nodes differ in time it has none."""
        first = row_in(picture, self.group, self.entries[0].node, now)
        if len(self.entries) == 1:
            return first
        earliest, latest = (age(since, now) for since in self._sinces)
        return replace(likeness(first), names=self.names, since=latest if earliest == latest else "")


def lines_of(entries: Iterable[Entry], *, wrong: bool, folded: bool) -> list[Line]:
    """Return the lines of a table, the worst first.

    Parameters
    ----------
    entries
        All nodes.
    wrong
        Only what somebody should look at.
    folded
        Nodes of a large group that are alike share a line.
    """
    chosen = sorted((e for e in entries if e.is_wrong or not wrong), key=lambda entry: entry.rank)
    if not folded:
        return [Line((entry,)) for entry in chosen]
    groups: dict[str, list[tuple[Row, Entry]]] = {}
    for entry in chosen:
        groups.setdefault(entry.group, []).append((entry.alike, entry))
    lines = [Line(tuple(bundle)) for members in groups.values() for bundle in bundles(members)]
    return sorted(lines, key=lambda line: line.entries[0].rank)


@dataclass
class Tally:
    """Counts of the nodes of a group that are shown."""

    nodes: int = 0
    wrong: int = 0
    differing: int = 0
    maintenance: int = 0
    states: Counter[NodeState] = field(default_factory=Counter)
    healths: Counter[Health] = field(default_factory=Counter)

    def count(self, entry: Entry, step: int) -> None:
        """Add a node (1), or take it away (-1)."""
        self.nodes += step
        self.wrong += step * entry.is_wrong
        self.differing += step * entry.differs
        self.maintenance += step * (entry.alike.switch is not None)
        self.states[entry.alike.state] += step
        self.healths[entry.alike.health] += step

    @property
    def health(self) -> Health:
        """The worst of the nodes."""
        return worst(health for health, number in self.healths.items() if number)

    @property
    def words(self) -> str:
        """The counts, the worst first."""
        parts = [f"{self.states[state]} {state}" for state in _STATES if self.states[state]]
        parts += [f"{self.differing} differing"] if self.differing else []
        parts += [f"{self.maintenance} in maintenance"] if self.maintenance else []
        return ", ".join(parts) or "no nodes"
