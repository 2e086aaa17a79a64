"""Commands that were sent for people, what has become of them, and for how long that is known."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.json import decode, encode

from conche.client.sending import Order
from conche.commands.reading import digest_of
from conche.contract import Arguments, Reply

from .problems import Conflict, Invalid

KEPT: Final = timedelta(hours=1)
"""So long after it was sent somebody may ask what has become of a command."""

MAX_KEPT: Final = 10_000
"""Commands that are remembered; a guess: hours of scripts."""

MAX_BYTES: Final = 64_000_000
"""Of all replies that are remembered, about; the oldest go."""


class Refused(Invalid):
    """A service says no, in its words: nothing was done."""

    kind = "refused"
    title = "The service that would do this says no; nothing was done"


class CommandState(StrEnum):
    """How far a command is."""

    WAITING = "waiting"
    """Not everybody has answered yet."""
    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    """It was given up: somebody has not answered, and may still carry it out."""


class CommandStatus(Struct, frozen=True, kw_only=True):
    """A command, and what has become of it so far."""

    id: str
    action: str
    user: str
    state: CommandState
    ok: Annotated[bool | None, Meta(description="whether all is as was wished; null while that is not known")]
    sent_at: datetime
    answered_at: datetime | None
    replies: Annotated[list[Reply], Meta(description="of each service that has answered")]
    unanswered: Annotated[dict[str, str], Meta(description="whose reply is missing, and why")]


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message of a command.

    Parameters
    ----------
    order
        To whom.
    id
        By which its reply is known.
    """

    order: Order
    id: str


def parcels_of(orders: Sequence[Order], name: str) -> tuple[Parcel, ...]:
    """Return the messages of a command. The id of each is the same in each repetition, whoever else is there then."""
    if len(orders) == 1:
        return (Parcel(orders[0], name),)
    return tuple(Parcel(order, f"{name}.{_short(order.name)}") for order in orders)


def _short(name: str) -> str:
    return blake2b(name.encode(), digest_size=4).hexdigest()


@dataclass(eq=False)
class Errand:
    """A command on its way.

    Parameters
    ----------
    action, arguments
        What is wished for, with its id and for whom.
    parcels
        Its messages.
    sent_at
        When.
    unserved
        Groups that nobody is there for, and why.
    """

    action: str
    arguments: Arguments
    parcels: tuple[Parcel, ...]
    sent_at: datetime
    unserved: dict[str, str] = field(default_factory=dict)
    problem: str | None = None
    """Why it could not be sent at all."""
    replies: dict[str, Reply] = field(default_factory=dict)
    """By the id of their message."""
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when everybody has said that he carries it out, or has answered."""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing more is waited for."""
    _accepted: set[str] = field(default_factory=set)
    _answered_at: datetime | None = None
    _waited_s: float = 0.0

    @property
    def id(self) -> str:
        """What it is known by."""
        return self.arguments.id or ""

    @property
    def user(self) -> str:
        """For whom it is carried out."""
        return self.arguments.user or ""

    @property
    def what(self) -> tuple[str, str, tuple[Parcel, ...], str]:
        """What is wished for, by whom and of whom: what tells it from other commands."""
        digest = digest_of(decode(encode(self.arguments)))
        return self.action, self.user, self.parcels, digest

    def take(self, parcel: Parcel, reply: Reply) -> None:
        """Take the reply to a message."""
        self.replies.setdefault(parcel.id, reply)
        self.accept(parcel)

    def accept(self, parcel: Parcel) -> None:
        """Take that a message is being carried out."""
        self._accepted.add(parcel.id)
        if len(self._accepted) == len(self.parcels):
            self.accepted.set()

    def end(self, now: datetime, *, waited_s: float) -> None:
        """Take that nothing more is waited for."""
        self._answered_at, self._waited_s = now, waited_s
        self.accepted.set()
        self.done.set()

    @property
    def refusal(self) -> str | None:
        """Why nothing at all was done, in the words of the services, where that is so."""
        errors = [reply.error for reply in self.replies.values()]
        if errors and len(errors) == len(self.parcels) and None not in errors:
            return errors[0]
        return None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and nothing was done as far as anybody knows."""
        return self.done.is_set() and (self.refusal is not None or len(self.replies) < len(self.parcels))

    @property
    def is_silent(self) -> bool:
        """Whether it was given up and nobody has answered."""
        return self.done.is_set() and not self.replies

    def status(self) -> CommandStatus:
        """Return what has become of it so far."""
        missing = [one.order.name for one in self.parcels if one.id not in self.replies]
        why = f"no answer within {self._waited_s:g} s" if self.done.is_set() else "has not answered yet"
        unanswered = {**self.unserved, **dict.fromkeys(missing, why)}
        replies = list(self.replies.values())
        return CommandStatus(
            id=self.id,
            action=self.action,
            user=self.user,
            state=self._state(bool(missing)),
            ok=not unanswered and all(reply.ok for reply in replies) if self.done.is_set() else None,
            sent_at=self.sent_at,
            answered_at=self._answered_at,
            replies=replies,
            unanswered=unanswered,
        )

    def _state(self, is_missing: bool) -> CommandState:
        if not self.done.is_set():
            return CommandState.WAITING
        return CommandState.UNANSWERED if is_missing else CommandState.ANSWERED


class Errands:
    """What is remembered of commands, bounded in time, number and size."""

    def __init__(self, *, max_kept: int = MAX_KEPT, max_bytes: int = MAX_BYTES) -> None:
        self._max_kept = max_kept
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, Errand] = OrderedDict()
        self._sizes: dict[str, int] = {}

    def known(self, errand: Errand) -> Errand | None:
        """Return the command that this one repeats, or None.

        One that was refused, or that nobody answered, may be sent again, and mended.

        Raises
        ------
        Conflict
            Another command has its id.
        """
        self._forget(errand.sent_at)
        found = self._kept.get(errand.id)
        if found is not None and found.is_over and found.user == errand.user:
            return None
        if found is not None and found.what != errand.what:
            raise Conflict(
                f"the id {errand.id!r} is that of another command: give each command an id of its own"
            )
        return found

    def keep(self, errand: Errand) -> None:
        """Remember a command."""
        self._sizes.pop(errand.id, None)
        self._kept[errand.id] = errand

    def find(self, name: str, *, now: datetime) -> Errand | None:
        """Return a command by its id."""
        self._forget(now)
        return self._kept.get(name)

    def _forget(self, now: datetime) -> None:
        """Forget what is old, or too much; never what is still on its way."""
        for name, errand in self._kept.items():
            if errand.done.is_set() and name not in self._sizes:
                self._sizes[name] = sum(len(encode(reply)) for reply in errand.replies.values())
        too_many = len(self._kept) - self._max_kept
        too_much = sum(self._sizes.values()) - self._max_bytes
        for name, errand in list(self._kept.items()):
            is_old = now - errand.sent_at > KEPT
            if errand.done.is_set() and (is_old or too_many > 0 or too_much > 0):
                too_many -= 1
                too_much -= self._sizes.pop(name)
                del self._kept[name]
