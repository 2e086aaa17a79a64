"""What a service answers to a command."""

from enum import StrEnum
from hashlib import sha256
from typing import Annotated

from msgspec import Meta, Raw, field

from .arguments import EditAction, FileName
from .earth import EopStatus
from .events import JournalEntry
from .instrument import FpgaStatus
from .payloads import NULL, Hash, JsonObjectOrNull, Outcome, Payload, Reach, Time


def _null() -> Raw:
    return NULL


class Inspection(Payload, frozen=True, kw_only=True):
    """What one node runs right now, read for an ``inspect``."""

    reach: Reach
    latency_s: float | None = None
    running: bool | None = None
    revision: Hash | None = None
    desired: Hash | None = None
    paths: Annotated[list[str], Meta(description="every differing path, in words")] = field(
        default_factory=list
    )
    config: JsonObjectOrNull = field(default_factory=_null)


class Result(Payload, frozen=True, kw_only=True):
    """How a command ended for one node."""

    ok: bool
    outcome: Outcome
    error: str | None = None
    inspection: Inspection | None = None


class Change(StrEnum):
    """What a change of the config directory would do to a node."""

    RESTART = "restart"
    UPDATE = "update"
    """Values are posted while it runs."""
    NONE = "none"
    """It is not touched."""
    REFUSED = "refused"
    """Its config would be wrong: the change is not carried out."""
    REJECTED = "rejected"
    """Its kotekan has refused these values, or this config, before."""
    JOIN = "join"
    """It would be new in the registry."""
    LEAVE = "leave"
    """It would be in the registry no more; its kotekan is left alone."""


class PlannedNode(Payload, frozen=True, kw_only=True):
    """What a change would do to one node."""

    change: Change
    revision: Annotated[Hash | None, Meta(description="what it would have to run")] = None
    paths: Annotated[list[str], Meta(description="the first paths that differ, in words")] = field(
        default_factory=list
    )
    endpoints: Annotated[list[str], Meta(description="blocks whose values would be posted")] = field(
        default_factory=list
    )
    waits: Annotated[
        str | None, Meta(description="why it would not happen at once: maintenance, stopped, down")
    ] = None
    error: str | None = None


class Planned(Payload, frozen=True, kw_only=True):
    """What a change of the config directory would do; nothing was changed."""

    name: Annotated[
        str,
        Meta(description="a command that carries it out may name it, and is refused if the world has moved"),
    ]
    action: EditAction
    files: Annotated[list[FileName], Meta(description="that would be written or removed")]
    nodes: Annotated[
        dict[str, PlannedNode],
        Meta(description="the nodes whose desired config, entry or error would change, and all targets"),
    ]
    untouched: Annotated[int, Meta(description="all other nodes")] = 0
    new_epoch: Annotated[
        list[str], Meta(description="nodes that would go into maintenance: their epoch would be new")
    ] = field(default_factory=list)


class LoggedCommit(Payload, frozen=True, kw_only=True):
    """A commit of the config directory."""

    id: str
    at: Time
    author: str
    subject: str
    reason: str = ""
    trailers: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)


def text_digest(text: str) -> str:
    """Return what a file's text is known by."""
    return sha256(text.encode()).hexdigest()


class Reply(Payload, frozen=True, kw_only=True):
    """The answer to a command: one from each worker that has a target of it, or one from a service."""

    id: str | None
    action: str
    group: str
    ok: bool
    error: str | None = None
    results: dict[str, Result] = field(default_factory=dict)
    groups: Annotated[
        list[str], Meta(description="to a command for all groups: the groups whose workers will answer")
    ] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    commit: Annotated[
        str | None, Meta(description="that the command made; for read_files, the one that the files stand at")
    ] = None
    plan: Planned | None = None
    commits: list[LoggedCommit] = field(default_factory=list)
    patch: Annotated[str | None, Meta(description="of a commit, as a unified diff")] = None
    files: Annotated[dict[FileName, str | None], Meta(description="content by name; null: no such file")] = (
        field(default_factory=dict)
    )
    digests: Annotated[
        dict[FileName, str | None],
        Meta(description="SHA-256 of a file's text in UTF-8, by name; null: no such file"),
    ] = field(default_factory=dict)
    events: list[JournalEntry] = field(default_factory=list)
    fpga: Annotated[FpgaStatus | None, Meta(description="as it was read for a refresh")] = None
    eop: Annotated[
        EopStatus | None, Meta(description="of a run: as it is after it, or, where it was dry, would be")
    ] = None
