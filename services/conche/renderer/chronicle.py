"""What the renderer tells the journal."""

from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final

from conche.commands import Command, Envelope
from conche.contract import (
    ALL,
    EVENT,
    NO_NAME,
    Event,
    EventKind,
    NameInvalid,
    Reply,
    Service,
    check_name,
)
from conche.happenings import Teller

from .changeset import Note
from .commits import Commit
from .configfiles import STORED_FOLDER

MAX_WORDS: Final = 500
"""Characters of a text; the rest stands in the history."""


class Chronicle:
    """Tells of commands, replies, changes of the directory, and configs that break or are mended.

    Parameters
    ----------
    bus
        The broker.
    """

    def __init__(self, bus: Teller) -> None:
        self._bus = bus

    def taken(self, command: Command) -> None:
        """Tell of a command that was understood."""
        envelope = command.envelope
        self._tell(
            Event(
                at=datetime.now(UTC),
                kind=EventKind.COMMAND,
                text=f"{envelope.action} of {_target(envelope)}",
                user=command.by,
                via=command.via,
                reason=command.arguments.reason,
                action=envelope.action,
                command=envelope.id,
            ),
            *_whom(envelope),
        )

    def answered(self, envelope: Envelope, reply: Reply, *, took_s: float | None = None) -> None:
        """Tell of the answer to a command."""
        self._tell(
            Event(
                at=datetime.now(UTC),
                kind=EventKind.REPLY,
                text=f"{envelope.action} of {_target(envelope)}: {_words(reply)}"[:MAX_WORDS],
                user=envelope.user,
                took_s=None if took_s is None else round(took_s, 3),
                ok=reply.ok,
                action=envelope.action,
                command=envelope.id,
                commit=reply.commit,
            ),
            *_whom(envelope),
        )

    def changed(self, note: Note, commit: Commit | None) -> None:
        """Tell of a change of the config directory."""
        self._tell(
            Event(
                at=datetime.now(UTC),
                kind=EventKind.CONFIG,
                text=note.subject[:MAX_WORDS],
                user=note.author,
                via=note.trailers.get("via"),
                reason=note.reason or None,
                command=note.trailers.get("command_id", "").partition("/")[2] or None,
                commit=None if commit is None else commit.id,
            ),
            *_whose(commit),
        )

    def edited(self, commit: Commit) -> None:
        """Tell of what somebody has edited past conche."""
        self._tell(
            Event(
                at=datetime.now(UTC),
                kind=EventKind.CONFIG,
                text=commit.subject[:MAX_WORDS],
                user=commit.author,
                commit=commit.id,
            ),
            *_whose(commit),
        )

    def desired(self, key: str, *, before: str | None, after: str | None) -> None:
        """Tell that a node's config broke, or was mended: the errors before and after."""
        group, _, node = key.partition("/")
        words = f"no config: {after}" if after is not None else "has a config again"
        self._tell(
            Event(
                at=datetime.now(UTC),
                kind=EventKind.DESIRED,
                text=words[:MAX_WORDS],
                before=before,
                after=after,
                ok=after is None,
            ),
            group,
            node,
        )

    def _tell(self, event: Event, group: str = NO_NAME, node: str = NO_NAME) -> None:
        self._bus.tell(EVENT, event, service=Service.RENDERER, group=group, node=node)


def _whom(envelope: Envelope) -> tuple[str, str]:
    """Return group and node that an event is about: those of the topic, where it names one."""
    if envelope.group == NO_NAME:
        return NO_NAME, NO_NAME
    return _one(envelope.group), _one(envelope.node)


def _one(name: str) -> str:
    return NO_NAME if name == ALL else name


def _whose(commit: Commit | None) -> tuple[str, str]:
    """Return whose stored values a commit changed; a file of another kind may be used by any node."""
    keys = {_stored_of(path) for path in commit.paths} if commit is not None else set()
    groups, nodes = {group for group, _ in keys}, {node for _, node in keys}
    if len(groups) != 1:
        return NO_NAME, NO_NAME
    return groups.pop(), nodes.pop() if len(nodes) == 1 else NO_NAME


def _stored_of(path: str) -> tuple[str, str]:
    """Return the node whose stored values a file holds, or nobody."""
    parts = PurePosixPath(path).with_suffix("").parts
    if len(parts) != 3 or parts[0] != STORED_FOLDER:
        return NO_NAME, NO_NAME
    try:
        return check_name(parts[1], what="group"), check_name(parts[2], what="node")
    except NameInvalid:  # it belongs to no node, and can't stand in a topic
        return NO_NAME, NO_NAME


def _target(envelope: Envelope) -> str:
    return envelope.node if envelope.group == NO_NAME else f"{envelope.group}/{envelope.node}"


def _words(reply: Reply) -> str:
    if reply.error is not None:
        return reply.error
    counts: dict[str, int] = {}
    for result in reply.results.values():
        counts[result.outcome.value] = counts.get(result.outcome.value, 0) + 1
    return ", ".join(f"{number} {outcome}" for outcome, number in counts.items()) or "ok"
