"""What happened to a node, told from the difference between two of its statuses.

The worker of a group compares what it said before with what it says now; the journal, which was away, what it heard
last with what it finds.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from msgspec.structs import replace

from conche.contract import (
    Event,
    EventKind,
    LastPush,
    Maintenance,
    Message,
    NodeState,
    NodeStatus,
    Payload,
    Rejection,
)

PayloadT = TypeVar("PayloadT", bound=Payload)

MAX_WORDS: Final = 1_000
"""Characters of each text of an event; errors can be long."""

REVISION_DIGITS: Final = 8
"""Of a revision, in a sentence; the whole of it stands beside."""

TIME_OVER: Final = "its time was over"
"""Reason of a maintenance that ended by itself."""

_IN_BETWEEN: Final = (NodeState.SYNCING, NodeState.DOWN, NodeState.UNKNOWN)
"""States in which nothing is decided about what a node should be given."""

WAITING: Final = "waits "
"""Words of a node that waits for another begin so: it is no hold, but takes its turn."""


class Teller(Protocol):
    """What telling needs of the bus."""

    def tell(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> bool:
        """Publish an event without waiting; return whether there was a connection."""


def carried(before: NodeStatus, after: NodeStatus, *, beginning: bool) -> NodeStatus:
    """Return a status as it is compared: what it can't tell just now is as it was before.

    While a push is under way what runs is in between; where a node is not seen, or is not to be written to, nobody
    says what holds it.

    Parameters
    ----------
    before
        The earlier one, of the same kind.
    after
        As it was said.
    beginning
        Whether its worker, or who compares, has only just begun: a state that is not known yet is no change then.
    """
    changes: dict[str, Any] = {}
    if after.last_push is not None and after.last_push.ok is None:
        changes["live"] = before.live
    if after.held is None and after.desired == before.desired and not _is_judged(after):
        changes["held"] = before.held
    if beginning and after.state is NodeState.UNKNOWN:
        changes["state"] = before.state
    return replace(after, **changes) if changes else after


def _is_judged(status: NodeStatus) -> bool:
    """Return whether it was decided what a node is to be given."""
    return status.state not in _IN_BETWEEN and not status.maintenance.on and status.started is True


def happenings(before: NodeStatus | None, after: NodeStatus, *, at: datetime) -> Iterator[Event]:
    """Yield what happened between two statuses of a node.

    Parameters
    ----------
    before
        None for a node that is new.
    after
        The later one, `carried`.
    at
        When.
    """
    if before is None:
        if after.epoch:
            yield _epoch(after, at)
        return
    if after.epoch != before.epoch:
        yield _epoch(after, at)  # it sets both switches
    else:
        yield from _switches(before, after, at)
    yield from _push(before, after, at)
    for rejection in after.rejected:
        if rejection not in before.rejected:
            yield _rejection(rejection, at)
    yield from _hold(before, after, at)
    if after.state is not before.state:
        yield Event(
            at=at,
            kind=EventKind.STATE,
            text=cut(f"{before.state} -> {after.state}{_why(after)}"),
            before=before.state,
            after=after.state,
        )


def _why(status: NodeStatus) -> str:
    """Return what is wrong, or what is being done."""
    push = status.last_push
    doing = f" ({push.kind})" if push is not None and status.state is NodeState.SYNCING else ""
    return doing + (f", {status.error}" if status.error else "")


def farewell(before: NodeStatus, *, at: datetime) -> Event:
    """Return the event of a node that left the registry."""
    return Event(
        at=at, kind=EventKind.STATE, text=f"{before.state} -> left the registry", before=before.state
    )


def cut(words: str) -> str:
    """Return words that are not longer than an event may have them."""
    return words if len(words) <= MAX_WORDS else f"{words[: MAX_WORDS - 1]}…"


def bounded(event: Event) -> Event:
    """Return an event of somebody else's with its texts cut."""
    texts = {name: getattr(event, name) for name in event.__struct_fields__}
    long = {
        name: cut(text) for name, text in texts.items() if isinstance(text, str) and len(text) > MAX_WORDS
    }
    return replace(event, **long) if long else event


def _epoch(after: NodeStatus, at: datetime) -> Event:
    words = f": {_held_words(after.maintenance)}" if after.maintenance.on else ", not in maintenance"
    return Event(at=at, kind=EventKind.EPOCH, text=cut(f"a new epoch{words}"), after=after.epoch)


def _switches(before: NodeStatus, after: NodeStatus, at: datetime) -> Iterator[Event]:
    if after.started is not before.started:
        words = {True: "is to run", False: "is to be stopped", None: "is to be adopted"}
        adopted = "adopted: " if before.started is None else ""
        yield Event(
            at=at,
            kind=EventKind.SWITCH,
            text=f"{adopted}{words[after.started]}",
            before=_run_word(before.started),
            after=_run_word(after.started),
        )
    old, new = before.maintenance, after.maintenance
    if new == old:
        return
    yield Event(
        at=at,
        kind=EventKind.SWITCH,
        text=cut(_switched_words(old, new)),
        user=new.by,
        before=_maintenance_word(old),
        after=_maintenance_word(new),
        reason=cut(new.reason) if new.reason else None,
    )


def _run_word(started: bool | None) -> str | None:
    return {True: "run", False: "stop", None: None}[started]


def _maintenance_word(switch: Maintenance) -> str:
    return "maintenance on" if switch.on else "maintenance off"


def _switched_words(old: Maintenance, new: Maintenance) -> str:
    if new.on:
        return _held_words(new)
    if new.reason == TIME_OVER:
        return f"maintenance{_by(old)} ended by itself: {TIME_OVER}"
    return f"out of maintenance{_by(new)}{f': {new.reason}' if new.reason else ''}"


def _held_words(switch: Maintenance) -> str:
    reason = f": {switch.reason}" if switch.reason else ""
    until = f", until {switch.until:%Y-%m-%d %H:%MZ}" if switch.until else ""
    return f"in maintenance{_by(switch)}{reason}{until}"


def _by(switch: Maintenance) -> str:
    return f" by {switch.by}" if switch.by else ""


def _push(before: NodeStatus, after: NodeStatus, at: datetime) -> Iterator[Event]:
    old, new = before.last_push, after.last_push
    if old is not None and old.ok is None and (new is None or new.at != old.at):
        words = f"{old.kind} was interrupted: its worker ended"
        yield Event(at=at, kind=EventKind.PUSH, text=words, action=old.kind, before=before.live)
    if new is None or new == old or new.ok is None:
        return
    if new.ok or new.error:  # else it was given up before anything was written
        yield Event(
            at=at,
            kind=EventKind.PUSH,
            text=cut(_push_words(new)),
            action=new.kind,
            ok=new.ok,
            took_s=new.took_s,
            before=before.live,
            after=after.live,
        )


def _push_words(push: LastPush) -> str:
    if push.error:
        return push.error
    took = f" after {push.took_s:.1f} s" if push.took_s is not None else ""
    return f"{push.kind} ended well{took}{_revision(push.revision)}"


def _revision(revision: str | None) -> str:
    return f", revision {revision[:REVISION_DIGITS]}" if revision else ""


def _rejection(rejection: Rejection, at: datetime) -> Event:
    what = f"the values of {rejection.endpoint}" if rejection.endpoint else "its config"
    return Event(
        at=at,
        kind=EventKind.REJECTION,
        text=cut(f"its kotekan rejected {what}: {rejection.error}"),
        ok=False,
        after=rejection.revision or rejection.values,
    )


def _hold(before: NodeStatus, after: NodeStatus, at: datetime) -> Iterator[Event]:
    old, new = _held(before), _held(after)
    if new is not None and new != old:
        yield Event(at=at, kind=EventKind.HOLD, text=cut(new), ok=False, after=after.desired)
    elif new is None and old is not None:
        yield Event(
            at=at, kind=EventKind.HOLD, text="its desired config is held no longer", after=after.desired
        )


def _held(status: NodeStatus) -> str | None:
    """Return why a desired config is not given to a node; to wait for another's try, or for a slot, is no hold."""
    held = status.held
    return None if held is None or held.startswith(WAITING) else held
