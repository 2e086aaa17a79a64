"""The rule about resync: where it is answered ok, the node was really restarted, by the machine's own books."""

from collections import defaultdict
from dataclasses import dataclass

from msgspec.json import decode

from conche.bus.link import Incoming
from conche.contract import COMMAND
from conche.sim.books import What
from conche.sync.node import Node

from .network import Request
from .operators import Sent
from .speakers import GROUP, ROOT
from .world import World

ACTION = "resync"


@dataclass
class Taken:
    """A resync that came to a worker.

    Parameters
    ----------
    at
        When it first did [s].
    joined
        Nodes of which a restart was under way then, and when its first write was sent [s].
    """

    at: float
    joined: dict[str, float]


class Resyncs:
    """Judges what resyncs are answered."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._taken: dict[str, Taken] = {}
        self._first_writes: dict[str, float] = {}
        """Push to when its first write was sent."""
        self._judged: dict[str, int] = defaultdict(int)
        self._addresses: dict[str, set[str]] = defaultdict(set)
        """Every address that a node ever had."""
        world.broker.on_delivery.append(self._take)
        world.network.on_request.append(self._on_request)

    def _nodes(self) -> list[Node]:
        return list(self._world.worker.nodes.values()) if self._world.worker is not None else []

    def _on_request(self, request: Request) -> None:
        for node in self._nodes():
            address = f"{node.entry.host}:{node.entry.port}"
            self._addresses[node.name].add(address)
            if request.writes and request.address == address and node.push is not None:
                self._first_writes.setdefault(node.push.id, request.at)

    def _take(self, message: Incoming) -> None:
        params = COMMAND.match(message.topic.removeprefix(f"{ROOT}/"))
        if params is None or params["action"] != ACTION:
            return
        joined = {
            node.name: self._first_writes[node.push.id]
            for node in self._nodes()
            if node.restarting and node.push is not None and node.push.id in self._first_writes
        }
        self._taken.setdefault(decode(message.payload)["id"], Taken(self._world.now, joined))

    def look(self) -> None:
        """Judge the replies that have come."""
        for sent in self._world.operator.sent:
            if sent.action == ACTION:
                self._judge(sent)

    def _judge(self, sent: Sent) -> None:
        fresh, self._judged[sent.id] = sent.replies[self._judged[sent.id] :], len(sent.replies)
        for at, reply in fresh:
            for key, result in reply.results.items():
                name = key.removeprefix(f"{GROUP}/")
                if result.ok and not self._was_restarted(name, self._taken[sent.id]):
                    words = f"{sent.id} is answered ok for {name}, which was not restarted"
                    self._world.breaches.append(f"at {at:.4f}: {words}")

    def _was_restarted(self, name: str, taken: Taken) -> bool:
        since = taken.joined.get(name, taken.at)
        return any(
            event.what is What.START and event.told["status"] == 200 and event.at >= since
            for event in reversed(self._world.events)
            if event.machine in self._addresses[name]
        )
