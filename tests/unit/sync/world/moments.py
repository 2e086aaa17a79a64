"""The steps of a push, and what is to happen just then."""

from collections.abc import Callable
from enum import StrEnum

from msgspec.json import decode

from conche.contract import NODE_STATUS, NodeStatus, PushKind, RegisteredNode
from conche.sim.books import What

from .broker import LATENCY_S
from .configs import Config
from .machines import Event
from .network import Request
from .speakers import GROUP, ROOT
from .world import World

SLOW_S = 0.01
"""Network and disk take so long while something is to happen at a step: the broker is quicker [s]."""


class Moment(StrEnum):
    """A step of a push."""

    LOOKING = "while it is looked at"
    RECORDING = "before the record is on disk"
    RECORDED = "before the first request"
    KILLING = "while /kill is in flight"
    KILLED = "after /kill was answered"
    ENDING = "while the end of the process is awaited"
    GONE = "when the process is gone"
    IDLE = "before /start"
    STARTING = "while /start is in flight"
    STARTED = "after /start was answered"
    SETTLING = "within the settle time"
    POSTING = "between two posts"
    READING_BACK = "while the values are read back"


BEFORE = (Moment.LOOKING, Moment.RECORDING, Moment.RECORDED)
"""Nothing is written yet."""

HALF_WAY = (Moment.KILLING, Moment.KILLED, Moment.ENDING, Moment.GONE, Moment.IDLE)
"""The process is killed and the next one is not started yet."""

LATE = (Moment.STARTING, Moment.STARTED, Moment.SETTLING)
"""The last write is sent."""

RESTART = (*BEFORE, *HALF_WAY, *LATE)
UPDATE = (*BEFORE, Moment.POSTING, Moment.READING_BACK)

_SENT = {"/kill": Moment.KILLING, "/status": Moment.IDLE, "/start": Moment.STARTING}
_ANSWERED = {
    "/kill": ((Moment.KILLED, 0.0), (Moment.ENDING, 0.05)),
    "/start": ((Moment.STARTED, 0.0), (Moment.SETTLING, 1.5)),
}
"""Path to the steps that follow the answer, and how much later [s]."""


class Occasion:
    """Has something happen once, at a step of the next push of a node.

    Parameters
    ----------
    world
        Where.
    moment
        When.
    action
        What.
    node
        Whose push; it is at the machine of its own name.
    """

    def __init__(self, world: World, moment: Moment, action: Callable[[], object], *, node: str) -> None:
        self.armed_at = world.now
        self.happened_at: float | None = None
        self._world = world
        self._moment = moment
        self._action = action
        self._node = node
        world.network.latency_s = world.disk.lag_s = SLOW_S
        world.network.on_sent.append(self._on_sent)
        world.network.on_answer.append(self._on_answer)
        world.on_event.append(self._on_event)
        world.disk.before_write.append(lambda: self._on_disk(Moment.RECORDING, recorded=False))
        world.disk.after_write.append(lambda: self._on_disk(Moment.RECORDED, recorded=True))

    @property
    def at(self) -> float:
        """When it happened [s]."""
        assert self.happened_at is not None, f"{self._moment} did not come"
        return self.happened_at

    @property
    def heard_at(self) -> float:
        """When the worker heard of it, if somebody told it over the broker [s]."""
        return self.at + LATENCY_S

    def _on_sent(self, request: Request) -> None:
        if request.address != f"{self._node}:12048" or not self._is_there():
            return
        push, step = self._world.node(self._node).push, _SENT.get(request.path)
        if request.path == "/config" and push is None and self._is_told():
            step = Moment.LOOKING
        elif request.path == "/config" and push is not None and push.kind is PushKind.UPDATE:
            step = Moment.READING_BACK
        elif step is None and request.writes:
            step = Moment.POSTING
        self._come(step)

    def _is_there(self) -> bool:
        return self._world.worker is not None and self._node in self._world.worker.nodes

    def _is_told(self) -> bool:
        """Return whether the worker knows what the node should run."""
        wanted, desired = self._world.renderer.wanted.get(self._node), self._world.node(self._node).desired
        return wanted is not None and desired is not None and desired.revision == wanted.revision

    def _on_answer(self, request: Request) -> None:
        if request.address == f"{self._node}:12048":
            for step, later_s in _ANSWERED.get(request.path, ()):
                self._world.loop.call_later(later_s, self._come, step)

    def _on_event(self, event: Event) -> None:
        if event.machine == f"{self._node}:12048" and event.what is What.DIED:
            self._come(Moment.GONE)

    def _on_disk(self, step: Moment, *, recorded: bool) -> None:
        world = self._world
        if not self._is_there():
            return
        kept = world.record().nodes.get(self._node)
        on_disk = kept is not None and kept.push is not None
        if world.node(self._node).push is not None and on_disk is recorded:
            self._come(step)

    def _come(self, step: Moment | None) -> None:
        if step is self._moment and self.happened_at is None:
            self.happened_at = self._world.now
            self._action()


def interrupt(
    world: World, moment: Moment, action: Callable[[], object], *, config: Config, started: bool = True
) -> Occasion:
    """Have the first node pushed a config that the second has proven, and something happen meanwhile.

    Parameters
    ----------
    world
        Of two nodes that run something else.
    moment, action
        When, and what.
    config
        What it is pushed.
    started
        Whether it is to run; else it is told to stop, which is a push as well.
    """
    if started:
        world.do(world.want, config, "cx2")
        world.until(lambda: world.runs("cx2"))
    occasion = Occasion(world, moment, action, node="cx1")
    if started:
        world.do(world.want, config, "cx1")
    else:
        world.do(world.operator.send, "set_started", "cx1", started=False)
    world.until(lambda: occasion.happened_at is not None, step=0.001)
    return occasion


def writes(world: World, machine: str = "cx1", *, since: float = 0.0) -> list[str]:
    """Return the paths of what was written to a machine after a time."""
    address = f"{machine}:12048"
    return [r.path for r in world.network.requests if r.writes and r.address == address and r.at > since]


def carried_out(world: World, machine: str = "cx1", *, since: float = 0.0) -> list[str]:
    """Return what a machine did of what was written to it: kill, start, or the endpoint of an update."""
    done = (What.KILL, What.START, What.UPDATE)
    events = [e for e in world.events if e.machine == f"{machine}:12048" and e.what in done and e.at > since]
    return [str(e.told["endpoint"]) if e.what is What.UPDATE else e.what.value for e in events]


def follow(world: World, node: str) -> list[NodeStatus]:
    """Return a list to which every status is added that is published of a node from now on."""
    topic, heard = f"{ROOT}/{NODE_STATUS.topic(group=GROUP, node=node)}", list[NodeStatus]()

    def hear(said: str, payload: bytes) -> None:
        if said == topic and payload:
            heard.append(decode(payload, type=NodeStatus))

    world.broker.listeners.append(hear)
    return heard


def register(world: World, **entries: RegisteredNode | None) -> None:
    """Have the registry say something else of some nodes, or, with None, not name them any more."""
    nodes = {**world.renderer.nodes, **entries}
    world.renderer.set_nodes({name: entry for name, entry in nodes.items() if entry is not None})
