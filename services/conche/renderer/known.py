"""Which commands were carried out: their ids stand in the history, so that it is known across restarts."""

from dataclasses import dataclass

from conche.commands import Command, Envelope, check_same

from .history import History


@dataclass(frozen=True, slots=True)
class Carried:
    """A command that was carried out.

    Parameters
    ----------
    commit
        What it made.
    what
        Its target and action: ``cx/all/updatable_config``; empty where that is not known.
    digest
        Of its arguments; empty where that is not known.
    """

    commit: str
    what: str
    digest: str


class KnownCommands:
    """Remembers the ids of commands that changed something.

    Parameters
    ----------
    history
        Where they stand; None where none is kept.
    """

    def __init__(self, history: History | None) -> None:
        self._history = history
        self._known: dict[str, Carried] = {}
        self._read_of: object = None

    def knows(self, envelope: Envelope) -> bool:
        """Return whether a command was carried out, as far as the history was read."""
        return envelope.id is not None and id_of(envelope) in self._known

    def find(self, command: Command) -> Carried | None:
        """Return what became of a command that was carried out before; None for one that was not.

        Raises
        ------
        HistoryError
            That can't be told: what was carried out can't be read.
        CommandRefused
            Another command bore that id.
        """
        self.read()
        found = self._known.get(id_of(command.envelope)) if command.envelope.id is not None else None
        if found is not None:
            check_same(command.envelope, what=found.what, digest=found.digest)
        return found

    def read(self) -> None:
        """Read the history, unless that was done, or again where the directory was replaced by another.

        Raises
        ------
        HistoryError
            It can't be read.
        """
        if self._history is None:
            return
        identity = self._history.identity()
        if identity is None or identity != self._read_of:
            commands = self._history.known_commands()
            self._known = {
                name: Carried(commit, trailers.get("Command", ""), trailers.get("Arguments", ""))
                for name, (commit, trailers) in commands.items()
            }
            self._read_of = self._history.identity()

    def note(self, command: Command, commit: str) -> None:
        """Take that a command was carried out."""
        envelope = command.envelope
        if envelope.id is not None:
            self._known[id_of(envelope)] = Carried(commit, envelope.what, envelope.digest)


def trailers_of(command: Command) -> dict[str, str]:
    """Return what stands in a commit of a command, so that it is known by it."""
    envelope = command.envelope
    found = {"command": envelope.what}
    if envelope.id is not None:
        found |= {"command_id": id_of(envelope), "arguments": envelope.digest}
    return found if command.via is None else {**found, "via": command.via}


def id_of(envelope: Envelope) -> str:
    """Return by what a command is known in the history."""
    return f"{envelope.user}/{envelope.id or ''}"
