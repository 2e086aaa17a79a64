"""Rules about what the worker says: nothing differs in silence, and every command is answered."""

from conche.contract import NodeState, NodeStatus
from conche.sync.cures import Ignored

from .operators import Sent
from .resyncs import Resyncs
from .speakers import GROUP
from .world import World

SILENCE_S = 6.0
"""So long something may differ without a word: a change comes, and somebody has to look [s]."""

ANSWERED_S = 66.0
"""A command is answered by then if its worker lives and the broker is there [s]."""


class Words:
    """Judges statuses and replies between the steps."""

    def __init__(self, world: World) -> None:
        self._world = world
        policy = world.settings.groups.get(GROUP)
        self._ignored = Ignored(policy.ignore if policy is not None else [])
        self._silent_since: dict[str, float] = {}
        self._undisturbed_since = 0.0
        self._resyncs = Resyncs(world)
        world.on_end.append(self.disturb)
        world.broker.on_down.append(self.disturb)

    def disturb(self) -> None:
        """Take that something happened after which it takes a while to know."""
        self._undisturbed_since = self._world.now
        self._silent_since.clear()

    def look(self) -> None:
        """Judge what can be seen at any time."""
        self._resyncs.look()
        worker = self._world.worker
        if worker is None or not worker.bus.connected:
            self.disturb()
            return
        for name, node in worker.nodes.items():
            if node.status is None or not silent(node.status, self._ignored):
                self._silent_since.pop(name, None)
            elif self._world.now - self._silent_since.setdefault(name, self._world.now) > SILENCE_S:
                self._world.breaches.append(f"at {self._world.now:.3f}: {name} says nothing: {node.status}")
        for sent in self._world.operator.sent:
            self._judge(sent)

    def _judge(self, sent: Sent) -> None:
        heard = sent.heard_at if sent.answered_at is None else None
        if heard is not None and heard > self._undisturbed_since and self._world.now - heard > ANSWERED_S:
            self._world.breaches.append(f"at {self._world.now:.3f}: {sent.id} {sent.action} is not answered")


def silent(status: NodeStatus, ignored: Ignored) -> bool:
    """Return whether a node is not as it should be and its status does not say why."""
    if status.error is not None or status.held is not None or status.retry_at is not None:
        return False
    if status.state in (NodeState.UNKNOWN, NodeState.DOWN, NodeState.FAILED):
        return True
    if status.maintenance.on or status.state is NodeState.SYNCING:
        return False
    if status.state is NodeState.STARTED:
        paths = [words.partition(":")[0] for words in status.drift.paths]
        return status.started is False or not all(ignored.covers(path) for path in paths)
    return status.started is True
