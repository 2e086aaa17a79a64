"""The measurements: what the metrics service keeps of the bus in a time-series database, and what pictures are made of.

One catalogue for the database, the Prometheus endpoint, the dashboards, the alert rules, and ``conche history``;
``docs/metrics.md`` is generated from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from .earth import EopState
from .instrument import FpgaState
from .payloads import Health, NodeState, Reach, ServiceState


class FieldKind(StrEnum):
    """What a field holds: a database refuses a field that comes in another kind than at first."""

    FLOAT = "float"
    INTEGER = "integer"
    FLAG = "flag"
    """An integer, 0 or 1: it can be summed, averaged, and compared in an alert."""
    TEXT = "text"


class Shape(StrEnum):
    """When there is a point."""

    STATE = "state"
    """At each change, and again once a refresh period while there is none: the last one holds."""
    SAMPLE = "sample"
    """As often as it is measured."""
    EVENT = "event"
    """One for each thing that happened."""


@dataclass(frozen=True, slots=True)
class Field:
    """One figure or text of a measurement.

    Parameters
    ----------
    name
        In the database.
    kind
        What it holds.
    text
        What it means.
    unit
        Of a figure: ``s``, ``ns``, ``d``, ``arcsec``, ``bytes``; None for a count, a flag or a text.
    """

    name: str
    kind: FieldKind
    text: str
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement.

    Parameters
    ----------
    name
        In the database.
    shape
        When there is a point.
    tags
        What tells its series apart, with their meanings.
    fields
        What each point holds; a point leaves out what is not known.
    keep
        How long it is worth keeping, for whoever sets up the database.
    text
        One sentence.
    """

    name: str
    shape: Shape
    tags: Mapping[str, str]
    fields: tuple[Field, ...]
    keep: str
    text: str

    def field(self, name: str) -> Field:
        """Return a field.

        Raises
        ------
        KeyError
            There is no such field.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name} has no field {name}")


NODE_STATE_CODES: Final[Mapping[NodeState, int]] = {
    NodeState.STARTED: 0,
    NodeState.STOPPED: 1,
    NodeState.SYNCING: 2,
    NodeState.UNKNOWN: 3,
    NodeState.DOWN: 4,
    NodeState.FAILED: 5,
}
"""The higher, the worse, so that a maximum is the worst."""

HEALTH_CODES: Final[Mapping[Health, int]] = {Health.NORMAL: 0, Health.WARNING: 1, Health.ERROR: 2}
FPGA_STATE_CODES: Final[Mapping[FpgaState, int]] = {
    FpgaState.GOOD: 0,
    FpgaState.UNCONFIGURED: 1,
    FpgaState.DEGRADED: 2,
    FpgaState.DOWN: 3,
}
EOP_STATE_CODES: Final[Mapping[EopState, int]] = {
    EopState.FRESH: 0,
    EopState.NEVER: 1,
    EopState.STALE: 2,
    EopState.FAILED: 3,
}

STATE_COLOURS: Final[Mapping[NodeState, str]] = {
    NodeState.STARTED: "#2E9E4F",
    NodeState.STOPPED: "#E0B400",
    NodeState.SYNCING: "#2F7DE1",
    NodeState.DOWN: "#D93025",
    NodeState.UNKNOWN: "#8A8F98",
    NodeState.FAILED: "#8E44AD",
}
"""The colours of the states in every picture: green, yellow, blue, red, grey, purple."""

StrEnumT = TypeVar("StrEnumT", bound=StrEnum)

_GROUP: Final = {"group": "group of the node"}
_NODE: Final = {**_GROUP, "node": "name of the node"}


def _words(codes: Mapping[StrEnumT, int]) -> str:
    return ", ".join(f"{code} {word}" for word, code in codes.items())


def _one_of(words: type[StrEnum]) -> str:
    return ", ".join(words)


def _float(name: str, text: str, unit: str | None = None) -> Field:
    return Field(name, FieldKind.FLOAT, text, unit)


def _integer(name: str, text: str, unit: str | None = None) -> Field:
    return Field(name, FieldKind.INTEGER, text, unit)


def _flag(name: str, text: str) -> Field:
    return Field(name, FieldKind.FLAG, text)


def _text(name: str, text: str) -> Field:
    return Field(name, FieldKind.TEXT, text)


NODE: Final = Measurement(
    "node", Shape.STATE, _NODE,
    (
        _text("state", _one_of(NodeState)),
        _integer("state_code", _words(NODE_STATE_CODES)),
        _flag("started", "whether operators want it to run; left out until the node was adopted"),
        _flag("maintenance", "whether nobody may write to it"),
        _flag("differing", "whether it runs something else than desired"),
        _flag(
            "unhealed",
            "whether it is not as desired, or idle and should run, and nothing is being done about it; left out where "
            "nobody can tell",
        ),
        _flag("drift_base", "whether a restart would be needed"),
        _integer("drift_endpoints", "updatable blocks that differ"),
        _flag("held", "whether the desired config is not given to it"),
        _integer("rejected", "configs and values that its kotekan refused"),
        _integer("attempts", "pushes since it was last well"),
        _flag("pending", "whether something is being done about it"),
        _text("desired", "revision that it should run"),
        _text("live", "revision that it runs"),
        _text("error", "what is wrong, its first 200 characters"),
        _text("reach", _one_of(Reach)),
        _flag("reached", "whether it answered the last poll"),
        _text("version", "of its kotekan"),
    ),
    "a year or more: it is what happened to the telescope; about 1 MB a node and year",
    "A node's state, from its worker's status and the poller's observation.",
)  # fmt: skip
LATENCY: Final = Measurement(
    "latency", Shape.SAMPLE, _NODE,
    (
        _float("median_s", "of a node's answers to the poller within a minute", "s"),
        _float("worst_s", "the longest of them", "s"),
        _integer("answers", "how many there were"),
    ),
    "weeks",
    "How long a node's REST server takes to tell its config.",
)  # fmt: skip
GROUP: Final = Measurement(
    "group", Shape.STATE, _GROUP,
    (
        _text("summary", _one_of(Health)),
        _integer("summary_code", _words(HEALTH_CODES)),
        _integer("nodes", "in the group"),
        *(_integer(f"{state}", f"nodes that are {state}") for state in NodeState),
        _integer("in_maintenance", "nodes in maintenance"),
        _integer("differing", "nodes that run something else than desired"),
        _flag("worker", "whether the group's worker is online; without one nobody acts on its nodes"),
    ),
    "a year or more",
    "A group in figures.",
)  # fmt: skip
PUSH: Final = Measurement(
    "push", Shape.EVENT, {**_NODE, "kind": "start, restart, stop, update or heal"},
    (
        _float("took_s", "from its begin to the read-back", "s"),
        _flag("ok", "whether the node then ran what it was given"),
        _text("revision", "that ran afterwards"),
        _text("text", "what came of it, in words"),
    ),
    "a year or more",
    "A node was changed, or it was tried.",
)  # fmt: skip
COMMAND: Final = Measurement(
    "command", Shape.EVENT,
    {
        **_GROUP,
        "action": "what was wished for; other: what there is not",
        "user": "the account that wished it; other: a name that none has",
        "service": "who answered",
    },
    (
        _float("took_s", "from taking it to the reply", "s"),
        _flag("ok", "whether all of it was done"),
        _text("person", "who wished it: the account's own, or one for whom it acts"),
        _text("reason", "as its sender gave it"),
        _text("text", "what came of it, in words"),
    ),
    "a year or more",
    "A command was answered.",
)  # fmt: skip
HAPPENING: Final = Measurement(
    "event", Shape.EVENT,
    {"service": "who tells it", **_NODE, "kind": "state, switch, push, rejection, hold, config, epoch, …"},
    (
        _text("text", "one sentence"),
        _text("user", "who wanted it"),
        _flag("ok", "whether it went well, where that can be said"),
    ),
    "a year or more; the journal has the same",
    "Something happened; what annotations on the pictures are made of.",
)  # fmt: skip
SWEEP: Final = Measurement(
    "sweep", Shape.SAMPLE, {"instance": "name of the poller"},
    (
        _float("took_s", "from the first look of a period to the last answer", "s"),
        _float("period_s", "each node is asked once in this time", "s"),
        _integer("polled", "nodes that were asked"),
        _integer("unreachable", "nodes that did not answer"),
        _flag("overrun", "whether looks began late"),
    ),
    "weeks",
    "The poller has asked all its nodes.",
)  # fmt: skip
FPGA: Final = Measurement(
    "fpga", Shape.STATE, {},
    (
        _text("state", f"{_one_of(FpgaState)}; unknown: its service is away"),
        _integer("state_code", _words(FPGA_STATE_CODES)),
        _integer("frame0_ns", "when frame 0 was, UNIX time", "ns"),
        _float("frame0_age_s", "since frame 0", "s"),
        _integer("rollovers", "periods of 1024 GPS weeks that its correction added"),
        _text("error", "what is wrong"),
    ),
    "for ever: data are timed by it",
    "The FPGA master's health and timing.",
)  # fmt: skip
EOP: Final = Measurement(
    "eop", Shape.STATE, {},
    (
        _text("state", f"{_one_of(EopState)}; unknown: its service is away"),
        _integer("state_code", _words(EOP_STATE_CODES)),
        _float("age_s", "since the last run that succeeded", "s"),
        _float("days_left", "until the last entry of the table that nodes have", "d"),
        _float("data_days_left", "until the IERS data run out", "d"),
        _integer("data_age_days", "since the last day that was measured", "d"),
        _integer("entries", "of the table"),
        _integer("targets_ok", "nodes that have the table; left out while its service is away"),
        _integer("targets_other", "nodes that should have it and don't, for whatever reason; likewise"),
        _float("delta_ut1_inst_s", "UT1 - UTC minus the leap seconds since frame0, now", "s"),
        _float("xp_as", "x of the pole, now", "arcsec"),
        _float("yp_as", "y of the pole, now", "arcsec"),
        _text("error", "what is wrong"),
    ),
    "for ever: data are timed by it",
    "The Earth-orientation table that the nodes have.",
)  # fmt: skip
SERVICE: Final = Measurement(
    "service", Shape.STATE, {"service": "its name", "instance": "a worker's group, a poller's name, or '-'"},
    (
        _flag("online", "whether it is there"),
        _text("state", _one_of(ServiceState)),
        _integer("restarts", "processes that took its place since this metrics service began to look"),
        _float("uptime_s", "since its process started, while it is online", "s"),
        _integer("dropped", "messages that found its inbox full, since its start"),
        _integer("invalid", "messages that were not what the contract says, since its start"),
        _text("version", "of conche"),
    ),
    "months",
    "One of conche's own services.",
)  # fmt: skip
BROKER: Final = Measurement(
    "broker", Shape.SAMPLE, {},
    (
        _integer("clients", "that are connected"),
        _integer("subscriptions", "that there are"),
        _integer("retained", "messages that it retains"),
        _integer("stored", "messages that it holds, retained and queued"),
        _integer("stored_bytes", "of their payloads", "bytes"),
        _integer("received", "messages that were published to it, since its start"),
        _integer("sent", "messages that it sent, since its start"),
        _integer("dropped", "messages that it threw away since its start: a client was too slow"),
        _integer("received_bytes", "since its start", "bytes"),
        _integer("sent_bytes", "since its start", "bytes"),
        _integer("heap_bytes", "of memory, where it tells", "bytes"),
        _float("uptime_s", "since its start", "s"),
    ),
    "months",
    "The broker, from its $SYS topics.",
)  # fmt: skip
KOTEKAN: Final = Measurement(
    "kotekan", Shape.SAMPLE,
    {
        **_NODE,
        "family": "name of the metric",
        "…": "the metric's own labels, of 4,096 bytes at most; one called as a tag above gets the prefix label_",
    },
    (_float("value", "as kotekan gives it"),),
    "weeks, or downsampled",
    "Metrics of the kotekan processes themselves, of the families that the settings choose.",
)  # fmt: skip
SCRAPE: Final = Measurement(
    "scrape", Shape.SAMPLE, {},
    (
        _integer("nodes", "that were asked for their metrics within a period"),
        _integer("failed", "that did not answer, or answered something else"),
        _integer("series", "that were taken"),
        _integer("left", "that were left out: of one node more than `metrics: max_series`, or with too long labels"),
    ),
    "weeks",
    "How asking the nodes for their metrics went.",
)  # fmt: skip
METRICS: Final = Measurement(
    "metrics", Shape.SAMPLE, {},
    (
        _integer("written", "points that the database took, since the service's start"),
        _integer("dropped", "points that found the buffer full, since its start"),
        _integer("rejected", "points that the database refused, since its start"),
        _integer("buffered", "points that wait for the database"),
        _float("write_s", "of the last request that ended well", "s"),
        _float("away_s", "since the database last answered, while it is away; else 0", "s"),
    ),
    "weeks",
    "The metrics service itself.",
)  # fmt: skip

MEASUREMENTS: Final = (
    NODE, GROUP, LATENCY, PUSH, COMMAND, HAPPENING, SWEEP, FPGA, EOP, SERVICE, BROKER, KOTEKAN, SCRAPE, METRICS,
)  # fmt: skip
