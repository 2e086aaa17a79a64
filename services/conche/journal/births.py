"""What the birth of a service, or its last will, says about what happened to it."""

from datetime import datetime

from conche.contract import Event, EventKind, ServiceBirth, ServiceState


def birth_event(
    name: str, before: ServiceBirth | None, after: ServiceBirth, *, at: datetime, found: bool
) -> Event | None:
    """Return what happened to a service, or None where that is nothing.

    Parameters
    ----------
    name
        Such as ``renderer`` or ``sync/cx``.
    before, after
        What it said last, None if nothing was heard, and what it says now.
    at
        When.
    found
        Whether it stood there for a while: a process that has just begun says offline before it says online.
    """
    if (before is not None and (after.state, after.boot) == (before.state, before.boot)) or (
        is_announcement(before, after) and not found
    ):
        return None
    if before is None and after.state is not ServiceState.ONLINE:
        return None
    return Event(
        at=at,
        kind=EventKind.SERVICE,
        text=f"{name} {_words(before, after)}",
        before=before.state if before is not None else None,
        after=after.state,
        ok=False if after.state is ServiceState.LOST else None,
    )


def is_announcement(before: ServiceBirth | None, after: ServiceBirth) -> bool:
    """Return whether a process says no more than that it has begun."""
    return after.state is ServiceState.OFFLINE and (before is None or after.boot != before.boot)


def _words(before: ServiceBirth | None, after: ServiceBirth) -> str:
    where = f" on {after.host}" if after.host else ""
    match after.state:
        case ServiceState.LOST:
            return f"is lost, it ran{where}" if where else "is lost"
        case ServiceState.OFFLINE:
            return "was stopped"
    if before is None or before.state is not ServiceState.ONLINE:
        back = before is not None and before.boot == after.boot
        return f"is back{where}" if back else f"came online{where}"
    return f"was begun anew{where}"
