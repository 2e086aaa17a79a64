"""Faults of kotekans, drawn at random: what is wrong with a node, since when, and for how long."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

BETWEEN_S: Final = 15.0
"""Mean time between two faults of one node [s]: a third of them has one at any time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One fault of one node, as the simulator's control port takes it."""

    at: float
    node: str
    kind: str
    parameters: dict[str, Any] = field(default_factory=dict)
    lasts_s: float = 0.0
    """It is taken away after this; 0 for what happens once."""


Draw = Callable[[random.Random], tuple[str, dict[str, Any]]]

LASTING: Final[tuple[Draw, ...]] = (
    lambda dice: ("http", {"mode": "html", "status": 502, "words": "Bad Gateway"}),
    lambda dice: ("http", {"mode": "garbage", "path": dice.choice((None, "/config", "/start"))}),
    lambda dice: ("http", {"mode": "half", "path": dice.choice((None, "/config"))}),
    lambda dice: ("http", {"mode": "huge", "path": "/config", "megabytes": 2}),
    lambda dice: ("http", {"mode": "status", "status": dice.choice((500, 503))}),
    lambda dice: ("hang", {}),
    lambda dice: ("hang_in", {"path": dice.choice(("/kill", "/start", "/config", "/gains"))}),
    lambda dice: ("slow_start", {"seconds": dice.uniform(1, 4)}),
    lambda dice: ("slow_stop", {"seconds": dice.uniform(1, 5)}),
    lambda dice: ("die", {"after_start_s": dice.uniform(0.1, 5), "rc": 134}),
    lambda dice: ("flap", {"period_s": dice.uniform(1, 4)}),
    lambda dice: ("finish", {"after_s": dice.uniform(0.5, 5)}),
    lambda dice: ("reject_start", {"words": "The buffer named X doesn't exist!"}),
    lambda dice: ("reject_value", {"endpoint": "gains"}),
    lambda dice: ("refuse", {}),
    lambda dice: ("self_rewrite", {"path": "depth", "value": 99, "after_s": dice.uniform(0, 4)}),
    lambda dice: ("callback_blocks", {}),
)

SUDDEN: Final[tuple[Draw, ...]] = (
    lambda dice: ("drift", {"path": "depth", "value": 77}),
    lambda dice: ("drift", {"path": "gains/coeff", "value": 7.75}),
    lambda dice: ("drift", {"path": "gains", "marker": "other"}),
    lambda dice: ("die", {"rc": 139}),
)


def draw_troubles(dice: random.Random, nodes: list[str], *, end: float) -> list[Trouble]:
    """Draw faults until some time [s], one at a time for each node; all are over by then."""
    free_at = dict.fromkeys(nodes, 0.0)
    found: list[Trouble] = []
    at = 0.0
    kinds: list[Draw] = []
    while (at := at + dice.uniform(0.0, 2 * BETWEEN_S / len(nodes))) < end:
        free = [node for node in nodes if free_at[node] <= at]
        if not free:
            continue
        kinds = kinds or dice.sample((*LASTING, *SUDDEN), len(LASTING) + len(SUDDEN))
        draw = kinds.pop()
        kind, parameters = draw(dice)
        parameters = {name: value for name, value in parameters.items() if value is not None}
        lasts_s = 0.0 if draw in SUDDEN else min(dice.uniform(2.0, 8.0), end - at)
        found.append(
            Trouble(at=at, node=dice.choice(free), kind=kind, parameters=parameters, lasts_s=lasts_s)
        )
        free_at[found[-1].node] = at + lasts_s + 1.0
    return found
