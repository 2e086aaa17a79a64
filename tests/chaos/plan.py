"""What a chaos run does and when, drawn up front: the same seed makes the same plan."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from .record import Switch
from .troubles import Trouble, draw_troubles

VICTIMS: Final = ("renderer", "poller", "sync", "mosquitto")

LONGEST_GAP_S: Final = 6.0
"""Between two kills [s]."""

QUIET_END_S: Final = 10.0
"""Faults are over, and edits begun, so long before the last kill: exits count against a node for 10 s, and after an
edit everybody has to be taken out of maintenance again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much there is of everything.

    Parameters
    ----------
    groups
        Group to number of nodes.
    kills
        How often something is killed.
    orders_period_s
        Mean time between two commands of the operator [s].
    faults
        Whether kotekans are given faults too.
    """

    groups: dict[str, int]
    kills: int
    orders_period_s: float = 0.5
    faults: bool = False

    @property
    def nodes(self) -> list[str]:
        """All nodes that there are in the beginning."""
        return [f"{group}/{group}{i}" for group, count in self.groups.items() for i in range(1, count + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A SIGKILL for one service, or the broker."""

    at: float
    victim: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something new is desired: another base, or other values only."""

    at: float
    base: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A command of the operator: a switch of a node or of a group, or a resync where there is no switch."""

    at: float
    target: str
    switch: Switch | None = None
    value: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """An edit of nodes.yaml: nodes that go, come, or get another address."""

    at: float
    remove: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    move: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Plan:
    """Everything that will be done; times are from the begin of the chaos [s]."""

    seed: int
    size: Size
    kills: list[Kill] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)

    def registered(self, node: str) -> bool:
        """Return what an edited nodes.yaml says of a node: whether it should run where nothing else tells."""
        return random.Random(f"{self.seed} {node}").random() < 0.5


def draw(seed: int, size: Size) -> Plan:
    """Draw a plan; each kind of action has dice of its own, so that one does not move the others."""
    plan = Plan(seed=seed, size=size)
    plan.kills = list(_draw_kills(random.Random(f"{seed} kills"), size.kills))
    end = plan.kills[-1].at
    dice = random.Random(f"{seed} changes")
    plan.changes = [Change(at=t, base=dice.random() < 0.5) for t in _times(dice, 3.0, 13.0, end=end)]
    plan.edits = list(_draw_edits(random.Random(f"{seed} edits"), size, end=end - QUIET_END_S))
    plan.wishes = list(_draw_wishes(random.Random(f"{seed} wishes"), size, end=end))
    if size.faults:
        plan.troubles = draw_troubles(random.Random(f"{seed} faults"), size.nodes, end=end - QUIET_END_S)
    return plan


def _draw_kills(dice: random.Random, count: int) -> Iterator[Kill]:
    """Draw kills, on average one a second, each independent of the one before.

    So two may be so close together that neither victim is back when the other goes, or so far apart that pushes get
    under way, to be hit in the middle.
    """
    gaps = [min(dice.expovariate(1.0), LONGEST_GAP_S) for _ in range(count)]
    at = 0.0
    for gap in gaps:
        at += gap * count / sum(gaps)
        yield Kill(at=at, victim=dice.choice(VICTIMS))


def _times(dice: random.Random, least: float, most: float, *, end: float) -> Iterator[float]:
    at = dice.uniform(least, most)
    while at < end:
        yield at
        at += dice.uniform(least, most)


def _draw_wishes(dice: random.Random, size: Size, *, end: float) -> Iterator[Wish]:
    """Draw switches to and fro, so that at most a quarter of the nodes stands aside at any time, and resyncs."""
    aside: list[tuple[str, Switch]] = []
    for at in _times(dice, 0.5 * size.orders_period_s, 1.5 * size.orders_period_s, end=end):
        kind = dice.random()
        if kind < 0.2:
            yield Wish(at=at, target=dice.choice(size.nodes))
        elif kind < 0.24:
            yield Wish(at=at, target=f"{dice.choice(list(size.groups))}/all", switch=Switch.STARTED)
        elif aside and (kind < 0.6 or len(aside) >= max(2, len(size.nodes) // 4)):
            node, switch = aside.pop(dice.randrange(len(aside)))
            yield Wish(at=at, target=node, switch=switch, value=switch is Switch.STARTED)
        else:
            node, switch = dice.choice(size.nodes), dice.choice(list(Switch))
            if (node, switch) not in aside:
                aside.append((node, switch))
            yield Wish(at=at, target=node, switch=switch, value=switch is Switch.MAINTENANCE)


def _draw_edits(dice: random.Random, size: Size, *, end: float) -> Iterator[Edit]:
    """Draw edits such that no group loses its last two nodes; each kind comes once in three."""
    there, gone, numbers = set(size.nodes), set[str](), dict(size.groups)
    kinds = ["move"]  # which begins an epoch, whomever an edit concerns
    at = dice.uniform(3.0, 5.0)
    while at < end:
        chosen: dict[str, tuple[str, ...]] = {}
        for _ in range(dice.choice((1, 1, 2))):
            kinds = kinds or dice.sample(("remove", "add", "move"), 3)
            kind = kinds.pop()
            touched = {node for nodes in chosen.values() for node in nodes}
            if kind == "add":
                node = _newcomer(dice, gone - touched, numbers)
                gone.discard(node)
                there.add(node)
            else:
                group = dice.choice([g for g in size.groups if _count(there, g) > 2] or list(size.groups))
                node = dice.choice(sorted(n for n in there - touched if n.startswith(f"{group}/")))
            if kind == "remove":
                if _count(there, group) <= 2:
                    continue
                there.discard(node)
                gone.add(node)
            chosen[kind] = (*chosen.get(kind, ()), node)
        yield Edit(at=at, **chosen)
        at += dice.uniform(9.0, 13.0)


def _newcomer(dice: random.Random, gone: set[str], numbers: dict[str, int]) -> str:
    """Return a node that comes: one that was there before, or one that never was."""
    if gone and dice.random() < 0.7:
        return dice.choice(sorted(gone))
    group = dice.choice(sorted(numbers))
    numbers[group] += 1
    return f"{group}/{group}{numbers[group]}"


def _count(nodes: set[str], group: str) -> int:
    return sum(node.startswith(f"{group}/") for node in nodes)
