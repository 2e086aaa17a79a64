"""What the renderer answers to commands that no worker can: about names that are in no registry, and to all."""

from collections.abc import Callable, Mapping

from conche.bus import Incoming
from conche.commands import Answers, Envelope, Sender, envelope_of
from conche.contract import ALL, COMMAND, NO_NAME, RegisteredNode, Reply

Groups = Mapping[str, Mapping[str, RegisteredNode]]

FILTERS = [COMMAND.filter()]
"""All commands: a group that is not in the registry has no worker to say so."""


class Answering:
    """Answers for groups that are not there, and tells who of those that are will answer.

    Parameters
    ----------
    bus
        Where replies go.
    root
        First level of every topic.
    groups
        Returns the registry's groups; None before there is a registry.
    """

    def __init__(self, bus: Sender, *, root: str, groups: Callable[[], Groups | None]) -> None:
        self._answers = Answers(bus)
        self._root = root
        self._groups = groups

    def on_command(self, message: Incoming) -> None:
        """Answer what is the renderer's to answer."""
        envelope = envelope_of(message, root=self._root)
        groups = self._groups()
        if groups is None:
            return  # its sender repeats it, and by then it is known which groups there are
        if envelope.group == NO_NAME or envelope.group in groups:
            return
        if envelope.group == ALL:
            self._name_groups(envelope, groups)
        else:
            self._answers.refuse(
                envelope, group=envelope.group, why=f"there is no group {envelope.group!r}; {_listed(groups)}"
            )

    def _name_groups(self, envelope: Envelope, groups: Groups) -> None:
        concerned = sorted(g for g, nodes in groups.items() if envelope.node in (ALL, *nodes))
        if not concerned:
            why = f"no group has a node {envelope.node!r}" if groups else "there are no groups"
            self._answers.refuse(envelope, group=ALL, why=f"{why}; {_listed(groups)}")
            return
        self._answers.answer(
            envelope, Reply(id=envelope.id, action=envelope.action, group=ALL, ok=True, groups=concerned)
        )


def _listed(groups: Groups) -> str:
    return f"there are {', '.join(sorted(groups))}" if groups else "the registry is empty"
