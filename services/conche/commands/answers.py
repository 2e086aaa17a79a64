"""Replies: one to each command, and another to each repetition of it, which is known by its id."""

import logging
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from msgspec.json import decode, encode

from conche.bus import BusUnavailable, PayloadTooLarge
from conche.contract import Payload, Reply

from .reading import CommandRefused, Envelope

logger = logging.getLogger(__name__)

REMEMBERED_IDS: Final = 10_000
"""Commands that are known when their sender repeats them; a guess: hours of scripts."""

REMEMBERED_BYTES: Final = 64_000_000
"""Of all replies that are kept; of an older command it is still known that it was answered, and how. A guess."""

SHORT_ERROR: Final = 500
"""Characters of an error that are kept when its reply is not."""


class Sender(Protocol):
    """What answering needs of the bus."""

    def send(self, topic: str, payload: Payload, *, correlation: bytes | None = None) -> None:
        """Publish on a full topic."""


@dataclass(slots=True)
class _Known:
    """A command that bore an id.

    Parameters
    ----------
    what
        Target and action.
    digest
        Of its arguments.
    open
        The command while it is being carried out, or answered.
    reply
        As it was sent, in JSON, which takes a tenth of the room; None for a question.
    """

    what: str
    digest: str
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
        check_same(envelope, what=known.what, digest=known.digest)
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
            known = self._known[key] = _Known(envelope.what, envelope.digest, envelope)
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


def check_same(envelope: Envelope, *, what: str, digest: str) -> None:
    """Refuse the id of another command.

    Parameters
    ----------
    envelope
        A command.
    what, digest
        Target and action of the one that bore its id, and the digest of its arguments; empty where that is not known,
        as with those that an earlier conche remembered.

    Raises
    ------
    CommandRefused
        Says of which.
    """
    other = what not in ("", envelope.what)
    if other or digest not in ("", envelope.digest):
        target, _, action = (what or envelope.what).rpartition("/")
        how = "" if other else " with other arguments"
        raise CommandRefused(
            f"the id {envelope.id!r} is that of {action} of {target}{how}: give each command an id of its own"
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
