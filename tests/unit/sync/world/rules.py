"""The rules of the design about what is written to a node, judged by books of the world's own.

A write is judged in the step in which it is sent; an answer when it arrives.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from msgspec.json import decode

from conche.contract import Maintenance
from conche.kotekan.revision import revision
from conche.sim.books import What
from conche.sync.node import Node

from .configs import Config
from .hearing import LAG_S, Hearing
from .machines import Event
from .network import Request
from .operators import Sent
from .switches import Switches, contradicts
from .world import World

SETTLE_S = 3.0
WINDOW_S = 10.0
ALLOWED_EXITS = 4
MAX_NODES_AT_RISK = 2


@dataclass
class Write:
    """A write of the worker's, and what was known when it was sent."""

    request: Request
    node: str
    what: str
    """A revision, or endpoint and hash of values."""
    running: str | None
    proven: str | None
    carried_out: bool = False


@dataclass
class Runs:
    """What a machine runs, and since when."""

    revision: str | None = None
    since: float = 0.0
    started_at: float = 0.0


@dataclass
class Rejections:
    """What nodes refused and the worker knows of, until somebody wants it tried again."""

    configs: set[tuple[str, str]] = field(default_factory=set)
    """Node and revision."""
    values: set[tuple[str, str]] = field(default_factory=set)
    """Node, and endpoint with hash."""
    at_risk: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Revision to the nodes that rejected it."""

    def forget(self, node: str) -> None:
        """Take that what a node refused is of no account any more."""
        self.configs = {key for key in self.configs if key[0] != node}
        self.values = {key for key in self.values if key[0] != node}
        for nodes in self.at_risk.values():
            nodes.discard(node)


class Rules:
    """Judges everything that the worker writes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.hearing = Hearing(world)
        self.switches = Switches(world, self.hearing)
        self.writes: list[Write] = []
        self.configs: dict[str, Config] = {}
        self._runs: dict[str, Runs] = defaultdict(Runs)
        self._ran_well: dict[str, set[str]] = defaultdict(set)
        self._started: set[tuple[str, int, str]] = set()
        self._rejections = Rejections()
        self._excused: set[tuple[str, str]] = set()
        """Resync and node: the one kill that it may make of a process that is right was made."""
        self._exits: dict[str, list[float]] = defaultdict(list)
        self._doubts: list[float] = []
        """When the worker may have forgotten what it has to count."""
        self._pushes: dict[str, tuple[str, float]] = {}
        world.network.on_request.append(self._on_request)
        world.network.on_answer.append(self._on_answer)
        world.on_event.append(self._on_event)
        world.on_end.append(self._on_worker_end)

    def breach(self, words: str) -> None:
        self.world.breaches.append(f"at {self.world.now:.4f}: {words}")

    # --- a request is sent

    def _on_request(self, request: Request) -> None:
        others = [r for r in self.world.network.outstanding(request.address) if r is not request]
        if others:
            self.breach(f"{request.address}: {request.path} while {others[0].path} is not answered")
        self._note_running(request.address)
        if request.writes:
            self._judge(request)

    def _judge(self, request: Request) -> None:
        node = self._node_at(request.address)
        if node is None:
            self.breach(f"{request.path} to {request.address}, which is no node's")
            return
        write = self._write(request, node)
        self._judge_moment(write, node)
        match request.path:
            case "/kill":
                self._judge_kill(write, node)
            case "/start":
                self._judge_start(write, node)
            case _:
                self._judge_update(write)
        self.writes.append(write)

    def _write(self, request: Request, node: Node) -> Write:
        what = ""
        if request.path == "/start":
            what = revision(decode(request.body))
        elif request.path != "/kill":
            what = f"{request.path} {revision(decode(request.body))}"
        return Write(request, node.name, what, self._runs[request.address].revision, node.proven)

    def _node_at(self, address: str) -> Node | None:
        worker = self.world.worker
        nodes = worker.nodes.values() if worker is not None else ()
        return next((n for n in nodes if f"{n.entry.host}:{n.entry.port}" == address), None)

    def _judge_moment(self, write: Write, node: Node) -> None:
        words = f"{write.request.path} to {node.key}"
        if not self.world.broker.links:
            self.breach(f"{words} without the broker")
        if not self.hearing.renderer_heard:
            self.breach(f"{words} before the renderer was heard")
        if True not in {
            entry is not None and f"{entry.host}:{entry.port}" == write.request.address
            for entry in self.hearing.entries(node.name)
        }:
            self.breach(f"{words} at {write.request.address}, which is not its address")
        if node.epoch == self.hearing.epoch_since.get(node.name, ("", 0.0))[0]:  # else it waits for this push
            if self.switches.maintenance(node.name) == {True}:
                self.breach(f"{words} in maintenance")
            if (wrong := contradicts(node, self.switches)) is not None:
                self.breach(f"{words}: {wrong}")
        self._judge_epoch(write, node)
        pending = [
            w for w in self.writes[-50:] if w.request.address == write.request.address and not w.carried_out
        ]
        if pending:
            self.breach(f"{words} while {pending[0].request.path} may still be carried out")

    def _judge_epoch(self, write: Write, node: Node) -> None:
        """A push that begins in a new epoch needs somebody who took the node out of maintenance in it."""
        push = node.push.id if node.push is not None else ""
        if self._pushes.get(node.name, ("", 0.0))[0] != push:
            self._pushes[node.name] = (push, self.world.now)
        epoch, since = self.hearing.epoch_since.get(node.name, ("", 0.0))
        if self._pushes[node.name][1] <= since + LAG_S:
            return
        taken_out = [
            sent
            for at, sent in self.world.operator.sendings
            if sent.action == "set_maintenance" and not sent.arguments["maintenance"] and sent.names(node.name)
            and (at >= since or sent.answered_at is None or sent.answered_at >= since)
        ]  # fmt: skip
        ran_out = isinstance(node.maintenance, Maintenance) and node.maintenance.reason == "its time was over"
        if not taken_out and not ran_out:
            self.breach(f"{write.request.path} to {node.key} in epoch {epoch}, in which nobody took it out")

    def _judge_kill(self, write: Write, node: Node) -> None:
        desired, since = self.hearing.desired_since(node.name)
        if False in self.switches.started(node.name) or write.running is None or write.running != desired:
            return
        looks = [
            r.at
            for r in self.world.network.requests[-50:]
            if r.address == write.request.address and r.path == "/config" and r.answered_at is not None
        ]
        if not looks or max(self._runs[write.request.address].since, since) > looks[-1]:
            return  # it has only just come to be so
        resync = self._resync_for(node.name)
        if resync is None:
            self.breach(f"/kill to {node.key}, which runs what is desired")
        else:
            self._excused.add((resync.id, node.name))

    def _resync_for(self, node: str) -> Sent | None:
        """Return a resync that has not made its one kill yet."""
        forgotten_at = self.switches.known_since
        return next(
            (
                sent
                for at, sent in self.world.operator.sendings
                if sent.action == "resync" and sent.names(node) and (sent.id, node) not in self._excused
                and (sent.answered_at is None or not sent.reply.results or sent.answered_at < forgotten_at <= at)
            ),
            None,
        )  # fmt: skip

    def _judge_start(self, write: Write, node: Node) -> None:
        words = f"/start of {write.what} to {node.key}"
        if self.switches.started(node.name) == {False}:
            self.breach(f"{words}, which is to be stopped")
        if write.what not in self.hearing.revisions(node.name) | self._ran_well[node.name]:
            self.breach(f"{words}, which is neither desired nor proven")
        key = (write.request.address, write.request.process, write.what)
        if key in self._started:
            self.breach(f"{words} a second time in one process")
        self._started.add(key)
        if (node.name, write.what) in self._rejections.configs and node.proven != write.what:
            self.breach(f"{words}, which it has rejected")
        config = self.configs.get(write.what)
        refused = self._refused_in(config) if config is not None and node.proven != write.what else None
        if refused:
            self.breach(f"{words}, with values that {refused} has refused")

    def _refused_in(self, config: Config) -> str | None:
        desired = config.desired("")
        for node, what in self._rejections.values:
            endpoint, _, values = what.partition(" ")
            if desired.updatable.get(endpoint.strip("/")) == values:
                return node
        return None

    def _judge_update(self, write: Write) -> None:
        endpoint, _, values = write.what.partition(" ")
        if values not in self.hearing.values(write.node, endpoint.strip("/")):
            self.breach(f"POST {write.what} to {write.node}, which is not desired")
        for node, what in self._rejections.values:
            desired = self.hearing.desired_since(write.node)[0]
            if what == write.what and write.proven != desired:
                self.breach(f"POST {write.what} to {write.node}, which {node} has refused")

    # --- an answer arrives

    def _on_answer(self, request: Request) -> None:
        self._note_running(request.address)
        write = next((w for w in reversed(self.writes[-50:]) if w.request is request), None)
        if write is None or self.world.worker is None:  # nobody hears it any more
            return
        if request.path == "/start" and request.status == 400 and write.proven != write.what:
            self._reject(write)
        elif request.path not in ("/start", "/kill") and request.status == 500:
            self._rejections.values.add((write.node, write.what))
        elif request.path not in ("/start", "/kill") and request.status == 200:
            node = self._node_at(request.address)
            running = self.world.machines[request.address].running
            if node is not None and running is not None:
                self._ran_well[node.name].add(running)
                if self.world.ignores:  # what it runs is what is desired, but for what is of no account
                    self._ran_well[node.name] |= {r for r in self.hearing.revisions(node.name) if r}

    def _reject(self, write: Write) -> None:
        self._rejections.configs.add((write.node, write.what))
        nodes, config = self._rejections.at_risk[write.what], self.configs.get(write.what)
        nodes.add(write.node)
        if config is not None and config.bad and not config.node and len(nodes) > MAX_NODES_AT_RISK:
            self.breach(f"{write.what} was given to {', '.join(sorted(nodes))}, who all rejected it")

    # --- what happens at the machines

    def _on_event(self, event: Event) -> None:
        self._note_running(event.machine)
        runs = self._runs[event.machine]
        match event.what:
            case What.RUNNING:
                runs.started_at = event.at
                runs.revision, runs.since = str(event.told["revision"]), event.at
            case What.DIED:
                self._on_death(event)
            case What.KILL | What.START | What.UPDATE:
                waiting = [w for w in self.writes if w.request.address == event.machine and not w.carried_out]
                if waiting:
                    waiting[0].carried_out = True

    def _on_death(self, event: Event) -> None:
        runs = self._runs[event.machine]
        for write in self.writes:
            if write.request.address == event.machine:
                write.carried_out = True
        if event.told["cause"] in ("/kill", "refused config", "refused update"):
            self._count_exit(event)
        last = next((w for w in reversed(self.writes) if w.request.address == event.machine), None)
        answered = last.request.answered_at if last is not None else None
        if (
            last is not None
            and last.request.path == "/start"
            and last.request.process == event.process
            and last.request.status == 200
            and answered is not None
            and event.at < answered + SETTLE_S - LAG_S
            and last.proven != last.what
            and last.request.ended_at is None
        ):
            self._reject(last)
        runs.revision, runs.since = None, event.at

    def _count_exit(self, event: Event) -> None:
        exits = self._exits[event.machine]
        exits.append(event.at)
        window = [at for at in exits if at > event.at - WINDOW_S]
        doubts = [at for at in self._doubts if at > event.at - WINDOW_S - 1.0]
        if len(window) > ALLOWED_EXITS and not doubts:
            self.breach(f"{event.machine}: {len(window)} exits within {WINDOW_S:g} s")

    def _note_running(self, address: str) -> None:
        running, runs, now = self.world.machines[address].running, self._runs[address], self.world.now
        if running != runs.revision:
            runs.revision, runs.since = running, now
        node = self._node_at(address)
        if (
            node is not None
            and running is not None
            and now - max(runs.since, runs.started_at) >= SETTLE_S - LAG_S
        ):
            self._ran_well[node.name].add(running)

    # --- what the worker may forget

    def on_resync(self, sent: Sent) -> None:
        """Somebody wants something tried again; of a batch, by two more nodes."""
        for name in self.world.renderer.nodes:
            if sent.names(name):
                self._rejections.forget(name)
        self._rejections.at_risk.clear()

    def _on_worker_end(self) -> None:
        """What is not in the file may be forgotten."""
        record, rejections = self.world.record(), self._rejections
        kept = {
            (name, what)
            for name, node in record.nodes.items()
            for rejected in node.rejected
            for what in (rejected.revision or "", f"/{rejected.endpoint} {rejected.values}")
        }
        rejections.configs &= kept
        rejections.values &= kept
        for what, nodes in rejections.at_risk.items():
            nodes &= {name for name, rejected in kept if rejected == what}
        self._doubts.append(self.world.now)

    def on_file_lost(self) -> None:
        """What is not on the broker is forgotten."""
        self._rejections = Rejections()
        self.switches.forget()
        self._doubts.append(self.world.now)

    def on_node_gone(self, name: str) -> None:
        """What it refused stops nobody any more."""
        self._rejections.forget(name)

    # --- looked at between the steps

    def look(self) -> None:
        """Judge what can be seen at any time."""
        worker = self.world.worker
        for address in self.world.machines:
            self._note_running(address)
        if worker is None or not worker.bus.connected:
            return
        for node in worker.nodes.values():
            epoch = self.hearing.epoch_since.get(node.name)
            if epoch is None or node.epoch != epoch[0] or epoch[1] > self.world.now - LAG_S:
                continue
            if (wrong := contradicts(node, self.switches)) is not None:
                self.breach(wrong)
