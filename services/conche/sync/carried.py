"""The commands that were carried out, by id: a sender that repeats one is answered and not obeyed twice."""

from collections import OrderedDict
from typing import Final

from conche.commands import Command, Envelope, check_same
from conche.contract import ALL, Resync, SetMaintenance, SetStarted

from .records import CarriedOut, GroupRecord

REMEMBERED: Final = 1_000
"""Ids kept in the group's file, which is written at each change; the oldest go. A guess: hours of scripts."""

RESYNC: Final = "resync"


class Carried:
    """What was carried out of each id; it outlives the worker, as it is saved with what the command set."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], CarriedOut] = OrderedDict()

    def restore(self, record: GroupRecord, *, group: str) -> None:
        """Take over what earlier workers carried out in a group."""
        old = [
            CarriedOut(user=user, id=identity, action=RESYNC, group=group, node=node, by=user)
            for user, identity, node in record.restarts
        ]
        for one in [*old, *record.carried]:
            self._keep(one)

    def all(self) -> list[CarriedOut]:
        """Return what there is to be kept, the oldest first."""
        return list(self._known.values())

    def of(self, envelope: Envelope) -> CarriedOut | None:
        """Return what was carried out under the id of a command; None where it is new.

        Raises
        ------
        CommandRefused
            Another command bore that id.
        """
        found = self._known.get((envelope.user, envelope.id or ""))
        if found is not None:
            check_same(envelope, what=f"{found.group}/{found.node}/{found.action}", digest=found.digest)
        return found

    def note(self, command: Command) -> None:
        """Take that a command is being carried out; whoever sets something notes it before both are saved."""
        envelope = command.envelope
        if envelope.id is None:
            return
        one = CarriedOut(
            user=envelope.user,
            id=envelope.id,
            action=envelope.action,
            group=envelope.group,
            node=envelope.node,
            by=command.by,
            value=_value(command),
            digest=envelope.digest,
        )
        self._keep(one)

    def forget(self, envelope: Envelope) -> None:
        """Take that a command was not carried out after all."""
        self._known.pop((envelope.user, envelope.id or ""), None)

    def last_by(self, action: str, node: str) -> str | None:
        """Return who sent the latest command of a kind to a node, as far as that is known."""
        for one in reversed(self._known.values()):
            if one.action == action and one.node in (node, ALL):
                return one.by
        return None

    def _keep(self, one: CarriedOut) -> None:
        self._known[one.user, one.id] = one
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def command_of(done: CarriedOut, envelope: Envelope) -> Command:
    """Return a command that was carried out, as far as it is known, from an envelope that repeats it."""
    match done.action, done.value:
        case "set_started", bool(started):
            return Command(envelope, SetStarted(started=started, user=done.by))
        case "set_maintenance", bool(maintenance):
            return Command(envelope, SetMaintenance(maintenance=maintenance, user=done.by))
    return Command(envelope, Resync(user=done.by))


def _value(command: Command) -> bool | None:
    match command.arguments:
        case SetStarted(started=value) | SetMaintenance(maintenance=value):
            return value
    return None
