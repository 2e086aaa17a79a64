"""Commands as they come: who wants what of whom, and whether that can be asked for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

from msgspec import DecodeError, ValidationError
from msgspec.json import Decoder, decode, encode

from conche.bus import Incoming
from conche.contract import (
    ACT_FOR_PEOPLE,
    COMMAND,
    COMMAND_ID,
    NO_NAME,
    PERSON_NAME,
    REPLY,
    Arguments,
)

CLOCK_TOLERANCE: Final = timedelta(seconds=2)
"""How far the clocks of sender and service may differ."""

ANSWER_WITHIN_S: Final = 60.0
"""A command is answered after this, whatever has become of it [s]."""

NOT_ASKED: Final = frozenset({"id", "reason", "expires_at"})
"""Arguments that ask for nothing: they may differ in a repetition."""

DIGEST_BYTES: Final = 16

CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that would spoil a log, a commit or a terminal; newline and tab don't."""


class CommandRefused(Exception):
    """A command that is not carried out; says what would have been right."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who wants what of whom, from the topic, and where the answer goes."""

    user: str
    group: str
    node: str
    action: str
    id: str | None
    reply_to: str
    correlation: bytes | None
    digest: str = ""
    """Of the arguments, but for what may differ in a repetition; empty without an id, and where it is not known."""

    @property
    def what(self) -> str:
        """Target and action: ``cx/all/updatable_config``."""
        return f"{self.group}/{self.node}/{self.action}"


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was understood."""

    envelope: Envelope
    arguments: Arguments

    @property
    def by(self) -> str:
        """The person who wants it: the sender, or the one for whom the sender acts."""
        return self.arguments.user or self.envelope.user

    @property
    def via(self) -> str | None:
        """The account that acted for the person, if another one."""
        return None if self.by == self.envelope.user else self.envelope.user


def envelope_of(message: Incoming, *, root: str) -> Envelope:
    """Return the envelope of a message on a command topic, also of one that will be refused."""
    params = COMMAND.match(message.topic.removeprefix(f"{root}/"))
    if params is None:
        raise ValueError(f"{message.topic} is not a command topic")
    identity, digest = _identity_of(message.payload)
    default = f"{root}/{REPLY.topic(user=params['user'], id=identity or NO_NAME)}"
    wanted = message.response_topic
    return Envelope(
        **params,
        id=identity,
        reply_to=wanted if wanted and _is_own_reply(wanted, root, params["user"]) else default,
        correlation=message.correlation,
        digest=digest,
    )


def _identity_of(payload: bytes) -> tuple[str | None, str]:
    """Return the id that a command bears, and the digest of what it asks for; without an id nobody needs that."""
    try:
        found = decode(payload)
        identity = found.get("id") if isinstance(found, dict) else None
        if isinstance(identity, str) and COMMAND_ID.fullmatch(identity):
            return identity, digest_of(found)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        pass  # it is refused when it is read
    return None, ""


def digest_of(arguments: Mapping[str, Any]) -> str:
    """Return what tells arguments from others: not by their order, but by their values and kinds."""
    asked = {name: value for name, value in arguments.items() if name not in NOT_ASKED}
    return blake2b(encode(asked, order="sorted"), digest_size=DIGEST_BYTES).hexdigest()


def _is_own_reply(topic: str, root: str, user: str) -> bool:
    """Tell whether a service may publish there for a user: elsewhere the access list would end the service."""
    params = REPLY.match(topic.removeprefix(f"{root}/")) if topic.startswith(f"{root}/") else None
    return params is not None and params["user"] == user and not set("+#") & set(topic)


def read_command(
    message: Incoming, envelope: Envelope, *, root: str, actions: Mapping[str, type[Arguments]], now: datetime
) -> Command:
    """Check a command.

    Parameters
    ----------
    message
        As it came.
    envelope
        Its envelope.
    root
        First level of every topic.
    actions
        Actions that there are, with the models of their arguments.
    now
        The service's clock.

    Raises
    ------
    CommandRefused
        It is malformed, unknown, expired or retained, wants its reply elsewhere, or is in the name of another.
    """
    wanted = message.response_topic
    if wanted and wanted != envelope.reply_to:
        raise CommandRefused(
            f"the response topic must lie under {root}/reply/{envelope.user}/, one level below, is {wanted}"
        )
    if message.retained:
        raise CommandRefused("commands are not retained: publish it without the retain flag")
    model = actions.get(envelope.action)
    if model is None:
        raise CommandRefused(f"there is no action {envelope.action!r}; there are {', '.join(actions)}")
    try:
        arguments = Decoder(model).decode(message.payload or b"{}")
    except (ValidationError, DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandRefused(f"{envelope.action}: {error}; it takes {_fields(model)}") from None
    _check_user(arguments.user, envelope.user)
    _check_reason(arguments.reason)
    check_not_expired(arguments, now)
    return Command(envelope, arguments)


def _check_user(user: str | None, sender: str) -> None:
    """Refuse a command in the name of another, except of those who may act for people.

    Raises
    ------
    CommandRefused
        Says whom the topic names.
    """
    if user is None or user == sender:
        return
    is_name = PERSON_NAME.fullmatch(user) is not None
    shown = user if is_name else repr(user)
    if sender not in ACT_FOR_PEOPLE:
        raise CommandRefused(f"user says {shown}, but {sender} sent it: leave `user` out")
    if not is_name:
        raise CommandRefused(f"user says {shown}: that is no person's name (letters, digits, and _.@ '-)")


def _check_reason(reason: str | None) -> None:
    """Refuse a reason that would spoil where it is shown and stored.

    Raises
    ------
    CommandRefused
        Names the first such character.
    """
    found = CONTROL.search(reason or "")
    if found is not None:
        raise CommandRefused(
            f"the reason has a control character, {found[0]!r}: of those only newline and tab may stand in it"
        )


def check_not_expired(arguments: Arguments, now: datetime) -> None:
    """Refuse a command whose time is over; asked again before its first write.

    Raises
    ------
    CommandRefused
        Tells both clocks.
    """
    deadline = arguments.expires_at
    if deadline is not None and now - deadline > CLOCK_TOLERANCE:
        raise CommandRefused(
            f"expired: expires_at is {_utc(deadline).isoformat()}, it is {now.isoformat()} here"
        )


def _utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:  # a few hours before the year 1
        return at


def _fields(model: type[Arguments]) -> str:
    own = [name for name in model.__struct_fields__ if name not in Arguments.__struct_fields__]
    return f"{{{', '.join(own + list(Arguments.__struct_fields__))}}}"
