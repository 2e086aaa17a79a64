"""The actions that there are: what a command may carry.

Every argument beyond those of `Arguments` stands with the action that takes it.
"""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from .payloads import Payload, Time

CommandId = Annotated[str, Meta(pattern="^[A-Za-z0-9_.:-]{1,64}$")]
JsonObject = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
FileName = Annotated[
    str, Meta(description="in the config directory, such as cx/cx27.yaml", min_length=1, max_length=4096)
]
CommitName = Annotated[
    str,
    Meta(description="a git revision, such as the first digits of a commit", min_length=1, max_length=200),
]
PlanName = Annotated[str, Meta(max_length=200)]
PersonName = Annotated[str, Meta(max_length=64)]
Reason = Annotated[str, Meta(max_length=1000)]
PathBelow = Annotated[str, Meta(max_length=4096)]
Target = Annotated[str, Meta(max_length=512)]
EntryNumber = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""As SQLite can count."""


def _no_arguments() -> Raw:
    return Raw(b"{}")


class Arguments(Payload, frozen=True, kw_only=True):
    """Fields that every command may carry beside its own."""

    id: Annotated[CommandId | None, Meta(description="repeat it until it is answered")] = None
    user: Annotated[PersonName | None, Meta(description="the person for whom the account acts")] = None
    reason: Annotated[
        Reason | None, Meta(description="in words; of control characters newline and tab only")
    ] = None
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
        PlanName | None,
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

    endpoint: Annotated[
        str, Meta(description="path of the block, such as gains/coeffs", min_length=1, max_length=1000)
    ]
    values: dict[str, Any]
    force: Annotated[bool, Meta(description="whether values may be sent that a kotekan has refused")] = False


class NodeEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A node as ``nodes.yaml`` has it; what is left out stays as it stands there, null removes it."""

    host: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    port: int | UnsetType | None = UNSET
    started: bool | UnsetType | None = UNSET
    config: Annotated[str, Meta(max_length=4096)] | UnsetType | None = UNSET
    vars: dict[str, Any] | UnsetType | None = UNSET


class SetNodes(Edit, frozen=True, kw_only=True):
    """Rewrite ``nodes.yaml``: these groups and nodes there are from now on, and no others."""

    groups: dict[str, dict[str, NodeEntry]]


class SetFiles(Edit, frozen=True, kw_only=True):
    """Write files of the config directory, all or none of them; set_directory takes ``nodes.yaml`` too."""

    files: Annotated[
        dict[FileName, str | None], Meta(description="name to new content; null removes it", min_length=1)
    ]


class Rollback(Edit, frozen=True, kw_only=True):
    """Bring files of the config directory back to what they were at a commit; a new commit of its own.

    rollback leaves ``nodes.yaml`` as it is, rollback_directory does not.
    """

    commit: CommitName
    paths: Annotated[
        list[FileName],
        Meta(description="only these files, or what lies below them; none for all", max_length=1000),
    ] = field(default_factory=list)


class EditAction(StrEnum):
    """The actions that change the config directory."""

    BASE_CONFIG = "base_config"
    UPDATABLE_CONFIG = "updatable_config"
    SET_NODES = "set_nodes"
    SET_FILES = "set_files"
    ROLLBACK = "rollback"
    SET_DIRECTORY = "set_directory"
    """Like set_files, ``nodes.yaml`` too."""
    ROLLBACK_DIRECTORY = "rollback_directory"
    """Like rollback, ``nodes.yaml`` too."""


class Plan(Arguments, frozen=True, kw_only=True):
    """Say what a change of the config directory would do, and change nothing."""

    action: EditAction
    arguments: Annotated[JsonObject, Meta(description="as that action takes them")] = field(
        default_factory=_no_arguments
    )


class Log(Arguments, frozen=True, kw_only=True):
    """List the commits of the config directory, the newest first."""

    path: Annotated[
        PathBelow | None, Meta(description="only those that changed this file, or anything below")
    ] = None
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
    digests: Annotated[
        bool, Meta(description="whether to tell only what each file's text is known by, as in `text_digest`")
    ] = False


class RunEop(Arguments, frozen=True, kw_only=True):
    """Build the Earth-orientation table now, and have it pushed to every node that it concerns."""

    dry_run: Annotated[bool, Meta(description="whether to say only what would be pushed")] = False


class Events(Arguments, frozen=True, kw_only=True):
    """Read the journal, the newest first; with ``after``, the oldest first."""

    group: Target | None = None
    node: Annotated[Target | None, Meta(description="with what concerned its whole group")] = None
    targets: Annotated[
        list[Target],
        Meta(
            description="only these: cx/cx27, cx for a whole group, or patterns such as cx/cx1?; none for all",
            max_length=100,
        ),
    ] = field(default_factory=list)
    kinds: Annotated[
        list[Annotated[str, Meta(max_length=64)]],
        Meta(description="only these kinds; none for all", max_length=100),
    ] = field(default_factory=list)
    since: Time | None = None
    before: Annotated[EntryNumber | None, Meta(description="only entries with a smaller number")] = None
    after: Annotated[
        EntryNumber | None,
        Meta(description="only entries with a larger number, and the oldest of them first"),
    ] = None
    limit: Annotated[
        int,
        Meta(ge=1, le=1000, description="fewer come where they are long: none means that there are no more"),
    ] = 100


class Refresh(Arguments, frozen=True, kw_only=True):
    """Ask the FPGA master now, instead of when its turn comes."""
