"""The resyncs that were begun, by id: a sender that repeats one is answered and not obeyed twice."""

from collections import OrderedDict
from typing import Final

from conche.commands import CommandRefused, Envelope

from .records import Recorder, RecordsLost

REMEMBERED: Final = 5_000
"""Ids kept in the group's file."""


class Restarts:
    """Account and id of each resync, and its target; they outlive the worker."""

    def __init__(self) -> None:
        self._targets: OrderedDict[tuple[str, str], str] = OrderedDict()

    def restore(self, done: list[tuple[str, str, str]]) -> None:
        """Take over what an earlier worker began."""
        self._targets = OrderedDict(((user, identity), target) for user, identity, target in done)

    def done(self) -> list[tuple[str, str, str]]:
        """Return account, id and target of each."""
        return [(user, identity, target) for (user, identity), target in self._targets.items()]

    def knows(self, envelope: Envelope) -> bool:
        """Return whether a command bears the id of a resync that was begun."""
        return envelope.id is not None and (envelope.user, envelope.id) in self._targets

    def check(self, envelope: Envelope) -> None:
        """Refuse the id of a resync for anything else.

        Raises
        ------
        CommandRefused
            Another command bore that id.
        """
        target = self._targets.get((envelope.user, envelope.id or ""), envelope.node)
        if target != envelope.node or (envelope.action != "resync" and self.knows(envelope)):
            raise CommandRefused(
                f"the id {envelope.id!r} is that of a resync of {target}: give each command an id of its own"
            )

    async def remember(self, envelope: Envelope, recorder: Recorder) -> None:
        """Have the id of a resync on disk, and with it which nodes are to be restarted for it.

        Raises
        ------
        RecordsLost
            It could not be written, and is not remembered.
        """
        key = (envelope.user, envelope.id) if envelope.id is not None else None
        if key is not None:
            self._targets[key] = envelope.node
            if len(self._targets) > REMEMBERED:
                self._targets.popitem(last=False)
        try:
            await recorder.save()
        except RecordsLost:
            if key is not None:
                self._targets.pop(key, None)
            raise
