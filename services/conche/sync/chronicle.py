"""What a worker tells of what happens: to each node, and of the commands that it takes.

Level-based: what is told of a node is the difference between its status and the one of which was told last, so what
happened while the broker was away is told when it is back.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec.structs import replace

from conche.commands import Command, Envelope
from conche.contract import (
    ALL,
    EVENT,
    NO_NAME,
    Event,
    EventKind,
    NodeState,
    NodeStatus,
    Outcome,
    Reply,
    Service,
    SetMaintenance,
    SetStarted,
)
from conche.happenings import Teller, carried, cut, farewell, happenings


@dataclass
class Chronicle:
    """Tells what happens in a group.

    Parameters
    ----------
    group
        Its name.
    bus
        The broker.
    """

    group: str
    bus: Teller
    _told: dict[str, NodeStatus] = field(default_factory=dict)
    """The last status of each node of which everything was told."""
    _known: set[str] = field(default_factory=set)
    """Nodes whose state this worker has known: before that it is no news that it does not."""
    _behalf: dict[str, Command] = field(default_factory=dict)
    """Node to the command that is setting its switches."""

    # --- nodes

    def take_statuses(self, statuses: Iterable[tuple[Mapping[str, str], NodeStatus]]) -> None:
        """Take what an earlier worker said, with the topics' parameters: what differs from it is told."""
        self._told |= {params["node"]: status for params, status in statuses}

    def note(self, name: str, status: NodeStatus) -> None:
        """Tell what happened to a node since the last time."""
        before = self._told.get(name)
        if status.state is not NodeState.UNKNOWN:
            self._known.add(name)
        now = status if before is None else carried(before, status, beginning=name not in self._known)
        events = [self._blamed(name, event) for event in happenings(before, now, at=datetime.now(UTC))]
        if all([self._tell(event, node=name) for event in events]):
            self._told[name] = now

    def forget(self, name: str) -> None:
        """Tell that a node left the registry."""
        self._known.discard(name)
        before = self._told.pop(name, None)
        if before is not None:
            self._tell(farewell(before, at=datetime.now(UTC)), node=name)

    @contextmanager
    def on_behalf(self, command: Command, names: Iterable[str]) -> Iterator[None]:
        """Put switches of nodes that change meanwhile down to a command."""
        mine = dict.fromkeys(names, command)
        self._behalf |= mine
        try:
            yield
        finally:
            for name in mine:
                if self._behalf.get(name) is command:
                    del self._behalf[name]

    def _blamed(self, name: str, event: Event) -> Event:
        command = self._behalf.get(name)
        if command is None or event.kind is not EventKind.SWITCH:
            return event
        return replace(
            event,
            user=command.by,
            via=command.via,
            reason=event.reason or _reason(command),
            command=command.envelope.id,
        )

    # --- commands

    def taken(self, command: Command) -> None:
        """Tell that a command was taken."""
        reason = _reason(command)
        self._tell_of(command, EventKind.COMMAND, _wish(command) + (f": {reason}" if reason else ""))

    def answered(self, command: Command, reply: Reply, *, took_s: float) -> None:
        """Tell what has become of a command."""
        text = f"{_wish(command)}: {reply.error or _outcome(reply)}"
        self._tell_of(command, EventKind.REPLY, text, ok=reply.ok, took_s=round(took_s, 3))

    def refused(self, envelope: Envelope, why: str, *, node: str) -> None:
        """Tell that a command is not carried out; of one for a node that there is not, at the group."""
        event = Event(
            at=datetime.now(UTC),
            kind=EventKind.REPLY,
            text=cut(f"{envelope.action}, by {envelope.user}: refused: {why}"),
            user=envelope.user,
            action=envelope.action,
            command=envelope.id,
            ok=False,
        )
        self._tell(event, node=node)

    def _tell_of(
        self,
        command: Command,
        kind: EventKind,
        text: str,
        *,
        ok: bool | None = None,
        took_s: float | None = None,
    ) -> None:
        event = Event(
            at=datetime.now(UTC),
            kind=kind,
            text=cut(text),
            user=command.by,
            via=command.via,
            reason=_reason(command) if kind is EventKind.COMMAND else None,
            action=command.envelope.action,
            command=command.envelope.id,
            ok=ok,
            took_s=took_s,
        )
        self._tell(event, node=_node(command.envelope))

    def _tell(self, event: Event, *, node: str) -> bool:
        return self.bus.tell(EVENT, event, service=Service.SYNC, group=self.group, node=node)


def _node(envelope: Envelope) -> str:
    return NO_NAME if envelope.node == ALL else envelope.node


def _reason(command: Command) -> str | None:
    reason = command.arguments.reason
    return cut(reason) if reason else None


def _wish(command: Command) -> str:
    """Return what was wished for, and by whom, as an operator would say it."""
    match command.arguments:
        case SetStarted(started=started):
            words = "start" if started else "stop"
        case SetMaintenance(maintenance=maintenance):
            words = f"maintenance {'on' if maintenance else 'off'}"
        case _:
            words = command.envelope.action
    return f"{words}, by {command.by}{f' via {command.via}' if command.via else ''}"


def _outcome(reply: Reply) -> str:
    """Return how many nodes ended how; of a single one, why."""
    results = list(reply.results.values())
    if len(results) == 1:
        only = results[0]
        return f"{only.outcome}{f', {only.error}' if only.error else ''}"
    counts = Counter(result.outcome for result in results)
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome]) or "no nodes"
