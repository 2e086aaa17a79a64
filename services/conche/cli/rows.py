"""What is shown of a node: one row, or one for several that are alike."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from conche.contract import Drift, Health, Maintenance, NodeState, NodeStatus, PushKind
from conche.sync.tally import fault

from .output import (
    ERROR_STYLE,
    HEALTH_STYLES,
    age,
    count,
    moment,
    plain,
    span,
)

_UNDER_WAY: Final = {
    PushKind.START: "starting",
    PushKind.RESTART: "restarting",
    PushKind.STOP: "stopping",
    PushKind.UPDATE: "updating",
}
SEVERITY: Final = (Health.NORMAL, Health.WARNING, Health.ERROR)
"""From well to bad."""


@dataclass(frozen=True, slots=True)
class Note:
    """A few words and their colour."""

    words: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Switch:
    """Maintenance in words: all of them, and as few as will do where the others stand elsewhere."""

    words: str
    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a group's table.

    Parameters
    ----------
    names
        Of the nodes.
    state
        Theirs.
    known
        False where nobody keeps it up to date: what is shown is the last that was known.
    should
        What the operators' switch says: ``run``, ``stop`` or ``?``.
    since
        How long it has been so.
    notes
        What else there is to say.
    switch
        Maintenance, if it is in.
    timing
        More of that, of which alike nodes differ.
    health
        How bad it is.
    """

    names: tuple[str, ...]
    state: NodeState
    should: str = "?"
    known: bool = True
    since: str = ""
    notes: tuple[Note, ...] = ()
    switch: Switch | None = None
    timing: str = ""
    health: Health = Health.NORMAL

    @property
    def state_words(self) -> str:
        """The state, in words that don't pretend to be fresh."""
        return self.state.value if self.known else f"was {self.state}"

    @property
    def has_words(self) -> bool:
        """Whether there is anything to say of it but its state."""
        return bool(self.notes) or self.switch is not None


def row_of(key: str, status: NodeStatus, *, known: bool, registered: bool, now: datetime) -> Row:
    """Return a node's row.

    Parameters
    ----------
    key
        ``group/node``.
    status
        What its worker said.
    known
        Whether that worker is there.
    registered
        Whether the node is in the registry.
    now
        Wall clock.
    """
    health = _health(status) if known else Health.ERROR
    notes = list(_notes(key, status, health))
    if not registered:
        notes.append(Note("not in the registry any more"))
    return Row(
        names=(key.partition("/")[2],),
        state=status.state,
        known=known,
        should={True: "run", False: "stop", None: "?"}[status.started],
        since=age(status.since, now),
        notes=tuple(notes),
        switch=_switch(status.maintenance, now),
        timing=_retry(status, now) if known else "",
        health=health,
    )


def silent_row(key: str, *, served: bool, unreadable: str | None) -> Row:
    """Return the row of a node of which nothing was said that can be understood."""
    if unreadable is not None:
        words = f"its status can't be understood, another version's? {plain(unreadable)}"
    elif served:
        words = "its worker has said nothing about it yet"
    else:
        words = "nobody looks after it"
    return Row(
        names=(key.partition("/")[2],),
        state=NodeState.UNKNOWN,
        notes=(Note(words, ERROR_STYLE),),
        health=Health.ERROR,
    )


def _notes(key: str, status: NodeStatus, health: Health) -> Iterable[Note]:
    if status.error:
        style = "" if health is Health.NORMAL else HEALTH_STYLES[health]
        yield Note(plain(status.error).removeprefix(f"{key}: "), style)
    if status.held and status.held not in (status.error or ""):
        yield Note(f"held: {plain(status.held)}", HEALTH_STYLES[Health.WARNING])
    if status.state is NodeState.SYNCING and status.last_push:
        yield Note(_UNDER_WAY[status.last_push.kind])
    if differing := drift_words(status.drift):
        yield Note(differing, HEALTH_STYLES[Health.WARNING])


def drift_words(drift: Drift) -> str:
    """Return where a node differs from its desired config, or nothing."""
    parts = [*(["base config"] if drift.base else []), *drift.endpoints]
    return f"differs: {plain(', '.join(parts))}" if parts else ""


def _switch(switch: Maintenance, now: datetime) -> Switch | None:
    """Return who holds a node, why and until when."""
    if not switch.on:
        return None
    by = f" by {switch.by}" if switch.by else ""
    reason = f": {switch.reason}" if switch.reason else ""
    until = f", until {moment(switch.until, now)} (in {span(switch.until - now)})" if switch.until else ""
    return Switch(plain(f"maintenance{by}{reason}{until}"), plain(f"maintenance{by}"))


def _health(status: NodeStatus) -> Health:
    """Return how bad it is: as its worker counts it, and a node that goes on failing is never well."""
    found = fault(status)
    if found is not None:
        return found[0]
    return Health.WARNING if status.retry_at and not status.maintenance.on else Health.NORMAL


def _retry(status: NodeStatus, now: datetime) -> str:
    if status.retry_at is None:
        return ""
    return f"{count(status.attempts, 'attempt')} so far, the next in {span(status.retry_at - now)}"


def is_wrong(row: Row) -> bool:
    """Return whether somebody should look at it."""
    return row.health is not Health.NORMAL


def worst(healths: Iterable[Health]) -> Health:
    """Return the worst of several; normal where there is none."""
    return max(healths, key=SEVERITY.index, default=Health.NORMAL)
