"""The picture as it moves: kept up to date message by message, and what follows from it worked out node by node."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from conche.bus.feed import News
from conche.cli.eopline import EopView, eop_view
from conche.cli.frame0 import FpgaView, fpga_view
from conche.cli.overview import Problem, problems_of, unserved
from conche.cli.rows import worst
from conche.client.picture import UNPOLLED, Picture
from conche.client.targets import still_there
from conche.contract import (
    BIRTHS,
    EOP,
    FPGA,
    GROUP_SUMMARY,
    NODE_STATUS,
    REGISTRY,
    SWEEP,
    EopStatus,
    FpgaStatus,
    GroupSummary,
    Health,
    Message,
    NodeStatus,
    Registry,
    Service,
    ServiceBirth,
    Sweep,
)

from .table import Entry, Line, Tally, entry_of, lines_of

KINDS: Final[tuple[Message[Any], ...]] = (REGISTRY, *BIRTHS, GROUP_SUMMARY, NODE_STATUS, SWEEP, FPGA, EOP)
"""What is followed."""

STALE_PERIODS: Final = 3.0
"""A sweep that is older than so many of its periods covers nobody, as the workers have it."""

PATIENCE_S: Final = 10.0
"""So long after a connection no poller is missed: sweeps are not retained [s]."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The broker is away."""

    words: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """What has changed.

    Parameters
    ----------
    nodes
        Names of nodes: ``group/node``.
    others
        Whether anything else has: services, registry, groups, the broker.
    """

    nodes: tuple[str, ...] = ()
    others: bool = False

    def __bool__(self) -> bool:
        return bool(self.nodes) or self.others


@dataclass(frozen=True, slots=True)
class _Heard:
    sweep: Sweep
    at_s: float


class Live:
    """All that is shown, and what has changed of it.

    Parameters
    ----------
    words
        TARGETs; none for everything.
    """

    def __init__(self, words: tuple[str, ...] = ()) -> None:
        self.picture = Picture()
        self.entries: dict[str, Entry] = {}
        """By name: ``group/node``."""
        self.tallies: dict[str, Tally] = {}
        """By group, in natural order."""
        self.lost: Lost | None = None
        self.complete = False
        self._fpga: FpgaStatus | None = None
        self._eop: EopStatus | None = None
        self._words = words
        self._wanted: dict[str, None] = {}
        self._dirty: dict[str, None] = {}
        self._others = True
        self._choice_is_old = True
        self._sweeps: dict[str, _Heard] = {}
        self._complete_s = 0.0
        self._lines: dict[tuple[bool, bool], list[Line]] = {}

    # --- what comes in

    def take(self, news: News, now_s: float) -> None:
        """Take a message at a monotonic time [s]."""
        unreadable = self.picture.unreadable
        if _put(unreadable, news.topic, news.trouble):
            self._others = True
        kind = news.kind.payload
        if kind is NodeStatus:
            self._on_status(news)
        elif kind is ServiceBirth:
            self._on_birth("/".join(news.params.values()), news.payload)
        elif kind is GroupSummary:
            self._on_summary(news.params["group"], news.payload)
        elif kind is FpgaStatus:
            self._on_fpga(news.payload if isinstance(news.payload, FpgaStatus) else None)
        elif kind is EopStatus:
            self._on_eop(news.payload if isinstance(news.payload, EopStatus) else None)
        elif isinstance(news.payload, Sweep):
            self._sweeps[news.params["instance"]] = _Heard(news.payload, now_s)
        elif kind is Registry and news.trouble is None:
            registry = news.payload if isinstance(news.payload, Registry) else None
            if registry != self.picture.registry:
                self.picture = replace(self.picture, registry=registry)
                self._others = self._choice_is_old = True

    def _on_status(self, news: News) -> None:
        group, node = news.params["group"], news.params["node"]
        statuses = self.picture.statuses.setdefault(group, {})
        was_there = node in statuses
        _put(statuses, node, news.payload)
        self._dirty[f"{group}/{node}"] = None
        registry = self.picture.registry
        if (node in statuses) != was_there and not (registry and node in registry.groups.get(group, {})):
            self._choice_is_old = True

    def _on_birth(self, name: str, birth: object) -> None:
        if not _put(self.picture.births, name, birth):
            return
        self._others = True
        service, _, group = name.partition("/")
        if service == Service.SYNC:
            self._dirty |= {key: None for key, entry in self.entries.items() if entry.group == group}

    def _on_summary(self, group: str, summary: Any) -> None:
        before = self.picture.summaries.get(group)
        if _put(self.picture.summaries, group, summary):
            self._others |= before is None or summary is None or before.summary is not summary.summary

    def _on_fpga(self, fpga: FpgaStatus | None) -> None:
        self._others |= fpga != self._fpga
        self._fpga = fpga

    def _on_eop(self, eop: EopStatus | None) -> None:
        self._others |= eop != self._eop
        self._eop = eop

    def on_complete(self, now_s: float) -> None:
        """Take that all that is retained was told."""
        self.complete, self.lost = True, None
        self._complete_s = now_s
        self._sweeps.clear()
        self._others = True

    def on_lost(self, words: str, at: datetime) -> None:
        """Take that the broker is away, or still away and why."""
        lost = Lost(words, self.lost.since if self.lost else at)
        self._others |= lost != self.lost
        self.lost = lost

    # --- what follows

    def settle(self, now_s: float) -> Moved:
        """Work out what follows from what came in, and from time alone; return what has changed since."""
        gone = self._choose() if self._choice_is_old else []
        nodes = [key for key in self._dirty if key in self._wanted and self._refresh(key)]
        if self.lost is None and self.complete:
            self._look_for_pollers(now_s)
        moved = Moved((*gone, *nodes), self._others)
        if moved.nodes:
            self._lines.clear()
        self._dirty.clear()
        self._others = self._choice_is_old = False
        return moved

    def _choose(self) -> list[str]:
        """Find out again which nodes are shown; return those that are not any more."""
        targets = still_there(self._words, self.picture.groups())
        self._wanted = dict.fromkeys(f"{g}/{node}" for g, chosen in targets.items() for node in chosen.nodes)
        self._dirty = self._wanted | self._dirty
        self.tallies = {group: self.tallies.get(group) or Tally() for group in targets}
        gone = [key for key in self.entries if key not in self._wanted]
        for key in gone:
            entry = self.entries.pop(key)
            if entry.group in self.tallies:
                self.tallies[entry.group].count(entry, -1)
        return gone

    def _refresh(self, key: str) -> bool:
        """Work out one node again; return whether it has changed."""
        group, _, node = key.partition("/")
        before, after = self.entries.get(key), entry_of(self.picture, group, node)
        if after == before:
            return False
        if before is not None:
            self.tallies[group].count(before, -1)
        self.tallies[group].count(after, 1)
        self.entries[key] = after
        return True

    def _look_for_pollers(self, now_s: float) -> None:
        """Find the groups that no poller's sweep covers."""
        covered = {
            group
            for heard in self._sweeps.values()
            if now_s - heard.at_s <= STALE_PERIODS * heard.sweep.period_s
            for group in heard.sweep.groups
        }
        before = self.picture.unpolled
        candidates = self.tallies if now_s - self._complete_s >= PATIENCE_S else before
        missed = {
            group: UNPOLLED
            for group in candidates
            if group in self.tallies and group not in covered and not self._is_seen(group)
        }
        if missed != before:
            self.picture = replace(self.picture, unpolled=missed)
            self._others = True

    def _is_seen(self, group: str) -> bool:
        """Return whether a worker is there that knows of a node: it hears the sweeps too, however rare they are."""
        return self.picture.is_served(group) and not self.picture.is_blind(group)

    # --- what is shown

    def lines(self, *, wrong: bool, folded: bool) -> list[Line]:
        """Return the lines of the table; see `lines_of`."""
        found = self._lines.get((wrong, folded))
        if found is None:
            found = self._lines[wrong, folded] = lines_of(self.entries.values(), wrong=wrong, folded=folded)
        return found

    @property
    def wrong(self) -> int:
        """Number of nodes that somebody should look at."""
        return sum(tally.wrong for tally in self.tallies.values())

    def problems(self) -> Iterable[Problem]:
        """Yield what is wrong outside the groups, the worst first."""
        return problems_of(self.picture)

    @property
    def fpga(self) -> FpgaView | None:
        """The FPGA master; None where its service has never said anything."""
        return fpga_view(self._fpga, self.picture.births.get(Service.FPGA))

    @property
    def eop(self) -> EopView | None:
        """The Earth-orientation table; None where its service has never said anything."""
        return eop_view(self._eop, self.picture.births.get(Service.EOP))

    def trouble_of(self, group: str) -> str | None:
        """Return why nobody looks after a group, or None."""
        return unserved(self.picture, group) or self.picture.unpolled.get(group)

    def group_health(self, group: str) -> Health:
        """Return a group in one word, as `conche status` has it."""
        if self.trouble_of(group) is not None:
            return Health.ERROR
        summary = self.picture.summaries.get(group)
        return worst([self.tallies[group].health, summary.summary if summary else Health.WARNING])

    @property
    def health(self) -> Health:
        """Everything in one word."""
        problems = [problem.health for problem in self.problems()]
        lost = [Health.ERROR] if self.lost else []
        others = [view.health for view in (self.fpga, self.eop) if view]
        return worst([*lost, *problems, *others, *map(self.group_health, self.tallies)])


def _put(states: dict[str, Any], name: str, state: object) -> bool:
    """Set a state or, with None, take it away; return whether anything changed."""
    before = states.pop(name, None) if state is None else states.get(name)
    if state is not None:
        states[name] = state
    return before != state
