"""What happened: events, which are not retained, and the journal that remembers them."""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta

from .payloads import Payload, Time


class EventKind(StrEnum):
    """What kind of thing happened."""

    STATE = "state"
    """A node's state changed."""
    SWITCH = "switch"
    """Started or maintenance was set, or a hold ended by itself."""
    COMMAND = "command"
    """A command was taken."""
    REPLY = "reply"
    """It was answered."""
    PUSH = "push"
    """A node was changed, or it was tried."""
    REJECTION = "rejection"
    """A kotekan refused what it was given."""
    HOLD = "hold"
    """A desired config is not given to a node, or is given to it again."""
    CONFIG = "config"
    """The config directory was changed."""
    DESIRED = "desired"
    """What a node should run changed, or can't be told any more."""
    EPOCH = "epoch"
    """A node entered a new epoch."""
    EOP = "eop"
    """A run of the Earth-orientation service: what was pushed to whom."""
    SERVICE = "service"
    """A service came or went."""
    FPGA = "fpga"
    """The FPGA master's state changed, or frame0."""


OF_EVERYBODY: Final = (EventKind.COMMAND, EventKind.REPLY, EventKind.CONFIG)
"""Kinds that concern each group where they are told of none; those of other kinds are then a service's own."""


class Event(Payload, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened, to one node or to a service."""

    at: Time
    kind: EventKind
    text: Annotated[str, Meta(description="one sentence")]
    user: Annotated[str | None, Meta(description="who wanted it")] = None
    via: Annotated[str | None, Meta(description="the account that acted for the user, if another one")] = None
    before: str | None = None
    after: str | None = None
    reason: str | None = None
    took_s: float | None = None
    ok: bool | None = None
    action: str | None = None
    command: Annotated[str | None, Meta(description="id of the command")] = None
    commit: Annotated[str | None, Meta(description="of the config directory")] = None


class JournalEntry(Payload, frozen=True, kw_only=True):
    """An event as the journal remembers it."""

    number: Annotated[int, Meta(description="counts up, in the order in which the journal heard of them")]
    service: str
    group: str
    node: str
    event: Event
