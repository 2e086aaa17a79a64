"""The actions that there are: what a command may carry.

Every argument beyond those of `Arguments` stands with the action that takes it.
"""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from .payloads import Payload, Time

CommandId = Annotated[str, Meta(pattern="^[A-Za-z0-9_.:-]{1,64}$")]
JsonObject = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
FileName = Annotated[str, Meta(description="in the config directory, such as cx/cx27.yaml", min_length=1)]
CommitName = Annotated[
    str, Meta(description="a git revision, such as the first digits of a commit", min_length=1)
]


def _no_arguments() -> Raw:
    return Raw(b"{}")


class Arguments(Payload, frozen=True, kw_only=True):
    """Fields that every command may carry beside its own."""

    id: Annotated[CommandId | None, Meta(description="repeat it until it is answered")] = None
    user: Annotated[str | None, Meta(description="the person for whom the account acts")] = None
    reason: str | None = None
    expires_at: Time | None = None


class SetStarted(Arguments, frozen=True, kw_only=True):
    """Set the desired run state."""

    started: bool


class SetMaintenance(Arguments, frozen=True, kw_only=True):
    """Put into or take out of maintenance."""

    maintenance: bool
    until: Time | None = None


class Resync(Arguments, frozen=True, kw_only=True):
    """Restart with the desired config even without drift; lifts holds, rejections and back-off."""


class Ping(Arguments, frozen=True, kw_only=True):
    """Ask each node's REST server for a word: what it answers, and after which time."""


class Inspect(Arguments, frozen=True, kw_only=True):
    """Read the node now: what it runs and how that differs from what is desired."""

    config: Annotated[bool, Meta(description="whether the reply brings the live config along")] = False


class Edit(Arguments, frozen=True, kw_only=True):
    """Fields that every change of the config directory may carry."""

    started_from: Annotated[
        CommitName | None,
        Meta(
            description="the commit that the edit began with: refused where somebody has changed the same since"
        ),
    ] = None
    plan: Annotated[
        str | None,
        Meta(description="the plan that this carries out: refused where the world has moved since"),
    ] = None


class BaseConfig(Edit, frozen=True, kw_only=True):
    """Replace the base config, as it is written, before it is rendered; tried on every target first."""

    config_content: str
    shared: Annotated[
        bool,
        Meta(description="whether a file may be written that other nodes use too; they are targets then"),
    ] = False


class UpdatableConfig(Edit, frozen=True, kw_only=True):
    """Replace the stored values of one updatable block: all of its keys, of the same kinds."""

    endpoint: Annotated[str, Meta(description="path of the block, such as gains/coeffs", min_length=1)]
    values: dict[str, Any]
    force: Annotated[bool, Meta(description="whether values may be sent that a kotekan has refused")] = False


class NodeEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A node as ``nodes.yaml`` has it; what is left out stays as it stands there, null removes it."""

    host: str | UnsetType | None = UNSET
    port: int | UnsetType | None = UNSET
    started: bool | UnsetType | None = UNSET
    config: str | UnsetType | None = UNSET
    vars: dict[str, Any] | UnsetType | None = UNSET


class SetNodes(Edit, frozen=True, kw_only=True):
    """Rewrite ``nodes.yaml``: these groups and nodes there are from now on, and no others."""

    groups: dict[str, dict[str, NodeEntry]]


class SetFiles(Edit, frozen=True, kw_only=True):
    """Write files of the config directory, all or none of them."""

    files: Annotated[
        dict[FileName, str | None], Meta(description="name to new content; null removes it", min_length=1)
    ]


class Rollback(Edit, frozen=True, kw_only=True):
    """Bring files of the config directory back to what they were at a commit; a new commit of its own."""

    commit: CommitName
    paths: Annotated[
        list[str], Meta(description="only these files, or what lies below them; none for all")
    ] = field(default_factory=list)


class EditAction(StrEnum):
    """The actions that change the config directory."""

    BASE_CONFIG = "base_config"
    UPDATABLE_CONFIG = "updatable_config"
    SET_NODES = "set_nodes"
    SET_FILES = "set_files"
    ROLLBACK = "rollback"


class Plan(Arguments, frozen=True, kw_only=True):
    """Say what a change of the config directory would do, and change nothing."""

    action: EditAction
    arguments: Annotated[JsonObject, Meta(description="as that action takes them")] = field(
        default_factory=_no_arguments
    )


class Log(Arguments, frozen=True, kw_only=True):
    """List the commits of the config directory, the newest first."""

    path: Annotated[str | None, Meta(description="only those that changed this file, or anything below")] = (
        None
    )
    limit: Annotated[int, Meta(ge=1, le=1000)] = 20


class Show(Arguments, frozen=True, kw_only=True):
    """Show what a commit changed."""

    commit: CommitName


class ReadFiles(Arguments, frozen=True, kw_only=True):
    """Read files of the config directory, to edit them; the reply's commit is what such an edit started from."""

    files: Annotated[list[FileName], Meta(max_length=1000)] = field(default_factory=list)
    all: Annotated[bool, Meta(description="every config file that there is, beside those that are named")] = (
        False
    )


class Events(Arguments, frozen=True, kw_only=True):
    """Read the journal, the newest first; with ``after``, the oldest first."""

    group: str | None = None
    node: Annotated[str | None, Meta(description="with what concerned its whole group")] = None
    targets: Annotated[
        list[str],
        Meta(
            description="only these: cx/cx27, cx for a whole group, or patterns such as cx/cx1?; none for all",
            max_length=100,
        ),
    ] = field(default_factory=list)
    kinds: Annotated[list[str], Meta(description="only these kinds; none for all")] = field(
        default_factory=list
    )
    since: Time | None = None
    before: Annotated[int | None, Meta(description="only entries with a smaller number")] = None
    after: Annotated[
        int | None, Meta(description="only entries with a larger number, and the oldest of them first")
    ] = None
    limit: Annotated[
        int,
        Meta(ge=1, le=1000, description="fewer come where they are long: none means that there are no more"),
    ] = 100
