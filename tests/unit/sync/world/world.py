"""Everything together, driven from outside of the loop: a step at a time."""

import asyncio
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

import pytest
from msgspec.json import decode

from conche.bus import BusTakenOver
from conche.contract import NODE_STATUS, NodeStatus, RegisteredNode
from conche.kotekan.revision import FingerprintCache
from conche.settings import GroupPolicy, Settings
from conche.settings import Sync as SyncSettings
from conche.sync import proven, records
from conche.sync.node import Node
from conche.sync.records import GroupRecord
from conche.sync.worker import GroupWorker

from .broker import Broker, MemoryLink
from .configs import Config
from .loop import Disk, MemoryLoop
from .machines import Event, Machine
from .network import Listener, Network
from .operators import Operator
from .speakers import GROUP, ROOT, Poller, Renderer

NAMES = ("cx1", "cx2", "cx3")
SPARES = ("spare1", "spare2")
EPOCH = datetime(2026, 11, 21, tzinfo=UTC)
GONE_S = 0.001
"""Until nothing is left of a process that was killed [s]."""

SUPERVISED_S = 0.3
"""Until a worker that has ended by itself is started again [s]."""


class World:
    """A telescope of one group.

    Parameters
    ----------
    nodes
        Names; each has a machine of its own, and there are some to spare.
    policy
        Of the group.
    per_node
        Whether each node's configs are its own.
    """

    def __init__(
        self, nodes: tuple[str, ...] = NAMES, *, policy: GroupPolicy | None = None, per_node: bool = False
    ) -> None:
        self.names = nodes
        self.per_node = per_node
        self.network = Network()
        self.disk = Disk()
        self.broker = Broker()
        self.folder = Path(tempfile.mkdtemp(prefix="conche-world-"))
        self.wall_offset_s = 0.0
        self.clock_steps: list[float] = []
        self._latest_wall = EPOCH
        self.events: list[Event] = []
        self.breaches: list[str] = []
        """What must never happen and did."""
        self.machines: dict[str, Machine] = {}
        self.worker: GroupWorker | None = None
        self.starts: list[float] = []
        """When a worker was started."""
        self.on_end: list[Callable[[], None]] = []
        """Told when the worker's process is gone, however it ended."""
        self.on_event: list[Callable[[Event], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._gone: asyncio.Task[None] | None = None
        self._trap: tuple[str, int, float] | None = None
        self._due: dict[asyncio.TimerHandle, Callable[[], object]] = {}
        self._closing = False
        self._patches = pytest.MonkeyPatch()
        self.loop = MemoryLoop(self.network, self.disk)
        groups = {GROUP: policy} if policy is not None else {}
        self.settings = Settings(sync=SyncSettings(run_dir=self.folder), groups=groups)

    # --- begin and end

    def __enter__(self) -> "World":
        self._patch()
        self.network.process_at = lambda address: self.machines[address].number
        self.network.on_sent.append(lambda _: self._spring("request"))
        self.network.on_answer.append(lambda _: self._spring("answer"))
        self.disk.before_write.append(lambda: self._spring("before write"))
        self.disk.after_write.append(lambda: self._spring("after write"))
        self.run_in(self._build)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        try:
            self.kill_worker()
            self.run_in(self._end)
        finally:
            self.loop.close()
            self._patches.undo()
            shutil.rmtree(self.folder)

    def _patch(self) -> None:
        """Put the world in place of what lies outside of the worker's process."""
        patch = self._patches.setattr
        patch("conche.bus.bus.Link", partial(MemoryLink, broker=self.broker))
        patch("conche.bus.presence.version", lambda _: "0")
        patch("conche.sim.unit.bind", Listener)
        patch("conche.sim.serving.time", SimpleNamespace(time=self.loop.time))
        for module in (records, proven):
            patch(module, "write_atomic", self._write)
        clock = type("datetime", (datetime,), {"now": lambda *_: self.wall()})
        for name, module in list(sys.modules.items()):
            if name.startswith("conche.sync.") and getattr(module, "datetime", None) is datetime:
                patch(module, "datetime", clock)

    async def _build(self) -> None:
        hosts = (*self.names, *SPARES)
        made = [Machine(host, network=self.network, book=self._book, seed=1) for host in hosts]
        self.machines = {machine.address: machine for machine in made}
        self.renderer = Renderer(self.broker, wall=self.wall)
        self.poller = Poller(self.broker, renderer=self.renderer, machines=self.machines, wall=self.wall)
        self.operator = Operator(self.broker)
        self.renderer.set_nodes({name: self.entry(name, "e1") for name in self.names})
        self.want(Config())

    async def _end(self) -> None:
        for speaker in (self.renderer, self.poller):
            speaker.die()
        self.broker.crash()
        for machine in self.machines.values():
            machine.task.cancel()
        tasks = [m.task for m in self.machines.values()]
        await asyncio.gather(*tasks, *([self._gone] if self._gone else []), return_exceptions=True)
        self.network.cut_all()

    def _book(self, event: Event) -> None:
        self.events.append(event)
        for told in self.on_event:
            told(event)

    # --- clocks

    @property
    def now(self) -> float:
        """The loop's clock [s]."""
        return self.loop.time()

    def wall(self) -> datetime:
        """The wall clock, which may be stepped."""
        return EPOCH + timedelta(seconds=self.loop.time() + self.wall_offset_s)

    @property
    def latest_wall(self) -> datetime:
        """The latest time that the wall clock has ever shown."""
        return max(self._latest_wall, self.wall())

    def step_clock(self, seconds: float) -> None:
        """Step the wall clock."""
        self._latest_wall = self.latest_wall
        self.wall_offset_s += seconds
        self.clock_steps.append(self.now)

    def run_in(self, action: Callable[[], Any]) -> Any:
        return self.loop.run_until_complete(action())

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Have something happen after a time."""
        timer = self.loop.call_later(seconds, self._act, action)
        self._due[timer] = action

    def _act(self, action: Callable[[], object]) -> None:
        self._due = {timer: other for timer, other in self._due.items() if other is not action}
        action()

    def lift_all(self) -> None:
        """Have all happen now that was to happen later, and mend what was broken."""
        self._trap = None
        for timer, action in list(self._due.items()):
            timer.cancel()
            self.do(self._act, action)
        for machine in self.machines.values():
            self.do(machine.mend)
        self.start_worker()

    def until(self, condition: Callable[[], Any], *, within: float = 60.0, step: float = 0.05) -> None:
        """Let time pass until something is so."""
        end = self.now + within
        while not condition():
            assert self.now < end, f"not within {within:g} s: {self.describe()}"
            self.run(step)

    def do(self, action: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """Do something inside the loop, without letting time pass."""

        async def act() -> Any:
            return action(*arguments, **more)

        return self.loop.run_until_complete(act())

    # --- the worker's process

    def start_worker(self) -> None:
        self.do(self._start_worker)

    def _start_worker(self) -> None:
        if self._task is not None or self._closing:
            return
        self.worker = GroupWorker(GROUP, self.settings, cache=FingerprintCache())
        self.starts.append(self.now)
        self._task = self.loop.create_task(self.worker.run())
        self._task.add_done_callback(self._on_task_done)

    def kill_worker(self, *, back_in: float | None = None) -> None:
        """End the worker's process in the middle of whatever it does; nothing of it is written any more.

        Parameters
        ----------
        back_in
            When it is started again [s]; None for not before somebody does so.
        """
        self.do(self.strike, back_in)
        self.loop.run_until_complete(asyncio.sleep(0))

    def set_trap(self, point: str, skip: int = 0, *, back_in: float = SUPERVISED_S) -> None:
        """Have the worker killed when it next comes to a point, after so many times."""
        self._trap = (point, skip, back_in)

    def _spring(self, point: str) -> None:
        if self._trap is None or self._trap[0] != point:
            return
        _, skip, back_in = self._trap
        self._trap = (point, skip - 1, back_in) if skip else None
        if not skip:
            self.strike(back_in)

    def strike(self, back_in: float | None) -> None:
        """Kill the process, in the middle of a step of its own if need be; the next may come up once it is gone."""
        task = self._task
        if task is None:
            return
        self._task, self._gone = None, task
        self._end_process()
        self.network.cut_all()
        for link in list(self.broker.links):
            link.lose()
        task.cancel()
        if back_in is not None:
            self.loop.call_later(max(back_in, GONE_S), self._start_worker)

    def _end_process(self) -> None:
        self.worker = None
        self.disk.generation += 1
        for told in self.on_end:
            told()

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        """Take that the worker has ended by itself, and start it again, as a supervisor does."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._note_end(error)
        if task is self._task:
            self._task = None
            self._end_process()
            self.loop.call_later(SUPERVISED_S, self._start_worker)

    def _note_end(self, error: BaseException) -> None:
        known = error
        while isinstance(known, BaseExceptionGroup) and len(known.exceptions) == 1:
            known = known.exceptions[0]
        if not isinstance(known, BusTakenOver):
            self.breaches.append("the worker ended: " + "".join(traceback.format_exception(error)))

    # --- disk

    def _write(self, path: Path, data: bytes, *, mode: int = 0o644) -> None:
        if self.disk.full:
            raise OSError(28, "No space left on device")
        path.write_bytes(data)

    @property
    def file(self) -> Path:
        return self.folder / f"sync-{GROUP}.json"

    def record(self) -> GroupRecord:
        """What the file holds."""
        return decode(self.file.read_bytes(), type=GroupRecord) if self.file.exists() else GroupRecord()

    # --- nodes

    @property
    def ignores(self) -> bool:
        """Whether drift of some path is of no account."""
        return any(policy.ignore for policy in self.settings.groups.values())

    @staticmethod
    def entry(host: str, epoch: str, *, started: bool = False) -> RegisteredNode:
        return RegisteredNode(host=host, port=12048, epoch=epoch, started=started)

    def want(self, config: Config | None, *names: str) -> None:
        """Have what the directory says changed."""
        for name in names or tuple(self.renderer.nodes):
            own = Config(**{**vars(config), "node": name}) if config is not None and self.per_node else config
            self.renderer.want(own, name)

    def node(self, name: str) -> Node:
        assert self.worker is not None
        return self.worker.nodes[name]

    def machine(self, name: str) -> Machine:
        """The machine at a node's address."""
        entry = self.renderer.nodes[name]
        return self.machines[f"{entry.host}:{entry.port}"]

    def status(self, name: str) -> NodeStatus | None:
        """What stands on the broker."""
        data = self.broker.retained.get(f"{ROOT}/{NODE_STATUS.topic(group=GROUP, node=name)}")
        return decode(data, type=NodeStatus) if data else None

    def describe(self) -> str:
        lines = [f"at {self.now:.3f}"]
        for name in self.renderer.nodes:
            machine, status = self.machine(name), self.status(name)
            lines.append(f"{name}: process {machine.number} runs {machine.running}; {status}")
        lines += [
            f"{s.at:.4f} {s.id} {s.action} {s.node} {s.arguments}: {s.replies[:1]}"
            for s in self.operator.sent
        ]
        return "\n".join(lines)

    # --- the usual beginning

    def begin(self) -> None:
        """Have everybody there, and every node run what is desired, out of maintenance."""
        self.do(self.renderer.start)
        self.do(self.poller.start)
        self.start_worker()
        self.until(lambda: all(s and s.started is not None for s in map(self.status, self.names)))
        self.do(self.operator.send, "set_started", started=True)
        self.do(self.operator.send, "set_maintenance", maintenance=False)
        self.until(self.all_run)

    def all_run(self) -> bool:
        """Whether every node runs what is desired, and has proven it."""
        return all(self.runs(name) for name in self.renderer.nodes)

    def runs(self, name: str) -> bool:
        config, status = self.renderer.wanted.get(name), self.status(name)
        return (
            config is not None
            and status is not None
            and self.machine(name).running == config.revision == status.live == status.proven
            and status.state == "started"
        )
