"""One node: everything that is known of it."""

from typing import Final

from grafana_foundation_sdk.models.units import CountsPerSecond

from conche.contract.measurements import KOTEKAN, LATENCY, NODE, PUSH, STATE_COLOURS, Measurement

from .board import Board, Section, choice, commands_marked, of_chosen_groups, pushes_marked
from .colours import BUSY, CLEAR, GREY, REACH, flags, nothing_if_empty, words
from .panels import (
    NOW,
    Panel,
    coloured,
    in_unit,
    lines,
    mapped,
    points,
    rows,
    shown_as,
    timeline,
    unit_of,
)
from .places import NODE as PLACE
from .queries import (
    MEAN,
    PER_SECOND,
    WORST,
    Column,
    chosen,
    is_like,
    last_rows,
    newest_point,
    over_time,
)
from .shared import OK, ROWS, last_commands
from .targets import Target

THIS: Final = (chosen("group"), chosen("node"))
"""The node that was chosen."""

CHOSEN: Final = (*THIS, chosen("family"))
"""Of its kotekan's metrics those that were chosen: of all families they would be thousands."""

_COUNTERS: Final = "_total$"
_CODES: Final = ("state_code", "group", "node")
_SWITCHES: Final = (
    "started",
    "maintenance",
    "held",
    "pending",
    "differing",
    "unhealed",
    "drift_base",
    "reached",
)


def node() -> Board:
    """Return the dashboard."""
    return Board(
        PLACE,
        "conche: Node",
        "One node: its state, what it should run and what it runs, what was done to it, and its kotekan's own "
        "metrics.",
        [
            Section(None, [_now(), _states(), _switches()]),
            Section(
                "Configs and pushes", [_revisions(), _errors(), _pushes(), _durations(), _drift(), _tries()]
            ),
            Section("How it answers", [_latency(), _answers()]),
            Section("kotekan's own metrics", [_kotekan(), _kotekan_counters()]),
            Section("Commands", [last_commands()]),
        ],
        variables=[
            choice("group", label="Group", several=False),
            choice("node", label="Node", among=[of_chosen_groups()], several=False),
            choice("family", label="Family", measurement=KOTEKAN, among=THIS, every=False),
        ],
        annotations=[commands_marked(of_chosen_groups()), pushes_marked(*THIS)],
    )


def _over_time(measurement: Measurement, *columns: Column) -> Target:
    return Target(over_time(measurement, *columns, where=THIS), alias="$col")


def _now() -> Panel:
    shown = (
        "state",
        "reach",
        "started",
        "maintenance",
        "held",
        "pending",
        "desired",
        "live",
        "version",
        "error",
    )
    query = newest_point(NODE, "state_code", *shown, by=["group", "node"], where=THIS)
    panel = rows("Now", "What was last told of the node.", query, shown, hidden=_CODES, span=24, height=4)
    panel = shown_as(panel.time_from(NOW), "state", mapped(words(STATE_COLOURS)), coloured())
    for column in ("started", "maintenance", "held", "pending"):
        panel = shown_as(panel, column, mapped(flags(yes="yes", no="no", yes_colour=GREY, no_colour=CLEAR)))
    return panel


def _states() -> Panel:
    return timeline(
        "State and reach",
        "The node's state, and how it answered the poller.",
        _over_time(NODE, Column("state"), Column("reach")),
        height=5,
    ).mappings(words(STATE_COLOURS, REACH))


def _switches() -> Panel:
    return timeline(
        "Switches and flags",
        "What operators set (started, maintenance), whether a config is held, something is under way, it runs "
        "something else than desired, it is not as desired while nothing is under way, a restart would be needed, and "
        "whether it answered its last poll.",
        _over_time(NODE, *(Column(flag) for flag in _SWITCHES)),
        height=9,
    ).mappings(flags(yes="yes", no="no", yes_colour=BUSY, no_colour=GREY))


def _revisions() -> Panel:
    return timeline(
        "Config revisions",
        "The revision that the node should run, and the one that it runs.",
        _over_time(NODE, Column("desired"), Column("live")),
        span=12,
        height=6,
    )


def _errors() -> Panel:
    return timeline(
        "What was wrong",
        "What the node's worker said was wrong, in words, while it was so.",
        _over_time(NODE, Column("error")),
        span=12,
        height=6,
    ).mappings(nothing_if_empty())


def _pushes() -> Panel:
    shown = ("kind", "ok", "took_s", "revision", "text")
    query = last_rows(PUSH, *shown, where=THIS, limit=ROWS)
    panel = rows("Pushes", "What was done to the node; the latest first.", query, shown)
    panel = shown_as(panel, "ok", mapped(OK), coloured())
    return shown_as(panel, "took_s", in_unit(unit_of(PUSH, "took_s")))


def _durations() -> Panel:
    query = over_time(PUSH, Column("took_s", WORST), by=["kind"], where=THIS)
    return points(
        "How long pushes took",
        "From its begin to the read-back, by kind.",
        Target(query, alias="$tag_kind"),
        unit=unit_of(PUSH, "took_s"),
    )


def _drift() -> Panel:
    return lines(
        "Drift",
        "How many updatable blocks of the node differ from what is desired.",
        _over_time(NODE, Column("drift_endpoints")),
    ).decimals(0)


def _tries() -> Panel:
    return lines(
        "Attempts and rejections",
        "Pushes since the node was last well, and configs and values that its kotekan refused.",
        _over_time(NODE, Column("attempts"), Column("rejected")),
    ).decimals(0)


def _latency() -> Panel:
    return lines(
        "Latency",
        "How long the node's REST server took to tell its config within a minute.",
        _over_time(LATENCY, Column("median_s", MEAN), Column("worst_s", WORST)),
        unit=unit_of(LATENCY, "worst_s"),
    )


def _answers() -> Panel:
    return lines(
        "Answers",
        "How many polls the node answered within a minute.",
        _over_time(LATENCY, Column("answers")),
    ).decimals(0)


def _kotekan() -> Panel:
    query = over_time(KOTEKAN, Column("value", MEAN), by=["*"], where=CHOSEN)
    return lines(
        "Metrics of kotekan",
        "Of the chosen families, among those that metrics: families in conche.yaml chooses; each series with its "
        "labels. How fast counters grow is shown beside it.",
        Target(query),
        height=12,
    )


def _kotekan_counters() -> Panel:
    counters = [*CHOSEN, is_like("family", _COUNTERS)]
    query = over_time(KOTEKAN, Column("value", PER_SECOND), by=["*"], where=counters, fill="none")
    return lines(
        "Counters of kotekan",
        "How fast the counters among the chosen families grow: those whose names end in _total. kotekan calls some "
        "levels so too, such as frames in a buffer.",
        Target(query),
        unit=CountsPerSecond,
        height=12,
    )
