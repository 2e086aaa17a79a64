"""The whole cluster at a glance."""

from collections.abc import Iterator

from conche.contract.alerts import RUNS_OUT_DAYS
from conche.contract.measurements import EOP, FPGA

from .board import Board, Section, choice, commands_marked, happenings_marked, pushes_marked
from .colours import BAD, GOOD, words
from .colours import EOP as EOP_COLOURS
from .colours import FPGA as FPGA_COLOURS
from .panels import Panel, figures, judged, timeline, unit_of
from .places import OVERVIEW
from .queries import Column, newest, over_time
from .shared import (
    groups_now,
    groups_over_time,
    last_commands,
    last_events,
    nodes_now,
    state_counts,
    state_grid,
    wrong_now,
)
from .targets import Target


def overview() -> Board:
    """Return the dashboard."""
    return Board(
        OVERVIEW,
        "conche: Overview",
        "The whole cluster at a glance. Colours are those of the states everywhere: green started, yellow stopped, "
        "blue syncing, red down, grey unknown, purple failed.",
        [
            Section(None, [*_at_the_top(), state_grid(height=10), state_counts(), wrong_now()]),
            Section("Groups", [groups_over_time(span=12), groups_now(span=12)]),
            Section("Timing", [_timing()]),
            Section("What happened", [last_commands(), last_events()]),
        ],
        variables=[choice("group", label="Group")],
        annotations=[commands_marked(), pushes_marked(shown=False), happenings_marked(shown=False)],
    )


def _at_the_top() -> Iterator[Panel]:
    yield nodes_now(span=12, height=4)
    yield figures(
        "FPGA master",
        "Its health and timing in one word.",
        Target(newest(FPGA, Column("state")), alias="FPGA"),
    ).mappings(words(FPGA_COLOURS))
    yield figures(
        "Earth orientation",
        "Whether the nodes' table is fresh.",
        Target(newest(EOP, Column("state")), alias="EOP"),
    ).mappings(words(EOP_COLOURS))
    left = figures(
        "Table left",
        "Until the last entry of the Earth-orientation table that the nodes have.",
        Target(newest(EOP, Column("days_left")), alias="left"),
        unit=unit_of(EOP, "days_left"),
    )
    yield judged(left, (None, BAD), (RUNS_OUT_DAYS, GOOD))


def _timing() -> Panel:
    return timeline(
        "FPGA master and Earth orientation",
        "Their states over time; the dashboard Timing has the figures.",
        Target(over_time(FPGA, Column("state")), alias="FPGA master"),
        Target(over_time(EOP, Column("state")), alias="Earth orientation"),
        height=4,
    ).mappings(words(FPGA_COLOURS, EOP_COLOURS))
