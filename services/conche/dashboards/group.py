"""One group or several: their nodes, and what was done to them."""

from typing import Final

from conche.contract.measurements import COMMAND, GROUP, LATENCY, NODE, PUSH

from .board import Board, Section, choice, commands_marked, of_chosen_groups, pushes_marked
from .colours import BAD, GOOD, flags
from .panels import Panel, coloured, in_unit, lines, linked, mapped, points, rows, shown_as, timeline, unit_of
from .places import GROUP as PLACE
from .places import node_of_row
from .queries import MEAN, WORST, Column, last_rows, over_time
from .shared import OK, ROWS, groups_now, last_commands, nodes_now, state_counts, state_grid, wrong_now
from .targets import Target

WORKER: Final = "Worker"


def group() -> Board:
    """Return the dashboard."""
    return Board(
        PLACE,
        "conche: Group",
        "The nodes of one group or of several: their states, what differs, what was done to them, and how fast they "
        "answer.",
        [
            Section(
                None, [nodes_now(span=12, height=6), groups_now(span=12), state_grid(height=12), _worker()]
            ),
            Section("Nodes", [state_counts(), wrong_now(), _differing(), _at_work()]),
            Section("Pushes", [_last_pushes(), _durations()]),
            Section("Latency and commands", [_latency(), _worst(), _command_times(), last_commands()]),
        ],
        variables=[choice("group", label="Group")],
        annotations=[commands_marked(of_chosen_groups()), pushes_marked(of_chosen_groups())],
    )


def _worker() -> Panel:
    query = over_time(GROUP, Column("worker"), by=["group"], where=[of_chosen_groups()])
    return timeline(
        WORKER,
        "Whether the group's worker was online; without one nobody acts on its nodes.",
        Target(query, alias="$tag_group"),
        height=4,
    ).mappings(flags(yes="there", no="none", yes_colour=GOOD, no_colour=BAD))


def _differing() -> Panel:
    columns = [Column("differing"), Column("in_maintenance"), Column("nodes")]
    query = over_time(GROUP, *columns, by=["group"], where=[of_chosen_groups()])
    return lines(
        "Differing, and in maintenance",
        "How many nodes run something else than desired, and how many are in maintenance, of how many.",
        Target(query, alias="$tag_group $col"),
    ).decimals(0)


def _at_work() -> Panel:
    columns = [Column("attempts", WORST), Column("pending", WORST)]
    query = over_time(NODE, *columns, by=["group"], where=[of_chosen_groups()])
    return lines(
        "Attempts and work under way",
        "The most pushes that any node of the group has had since it was last well, and whether anything is being "
        "done about any node.",
        Target(query, alias="$tag_group $col"),
    ).decimals(0)


def _last_pushes() -> Panel:
    shown = ("group", "node", "kind", "ok", "took_s", "revision", "text")
    panel = rows(
        "Last pushes",
        "What was done to nodes, and what came of it; the latest first.",
        last_rows(PUSH, *shown, where=[of_chosen_groups()], limit=ROWS),
        shown,
    )
    panel = shown_as(panel, "ok", mapped(OK), coloured())
    panel = shown_as(panel, "took_s", in_unit(unit_of(PUSH, "took_s")))
    return shown_as(panel, "node", linked("Node", node_of_row()))


def _durations() -> Panel:
    query = over_time(PUSH, Column("took_s", WORST), by=["group", "kind"], where=[of_chosen_groups()])
    return points(
        "How long pushes took",
        "The longest push of each kind, from its begin to the read-back.",
        Target(query, alias="$tag_group $tag_kind"),
        unit=unit_of(PUSH, "took_s"),
    )


def _latency() -> Panel:
    query = over_time(LATENCY, Column("median_s", MEAN), by=["group", "node"], where=[of_chosen_groups()])
    return lines(
        "Latency of nodes",
        "How long a node's REST server took to tell its config: the median within a minute.",
        Target(query, alias="$tag_group/$tag_node"),
        unit=unit_of(LATENCY, "median_s"),
    )


def _worst() -> Panel:
    query = over_time(LATENCY, Column("worst_s", WORST), by=["group"], where=[of_chosen_groups()])
    return lines(
        "Worst latency",
        "The longest that any node of the group took to tell its config.",
        Target(query, alias="$tag_group"),
        unit=unit_of(LATENCY, "worst_s"),
    )


def _command_times() -> Panel:
    query = over_time(COMMAND, Column("took_s", WORST), by=["action"], where=[of_chosen_groups()])
    return points(
        "How long commands took",
        "From taking a command to its reply; the longest of each kind.",
        Target(query, alias="$tag_action"),
        unit=unit_of(COMMAND, "took_s"),
        span=24,
    )
