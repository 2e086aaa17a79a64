"""Commands as a service takes them: checked, answered, and known by id."""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from msgspec import DecodeError, ValidationError
from msgspec.json import Decoder, decode
from msgspec.structs import replace

from conche.bus import BusUnavailable, Incoming, PayloadTooLarge
from conche.contract import (
    ACT_FOR_PEOPLE,
    COMMAND,
    COMMAND_ID,
    NO_NAME,
    PERSON_NAME,
    REPLY,
    Arguments,
    Payload,
    Reply,
)

logger = logging.getLogger(__name__)

CLOCK_TOLERANCE: Final = timedelta(seconds=2)
"""How far the clocks of sender and service may differ."""

REMEMBERED_IDS: Final = 10_000
"""Commands whose answer is kept for a sender that repeats; a guess: hours of scripts."""


SHOWN_USER: Final = 64
"""Characters of a wrong name that are told back."""


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


class Sender(Protocol):
    """What answering needs of the bus."""

    def send(self, topic: str, payload: Payload, *, correlation: bytes | None = None) -> None:
        """Publish on a full topic."""


def envelope_of(message: Incoming, *, root: str) -> Envelope:
    """Return the envelope of a message on a command topic, also of one that will be refused."""
    params = COMMAND.match(message.topic.removeprefix(f"{root}/"))
    if params is None:
        raise ValueError(f"{message.topic} is not a command topic")
    identity = _id_of(message.payload)
    default = f"{root}/{REPLY.topic(user=params['user'], id=identity or NO_NAME)}"
    wanted = message.response_topic
    return Envelope(
        **params,
        id=identity,
        reply_to=wanted if wanted and _is_own_reply(wanted, root, params["user"]) else default,
        correlation=message.correlation,
    )


def _id_of(payload: bytes) -> str | None:
    try:
        found = decode(payload)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None
    identity = found.get("id") if isinstance(found, dict) else None
    return identity if isinstance(identity, str) and COMMAND_ID.fullmatch(identity) else None


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
    shown = user if is_name else repr(user[:SHOWN_USER])
    if sender not in ACT_FOR_PEOPLE:
        raise CommandRefused(f"user says {shown}, but {sender} sent it: leave `user` out")
    if not is_name:
        raise CommandRefused(f"user says {shown}: that is no person's name (letters, digits, and _.@ '-)")


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


class Answers:
    """Sends replies, and remembers them for senders that repeat an id.

    Parameters
    ----------
    bus
        Where replies go.
    """

    def __init__(self, bus: Sender) -> None:
        self._bus = bus
        self._known: OrderedDict[tuple[str, str], tuple[Envelope, Reply | None]] = OrderedDict()
        """The command, and its reply once there is one."""

    def is_repeated(self, envelope: Envelope) -> bool:
        """Take note of a command's id; answer it again, if it was answered, and return True when it is known.

        Raises
        ------
        CommandRefused
            Another command bore that id.
        """
        if envelope.id is None:
            return False
        key = (envelope.user, envelope.id)
        if key not in self._known:
            self._know(envelope, None)
            return False
        first, reply = self._known[key]
        if (first.action, first.group, first.node) != (envelope.action, envelope.group, envelope.node):
            raise CommandRefused(
                f"the id {envelope.id!r} is that of {first.action} of {first.group}/{first.node}: "
                "give each command an id of its own"
            )
        if reply is not None:
            self._send(envelope, reply)
        return True

    def _know(self, envelope: Envelope, reply: Reply | None) -> None:
        """Remember a command by its id, with its reply when there is one."""
        if envelope.id is None:
            return
        self._known[envelope.user, envelope.id] = (envelope, reply)
        if len(self._known) > REMEMBERED_IDS:
            self._known.popitem(last=False)

    def answer(self, envelope: Envelope, reply: Reply) -> None:
        """Send the final reply to a command."""
        self._know(envelope, reply)
        self._send(envelope, reply)

    def tell(self, envelope: Envelope, reply: Reply) -> None:
        """Answer a question; who repeats it is told what is so by then, so the reply is not remembered."""
        self._send(envelope, reply)

    def refuse(self, envelope: Envelope, *, group: str, why: str) -> None:
        """Answer a command that is not carried out; its id is not remembered, so a mended one may bear it."""
        first, _ = self._known.get((envelope.user, envelope.id or ""), (None, None))
        if first is envelope and envelope.id is not None:
            del self._known[envelope.user, envelope.id]
        logger.warning(
            "%s: %s of %s/%s refused: %s", envelope.user, envelope.action, group, envelope.node, why
        )
        self._send(envelope, Reply(id=envelope.id, action=envelope.action, group=group, ok=False, error=why))

    def _send(self, envelope: Envelope, reply: Reply) -> None:
        try:
            self._bus.send(envelope.reply_to, reply, correlation=envelope.correlation)
        except BusUnavailable:
            logger.warning("%s: the reply to %s could not be sent", envelope.user, envelope.action)
        except PayloadTooLarge as error:
            words = f"the answer is too long: {error}"
            self._send(envelope, replace(reply, ok=False, error=words, results={}))
