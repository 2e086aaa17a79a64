"""The payloads of states and heartbeats: what stands on a topic.

Readers ignore fields that they don't know, and every field that was added later has a default: a
retained message outlives the code that wrote it. Times are aware UTC.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Raw, Struct, field
from msgspec.json import decode

Hash = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="MD5 over msgpack with sorted keys, in hex")]
JsonObjectOrNull = Annotated[Raw, Meta(extra_json_schema={"type": ["object", "null"]})]

Time = Annotated[datetime, Meta(tz=True)]

NULL: Raw = Raw(b"null")


def _null() -> Raw:
    return NULL


class Payload(Struct, frozen=True, kw_only=True):
    """What every payload is: immutable, with named fields."""


class ServiceState(StrEnum):
    """Whether a service is there."""

    ONLINE = "online"
    OFFLINE = "offline"
    """It went by itself, in good order."""
    LOST = "lost"
    """The broker said so: its last will."""


class ServiceBirth(Payload, frozen=True, kw_only=True):
    """A service is online, went offline, or was lost; also its last will."""

    state: ServiceState
    boot: Annotated[str, Meta(description="new at each process start")]
    since: Time
    version: str = ""
    host: str = ""
    dropped: Annotated[
        int,
        Meta(
            ge=0,
            description="messages that found the inbox full, and events too large to be told, since its start",
        ),
    ] = 0
    invalid: Annotated[
        int, Meta(ge=0, description="messages that were not what the contract says, since its start")
    ] = 0


class Beat(Payload, frozen=True, kw_only=True):
    """A service is here now: sent while everything that it owns stands on the broker as it wants it."""

    boot: str
    period_s: float


class RegisteredNode(Payload, frozen=True, kw_only=True):
    """One kotekan instance of the registry."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65535)]
    epoch: Annotated[str, Meta(description="a node whose epoch is new goes into maintenance and is adopted")]
    started: Annotated[bool, Meta(description="desired run state where nothing else tells")] = False


class Registry(Payload, frozen=True, kw_only=True):
    """Which nodes there are; one with an error is the last good one, and nobody clears anything on it."""

    boot: Annotated[str, Meta(description="boot of the renderer that published it")]
    groups: dict[str, dict[str, RegisteredNode]]
    error: str | None = None


class DesiredConfig(Payload, frozen=True, kw_only=True):
    """What one node should run; no config at all while anything is wrong with it."""

    boot: Annotated[str, Meta(description="boot of the renderer that published it")]
    revision: Hash | None = None
    base: Annotated[
        Hash | None,
        Meta(description="revision with every value of an updatable block replaced by its JSON kind"),
    ] = None
    updatable: Annotated[dict[str, Hash], Meta(description="endpoint: hash of its block's values")] = field(
        default_factory=dict
    )
    config: JsonObjectOrNull = field(default_factory=_null)
    source: Annotated[str | None, Meta(description="file of the base config in the config directory")] = None
    error: str | None = None
    warnings: list[str] = field(default_factory=list)
    forced: Annotated[
        dict[str, str],
        Meta(description="endpoint: wish that its values be tried once although a kotekan refused them"),
    ] = field(default_factory=dict)


class Reach(StrEnum):
    """How a kotekan answered its last poll."""

    OK = "ok"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    """No route, unknown name, or no answer to the connection within 1 s."""
    BUSY = "busy"
    """Connected, and no answer within 2 s: its one REST thread is at work."""
    HTTP_ERROR = "http-error"
    """Answered, but not as a kotekan does."""


class Observed(Payload, frozen=True, kw_only=True):
    """What one node really runs, as the poller saw it; published on change and about once a minute."""

    boot: Annotated[str, Meta(description="boot of the poller")]
    sweep: Annotated[int, Meta(description="number of the sweep that saw it")]
    reach: Reach
    running: bool | None = None
    version: str | None = None
    revision: Hash | None = None
    base: Hash | None = None
    updatable: dict[str, Hash] = field(default_factory=dict)
    error: str | None = None


class Sweep(Payload, frozen=True, kw_only=True):
    """The poller's heartbeat, after the observations of that sweep were acknowledged."""

    boot: str
    number: int
    groups: list[str]
    at: Time
    took_s: float
    polled: int
    unreachable: int
    overrun: Annotated[bool, Meta(description="the sweep took longer than its period")]
    period_s: float


class Latency(Payload, frozen=True, kw_only=True):
    """How long one node took to answer, over all its answers within a minute."""

    median_s: float
    worst_s: float
    answers: int


class Latencies(Payload, frozen=True, kw_only=True):
    """How long nodes took to answer a poller; those that did not answer are left out."""

    boot: str
    at: Time
    groups: dict[str, dict[str, Latency]]


class NodeState(StrEnum):
    """What an operator sees first."""

    STARTED = "started"
    STOPPED = "stopped"
    SYNCING = "syncing"
    DOWN = "down"
    UNKNOWN = "unknown"
    FAILED = "failed"


class Maintenance(Payload, frozen=True, kw_only=True):
    """The switch that keeps everybody from writing to a node."""

    on: bool
    by: str | None = None
    reason: str | None = None
    until: Time | None = None


class Drift(Payload, frozen=True, kw_only=True):
    """How the live config differs from the desired one."""

    base: bool = False
    endpoints: list[str] = field(default_factory=list)
    paths: Annotated[list[str], Meta(description="the first differing paths, in words")] = field(
        default_factory=list
    )


class Rejection(Payload, frozen=True, kw_only=True):
    """What this node's kotekan refused: a whole revision, or the values of one endpoint."""

    error: Annotated[str, Meta(description="kotekan's own words")]
    at: Time
    revision: Hash | None = None
    endpoint: str | None = None
    values: Annotated[Hash | None, Meta(description="hash of the refused values")] = None
    forced: Annotated[
        str | None, Meta(description="the wish that had them tried although refused before")
    ] = None


class Cure(Payload, frozen=True, kw_only=True):
    """Paths for which a restart was made within the last hour: if they drift again, it is shown and left alone."""

    paths: list[str]
    at: Annotated[Time, Meta(description="of the latest of these restarts")]


class PushKind(StrEnum):
    """How a node was changed."""

    START = "start"
    RESTART = "restart"
    STOP = "stop"
    UPDATE = "update"
    HEAL = "heal"
    """Started with what last ran well, because what is desired is rejected or held."""


class Outcome(StrEnum):
    """How a command ended for one node."""

    OK = "ok"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    HELD = "held"
    SKIPPED = "skipped"


class LastPush(Payload, frozen=True, kw_only=True):
    """The last change that was made to a node, or is being made."""

    kind: PushKind
    at: Time
    revision: Hash | None = None
    ok: bool | None = None
    took_s: float | None = None
    error: str | None = None


class NodeStatus(Payload, frozen=True, kw_only=True):
    """Everything about one node, from the worker of its group."""

    state: NodeState
    started: Annotated[bool | None, Meta(description="operators' switch; null until the node was adopted")]
    maintenance: Maintenance
    epoch: str
    drift: Drift = field(default_factory=Drift)
    desired: Hash | None = None
    live: Hash | None = None
    proven: Annotated[Hash | None, Meta(description="last revision that ran past the settle time here")] = (
        None
    )
    held: Annotated[str | None, Meta(description="why the desired revision is not given to this node")] = None
    rejected: list[Rejection] = field(default_factory=list)
    cure: Cure | None = None
    error: str | None = None
    since: Time | None = None
    last_push: LastPush | None = None
    attempts: int = 0
    retry_at: Time | None = None
    pending: Annotated[
        bool, Meta(description="something is being done about it, or about to be; not while back-off runs")
    ] = False


class Health(StrEnum):
    """A group in one word."""

    NORMAL = "normal"
    WARNING = "warning"
    ERROR = "error"


class Hold(Payload, frozen=True, kw_only=True):
    """Nodes that somebody keeps in maintenance, for one reason and until one time."""

    by: str | None = None
    reason: str | None = None
    until: Time | None = None
    count: int
    nodes: Annotated[list[str], Meta(description="the first ten")]


class GroupSummary(Payload, frozen=True, kw_only=True):
    """A group in one line."""

    summary: Health
    info: Annotated[str, Meta(description="one line; names at most ten nodes at fault")]
    counts: Annotated[dict[NodeState, int], Meta(description="nodes in each state")]
    nodes: int
    maintenance: Annotated[int, Meta(description="nodes in maintenance")] = 0
    differing: Annotated[int, Meta(description="nodes that run something else than desired")] = 0
    holds: Annotated[
        list[Hold], Meta(description="who keeps nodes in maintenance; those of most nodes first, at most ten")
    ] = field(default_factory=list)


class Mark(Payload, frozen=True, kw_only=True):
    """The sentinel that comes back behind the retained messages."""

    nonce: str


def as_object(raw: bytes) -> Any:
    """Decode the JSON of a ``Raw`` field.

    Returns
    -------
    Any
        Mostly a dict; None for ``null``.
    """
    return decode(raw)
