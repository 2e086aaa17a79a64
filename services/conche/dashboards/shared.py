"""Panels that the Overview and a group's page both have: of the chosen groups."""

from typing import Final

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries

from conche.contract import NodeState
from conche.contract.measurements import (
    COMMAND,
    GROUP,
    HAPPENING,
    NODE,
    NODE_STATE_CODES,
    STATE_COLOURS,
)

from .board import of_chosen_groups
from .colours import BAD, GOOD, GREY, HEALTH, flags, words
from .panels import (
    NOW,
    coloured,
    counts,
    in_unit,
    linked,
    mapped,
    rows,
    shown_as,
    state_figures,
    timeline,
    unit_of,
)
from .places import group_of_row, group_of_series, node_of_row, node_of_series
from .queries import Column, is_not, last_rows, newest, newest_point, over_time, those, total
from .targets import Target

ROWS: Final = 50
"""Of a table that would go on for ever."""

WRONG: Final = "What is wrong now"
WORKERS: Final = "Groups now"

_STATES: Final = tuple(str(state) for state in NodeState)
_YES_NO: Final = flags(yes="yes", no="no", yes_colour=GREY, no_colour="transparent")
OK: Final = flags(yes="ok", no="failed", yes_colour=GOOD, no_colour=BAD)
_WORST_CODE: Final = NODE_STATE_CODES[NodeState.UNKNOWN]
"""From this code on a node is not as anybody wants it."""


def nodes_now(*, span: int, height: int) -> stat.Panel:
    """Return how many nodes are in each state."""
    last = newest(GROUP, *(Column(state) for state in _STATES), by=["group"], where=[of_chosen_groups()])
    return state_figures(
        "Nodes now",
        "How many nodes of the chosen groups are in each state, as last told within five minutes.",
        Target(total(GROUP, last, *_STATES), alias="$col"),
        span=span,
        height=height,
    )


def state_grid(*, height: int) -> statetimeline.Panel:
    """Return the state of each node over time."""
    query = over_time(NODE, Column("state"), by=["group", "node"], where=[of_chosen_groups()])
    panel = timeline(
        "Nodes",
        "The state of every node over time: green started, yellow stopped, blue syncing, red down, grey unknown, "
        "purple failed. Where a lane is empty nothing was heard for three minutes. A click leads to the node's page.",
        Target(query, alias="$tag_group/$tag_node"),
        height=height,
    )
    return panel.mappings(words(STATE_COLOURS)).override_by_regexp("/.*/", [linked("Node", node_of_series())])


def state_counts() -> timeseries.Panel:
    """Return how many nodes were in each state over time."""
    columns = (Column(state) for state in _STATES)
    query = over_time(GROUP, *columns, by=["group"], where=[of_chosen_groups()], fill="previous")
    return counts(
        "Nodes in each state",
        "How many nodes of the chosen groups were in each state, in the states' colours, one group upon the other. "
        "Each figure holds until another one is told, also while nothing is: the panel Nodes shows such a time.",
        Target(query, alias="$col $tag_group"),
    )


def wrong_now() -> table.Panel:
    """Return the nodes that are not as they should be."""
    shown = ("state", "differing", "maintenance", "held", "error")
    asked = (*shown, "unhealed")
    last = newest_point(NODE, "state_code", *asked, by=["group", "node"], where=[of_chosen_groups()])
    which = f'"state_code" >= {_WORST_CODE} OR ("unhealed" = 1 AND "maintenance" = 0)'
    panel = rows(
        WRONG,
        "Nodes that are unknown, down or failed, or are not as desired while nothing is being done about it, with what "
        "is wrong in words. Drift that is ignored is not wrong. "
        "A click on a node leads to its page.",
        those(NODE, last, *shown, by=["group", "node"], which=which),
        ["group", "node", *shown],
    )
    panel = panel.time_from(NOW).no_value("nothing is wrong, or nothing was told for five minutes")
    panel = shown_as(panel, "state", mapped(words(STATE_COLOURS)), coloured())
    for column in ("differing", "maintenance", "held"):
        panel = shown_as(panel, column, mapped(_YES_NO))
    return shown_as(panel, "node", linked("Node", node_of_row()))


def groups_over_time(*, span: int) -> statetimeline.Panel:
    """Return each group's summary over time."""
    query = over_time(GROUP, Column("summary"), by=["group"], where=[of_chosen_groups()])
    panel = timeline(
        "Groups",
        "Each group in one word: normal, warning, error. A click leads to the group's page.",
        Target(query, alias="$tag_group"),
        span=span,
        height=6,
    )
    return panel.mappings(words(HEALTH)).override_by_regexp("/.*/", [linked("Group", group_of_series())])


def groups_now(*, span: int) -> table.Panel:
    """Return the groups in figures."""
    shown = ("summary", "nodes", "in_maintenance", "differing", "worker")
    query = newest_point(GROUP, "summary_code", *shown, by=["group"], where=[of_chosen_groups()])
    panel = rows(
        WORKERS,
        "The groups in figures. Without a worker nobody acts on a group's nodes.",
        query,
        ["group", *shown],
        hidden=["Time", "summary_code"],
        span=span,
        height=6,
    ).time_from(NOW)
    panel = shown_as(panel, "summary", mapped(words(HEALTH)), coloured())
    panel = shown_as(
        panel, "worker", mapped(flags(yes="there", no="none", yes_colour=GOOD, no_colour=BAD)), coloured()
    )
    return shown_as(panel, "group", linked("Group", group_of_row()))


def last_commands() -> table.Panel:
    """Return the commands that were answered last."""
    shown = ("user", "person", "action", "group", "ok", "took_s", "text", "reason", "service")
    query = last_rows(COMMAND, *shown, where=[of_chosen_groups()], limit=ROWS)
    panel = rows(
        "Last commands",
        "Who commanded what, and what came of it; the latest first.",
        query,
        shown,
        span=24,
    )
    panel = shown_as(panel, "ok", mapped(OK), coloured())
    return shown_as(panel, "took_s", in_unit(unit_of(COMMAND, "took_s")))


def last_events() -> table.Panel:
    """Return what happened last, but for what commands and pushes have panels of."""
    shown = ("service", "group", "node", "kind", "text", "user", "ok")
    where = [is_not("kind", "command"), is_not("kind", "reply")]
    panel = rows(
        "Last events",
        "What the services told last, of all groups; the latest first.",
        last_rows(HAPPENING, *shown, where=where, limit=ROWS),
        shown,
        span=24,
    )
    return shown_as(shown_as(panel, "ok", mapped(OK), coloured()), "node", linked("Node", node_of_row()))
