"""What the switches of a node may be, by what was sent and what was answered."""

from conche.contract import Outcome
from conche.sync.node import Node

from .hearing import Hearing
from .operators import Sent
from .speakers import GROUP
from .world import World

FIELD = {"set_started": "started", "set_maintenance": "maintenance"}
EITHER = frozenset({True, False})


class Switches:
    """Both switches of every node.

    A switch is what the last acknowledged command says, unless a later one is under way or was lost. A new epoch
    turns maintenance on and leaves open what is adopted. Who loses the file may have forgotten everything.
    """

    def __init__(self, world: World, hearing: Hearing) -> None:
        self._world = world
        self._hearing = hearing
        self.known_since = 0.0
        """What was acknowledged before this may have been lost."""

    def forget(self) -> None:
        """Take that the worker's file was lost."""
        self.known_since = self._world.now

    def maintenance(self, node: str) -> frozenset[bool]:
        """Return what the maintenance of a node may be now."""
        epoch = self._hearing.epoch_since.get(node)
        if epoch is None:
            return EITHER
        return self._possible("set_maintenance", node, since=epoch[1], first=frozenset({True}))

    def started(self, node: str) -> frozenset[bool]:
        """Return whether a node may have to run."""
        epoch = self._hearing.epoch_since.get(node)
        return self._possible("set_started", node, since=epoch[1], first=EITHER) if epoch else EITHER

    def _possible(self, action: str, node: str, *, since: float, first: frozenset[bool]) -> frozenset[bool]:
        possible = EITHER if self.known_since > since else first
        for at, sent in self._world.operator.sendings:
            if sent.action != action or not sent.names(node):
                continue
            answered = sent.answered_at
            if at == sent.at and answered is not None and answered < max(since, self.known_since):
                continue
            if at > sent.at and self._is_known(sent, at=at):
                continue  # a second time, and answered without being carried out
            possible = self._after(possible, sent, node, again=at > sent.at, since=since)
        return possible

    def _is_known(self, sent: Sent, *, at: float) -> bool:
        """Return whether a command that is repeated was carried out and saved before, whatever worker hears it."""
        answered = sent.answered_at
        if answered is None or not self.known_since < answered < at or sent.reply.error is not None:
            return False
        return all(result.outcome is Outcome.OK for result in sent.reply.results.values())

    def _after(
        self, possible: frozenset[bool], sent: Sent, node: str, *, again: bool, since: float
    ) -> frozenset[bool]:
        value, until = bool(sent.arguments[FIELD[sent.action]]), sent.arguments.get("until")
        if value and until is not None and self._world.latest_wall >= until:
            return EITHER
        both = possible | {value}
        if sent.answered_at is None or again or sent.at < since:
            return both  # not yet, or never; or before the epoch, or a second time by another worker
        if sent.reply.error is not None:
            # What was not saved is as before, but maintenance stays on, which is the safe side.
            return both if value and sent.action == "set_maintenance" else possible
        result = sent.reply.results.get(f"{GROUP}/{node}")
        if result is None:
            return possible
        if sent.action == "set_maintenance" and not result.ok:
            return both  # it holds, and is not saved
        return frozenset({value})


def acknowledged(sent: Sent, node: str) -> bool:
    """Return whether a command was carried out for a node as far as its own worker can tell."""
    if sent.answered_at is None or sent.reply.error is not None:
        return False
    result = sent.reply.results.get(f"{GROUP}/{node}")
    return result is not None and result.outcome is Outcome.OK


def contradicts(node: Node, switches: Switches) -> str | None:
    """Return how a worker's switches contradict what was acknowledged, or None."""
    if node.maintenance.on not in switches.maintenance(node.name):
        return f"{node.key}: maintenance is {node.maintenance.on} against what was acknowledged"
    if node.started is not None and node.started not in switches.started(node.name):
        return f"{node.key}: started is {node.started} against what was acknowledged"
    return None
