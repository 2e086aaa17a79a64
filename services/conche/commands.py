"""Commands as a service takes them: checked, answered, and known by id."""

import logging
import re
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from msgspec import DecodeError, ValidationError
from msgspec.json import Decoder, decode, encode

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
"""Commands that are known when their sender repeats them; a guess: hours of scripts."""

REMEMBERED_BYTES: Final = 64_000_000
"""Of all replies that are kept; of an older command it is still known that it was answered, and how. A guess."""

SHORT_ERROR: Final = 500
"""Characters of an error that are kept when its reply is not."""

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


@dataclass(slots=True)
class _Known:
    """A command that bore an id.

    Parameters
    ----------
    what
        Action, group and node.
    open
        The command while it is being carried out, or answered.
    reply
        As it was sent, in JSON, which takes a tenth of the room; None for a question.
    """

    what: tuple[str, str, str]
    open: Envelope | None
    reply: bytes | None = None


class Answers:
    """Sends replies, and remembers them for senders that repeat an id.

    Parameters
    ----------
    bus
        Where replies go.
    """

    def __init__(self, bus: Sender) -> None:
        self._bus = bus
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._whole: OrderedDict[tuple[str, str], int] = OrderedDict()
        """Those whose reply is kept as it was sent, and its size [bytes]."""
        self._bytes = 0

    def is_repeated(self, envelope: Envelope) -> bool:
        """Take note of a command's id; return whether it is known, and answer it again if it was answered.

        A question that was answered may be asked again: it is not known any more.

        Raises
        ------
        CommandRefused
            Another command bore that id.
        """
        if envelope.id is None:
            return False
        known = self._known.get((envelope.user, envelope.id))
        if known is None:
            self._know(envelope)
            return False
        check_same(envelope, known.what)
        if known.reply is not None:
            self._send(envelope, decode(known.reply, type=Reply))
        elif known.open is None:
            known.open = envelope
            return False
        return True

    def _know(self, envelope: Envelope) -> _Known | None:
        """Return what is kept of a command's id."""
        if envelope.id is None:
            return None
        key = (envelope.user, envelope.id)
        known = self._known.get(key)
        if known is None:
            what = (envelope.action, envelope.group, envelope.node)
            known = self._known[key] = _Known(what, envelope)
            if len(self._known) > REMEMBERED_IDS:
                oldest, _ = self._known.popitem(last=False)
                self._bytes -= self._whole.pop(oldest, 0)
        return known

    def answer(self, envelope: Envelope, reply: Reply) -> None:
        """Send the final reply to a command, and to each repetition of it."""
        sent = self._send(envelope, reply)
        known = self._know(envelope)
        if known is None or envelope.id is None:
            return
        key = (envelope.user, envelope.id)
        known.open, known.reply = None, encode(sent)
        self._bytes += len(known.reply) - self._whole.pop(key, 0)
        self._whole[key] = len(known.reply)
        while self._bytes > REMEMBERED_BYTES:
            oldest, size = self._whole.popitem(last=False)
            self._bytes -= size
            self._known[oldest].reply = _shortened(self._known[oldest])

    def tell(self, envelope: Envelope, reply: Reply) -> None:
        """Answer a question; who repeats it is told what is so by then, so the reply is not remembered."""
        known = self._known.get((envelope.user, envelope.id or ""))
        if known is not None and known.open is envelope:
            known.open = None
        self._send(envelope, reply)

    def refuse(self, envelope: Envelope, *, group: str, why: str) -> None:
        """Answer a command that is not carried out; its id is not remembered, so a mended one may bear it."""
        known = self._known.get((envelope.user, envelope.id or ""))
        if known is not None and envelope.id is not None and known.open is envelope:
            del self._known[envelope.user, envelope.id]
        logger.warning(
            "%s: %s of %s/%s refused: %s", envelope.user, envelope.action, group, envelope.node, why
        )
        self._send(envelope, _refusal(envelope, group=group, why=why))

    def _send(self, envelope: Envelope, reply: Reply) -> Reply:
        """Send a reply, or why it can't be sent; return which."""
        try:
            self._publish(envelope, reply)
        except PayloadTooLarge as error:
            why = f"the answer is too long: {error}; ask for less at a time, or of fewer nodes"
            logger.warning("%s: %s: %s", envelope.user, envelope.action, why)
            reply = _refusal(envelope, group=reply.group, why=why)
            with suppress(PayloadTooLarge):
                self._publish(envelope, reply)
        return reply

    def _publish(self, envelope: Envelope, reply: Reply) -> None:
        try:
            self._bus.send(envelope.reply_to, reply, correlation=envelope.correlation)
        except BusUnavailable:
            logger.warning("%s: the reply to %s could not be sent", envelope.user, envelope.action)


def check_same(envelope: Envelope, what: tuple[str, str, str]) -> None:
    """Refuse the id of another command.

    Parameters
    ----------
    envelope
        A command.
    what
        Action, group and node of the one that bore its id.

    Raises
    ------
    CommandRefused
        Says of which.
    """
    if what != (envelope.action, envelope.group, envelope.node):
        action, group, node = what
        raise CommandRefused(
            f"the id {envelope.id!r} is that of {action} of {group}/{node}: give each command an id of its own"
        )


def _refusal(envelope: Envelope, *, group: str, why: str) -> Reply:
    return Reply(id=envelope.id, action=envelope.action, group=group, ok=False, error=why)


def _shortened(known: _Known) -> bytes | None:
    """Return what is kept of a reply when there is no room for all of it."""
    if known.reply is None:
        return None
    whole = decode(known.reply, type=Reply)
    short = Reply(
        id=whole.id,
        action=whole.action,
        group=whole.group,
        ok=whole.ok,
        error=whole.error[:SHORT_ERROR] if whole.error else None,
        warnings=["it was answered before; the answer as a whole is not kept any more"],
        commit=whole.commit,
    )
    return encode(short)
