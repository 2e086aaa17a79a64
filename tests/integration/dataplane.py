"""The whole data plane for tests: mosquitto, a simulated cluster, and the services as processes."""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Template
from msgspec import structs

from conche import contract
from conche.bus import BusUnavailable
from conche.bus.client import Client
from conche.contract import Arguments, NodeStatus, Reply
from conche.sim.control_client import SimControl, SimEntry
from conche.sim.launch import free_ports, simulated_cluster
from conche.sim.values import revision as revision_of

from .harness import Mosquitto

TEMPLATE = """\
---
type: config
log_level: info
cpu_affinity: [0]
depth: {{ depth }}
gains:
  kotekan_update_endpoint: json
  coeff: {{ coeff }}
  start_time: 1772838439000002880
"""

WRITES = ("kill", "start", "update", "stop")
"""Entries of the simulator's books that are writes."""

SERVICES = ("renderer", "poller", "sync")
COMMANDS = {"eop": "eop-service", "fpga": "fpga-service"}
"""How a service is begun, where that is not by its name."""


class Process:
    """One service's process, begun again when it ends, as a supervisor does."""

    def __init__(self, name: str, config: Path, log: Path, arguments: Sequence[str] = ()) -> None:
        self.name = name
        self._command = [
            str(Path(sys.executable).with_name("conche")),
            COMMANDS.get(name, name),
            "--config",
            str(config),
            *arguments,
        ]
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._wanted = asyncio.Event()
        self.exits: list[int] = []

    async def supervise(self) -> None:
        try:
            while True:
                await self._wanted.wait()
                with self._log.open("ab") as log:
                    self._process = await asyncio.create_subprocess_exec(
                        *self._command, stdout=log, stderr=log
                    )
                self.exits.append(await self._process.wait())
                await asyncio.sleep(0.2)
        finally:
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
                await self._process.wait()

    def start(self) -> None:
        self._wanted.set()

    def stop(self, number: int = signal.SIGKILL) -> None:
        self._wanted.clear()
        self.send(number)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def send(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)


class DataPlane:
    """A running data plane with nodes in groups, all from one template."""

    def __init__(
        self,
        folder: Path,
        groups: dict[str, int],
        settings: dict[str, Any] | None = None,
        padding: str = "",
        services: Sequence[str] = SERVICES,
    ) -> None:
        self.folder = folder
        self.nodes = {f"{g}/{g}{i}": None for g, n in groups.items() for i in range(1, n + 1)}
        self.configs = folder / "configs"
        self.mosquitto = Mosquitto(folder / "mosquitto")
        self.processes = {
            name: Process(name, folder / "conche.yaml", folder / f"{name}.log") for name in services
        }
        self._settings = settings or {}
        self._template = TEMPLATE + padding
        self.first_port = free_ports(len(self.nodes))
        self.sim: SimControl
        self.depth = 4
        self.before_services_s = 0.0
        self._ids = 0

    # --- files

    def write(self) -> None:
        self.configs.mkdir(parents=True, exist_ok=True)
        ports = {name: self.first_port + i for i, name in enumerate(self.nodes)}
        hosts = {name: f"{name.partition('/')[2]}.example.org" for name in self.nodes}
        addresses = {f"{hosts[n]}:12048": f"127.0.0.1:{port}" for n, port in ports.items()}
        sim_map = {"nodes": {n: {"host": "127.0.0.1", "port": port} for n, port in ports.items()}}
        (self.folder / "addresses.json").write_text(json.dumps(addresses))
        (self.folder / "map.json").write_text(json.dumps(sim_map))
        self.write_nodes(list(self.nodes))
        self.write_vars(depth=4, coeff=1.0)
        for group in {name.partition("/")[0] for name in self.nodes}:
            (self.configs / group).mkdir(exist_ok=True)
            (self.configs / group / "base.j2").write_text(self._template)
        settings = {
            "broker": {"port": self.mosquitto.port, "secrets": "mosquitto/secrets"},
            "kotekan": {"addresses": "addresses.json"},
            "renderer": {"configs": "configs", "run_dir": "run"},
            "sync": {"run_dir": "run"},
            "journal": {"database": "journal.db"},
            "eop": {"state_file": "eop.json"},
        }
        for section, values in self._settings.items():
            settings.setdefault(section, {}).update(values)
        (self.folder / "conche.yaml").write_text(yaml.dump(settings))
        (self.folder / "run").mkdir(exist_ok=True)

    def write_nodes(self, names: list[str], **more: dict[str, Any]) -> None:
        groups: dict[str, dict[str, Any]] = {}
        for name in names:
            group, _, node = name.partition("/")
            entry = {"host": f"{node}.example.org", "config": f"{group}/base.j2", **more.get(node, {})}
            groups.setdefault(group, {})[node] = entry
        replace(self.configs / "nodes.yaml", yaml.dump({"groups": groups}))

    def revision(self, **values: Any) -> str:
        """The revision of a node with these variables, worked out apart from the renderer."""
        return revision_of(yaml.safe_load(Template(self._template).render(**values)))

    def write_vars(self, **values: Any) -> None:
        replace(self.configs / "vars.yaml", yaml.dump(values))

    def pids(self) -> list[int]:
        """Broker and services."""
        found = [self.mosquitto.process.pid] if self.mosquitto.process else []
        return found + [process.pid for process in self.processes.values()]

    # --- what is going on

    async def statuses(self) -> dict[str, NodeStatus]:
        """Read what stands on the broker; nothing while it is away."""
        try:
            async with self.connect() as client:
                found = await client.read(contract.NODE_STATUS)
        except BusUnavailable:
            return {}
        return {f"{p['group']}/{p['node']}": s for p, s in found}

    def connect(self) -> Client:
        return Client(self.mosquitto.settings, account="operator")

    async def until(
        self, condition: Callable[[dict[str, NodeStatus]], bool], timeout: float = 20
    ) -> dict[str, NodeStatus]:
        statuses: dict[str, NodeStatus] = {}
        try:
            async with asyncio.timeout(timeout):
                while True:
                    statuses = await self.statuses()
                    if set(statuses) >= set(self.nodes) and condition(statuses):
                        return statuses
                    await asyncio.sleep(0.1)
        except TimeoutError:
            shown = {name: (s.state, s.error, s.maintenance.on, s.started) for name, s in statuses.items()}
            raise AssertionError(f"not within {timeout} s: {shown}") from None

    async def until_all_run(self, **values: Any) -> None:
        """Wait until every node runs the config with these variables, and has proven it."""
        wanted = self.revision(**values)
        await self.until(lambda found: all(converged(s) and s.live == wanted for s in found.values()), 40)

    async def books(
        self, node: str | None = None, *, since: int = 0, what: str | None = None
    ) -> list[SimEntry]:
        books = await self.sim.books(since=since, node=node)
        return [entry for entry in books.entries if what is None or entry.what == what]

    async def command(self, action: str, arguments: Arguments, target: str = "all/all") -> dict[str, Reply]:
        """Send a command and return the reply of each group."""
        group, _, node = target.partition("/")
        self._ids += 1
        arguments = structs.replace(arguments, id=arguments.id or f"test-{self._ids}")
        groups = {n.partition("/")[0] for n in self.nodes} if group == "all" else {group}
        replies: dict[str, Reply] = {}
        async with self.connect() as client:
            async for reply in client.command(action, arguments, group=group, node=node, timeout=70):
                if reply.group != "all":
                    replies[reply.group] = reply
                if replies.keys() >= groups:
                    break
        return replies

    async def last_entry(self) -> int:
        """The newest entry of the simulator's books."""
        return (await self.sim.books(limit=1)).last

    async def writes(self, node: str | None = None, *, since: int) -> list[str]:
        """What was written to a node, or to any, in its order."""
        return [entry.what for entry in await self.books(node, since=since) if entry.what in WRITES]

    async def arrived(self, node: str, what: str, *, since: int, count: int = 1) -> None:
        """Wait until something has happened at a node so often, by the simulator's books."""
        async with asyncio.timeout(20):
            while len(await self.books(node, since=since, what=what)) < count:
                await asyncio.sleep(0.02)

    async def until_online(self, *services: str) -> None:
        """Wait until services have said that they are there."""
        async with asyncio.timeout(20), self.connect() as client:
            while not set(services) <= {
                params["service"]
                for params, birth in await client.read(*contract.BIRTHS)
                if birth.state is contract.ServiceState.ONLINE
            }:
                await asyncio.sleep(0.1)

    async def start_all(self) -> None:
        """Have every node run what is desired, out of maintenance."""
        await self.command("set_started", contract.SetStarted(started=True))
        await self.command("set_maintenance", contract.SetMaintenance(maintenance=False))
        await self.until(lambda found: all(converged(s) for s in found.values()))


def converged(status: NodeStatus) -> bool:
    """Whether a node runs what is desired, and has proven it."""
    return (
        status.state == "started"
        and status.live == status.desired == status.proven
        and status.live is not None
    )


def replace(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.rename(path)


@asynccontextmanager
async def running_data_plane(
    folder: Path,
    sizes: dict[str, int] | None = None,
    *,
    speed: float = 1.0,
    padding: str = "",
    services: Sequence[str] = SERVICES,
    **settings: dict[str, Any],
) -> AsyncIterator[DataPlane]:
    """Run everything; the nodes are idle, in maintenance, and observed when this is entered."""
    async with starting_data_plane(
        folder, sizes, speed=speed, padding=padding, services=services, **settings
    ) as stack:
        await stack.until(lambda found: all(s.state == "stopped" for s in found.values()))
        yield stack


@asynccontextmanager
async def starting_data_plane(
    folder: Path,
    sizes: dict[str, int] | None = None,
    *,
    speed: float = 1.0,
    padding: str = "",
    services: Sequence[str] = SERVICES,
    **settings: dict[str, Any],
) -> AsyncIterator[DataPlane]:
    """Start everything, and don't wait for it."""
    stack = DataPlane(folder, sizes or {"cx": 2}, settings, padding, services)
    stack.write()
    began = time.monotonic()
    async with AsyncExitStack() as ending:
        await stack.mosquitto.start()
        ending.callback(stack.mosquitto.stop)
        arguments = ("--map", str(folder / "map.json"), "--speed", str(speed), "--seed", "1")
        stack.sim = await ending.enter_async_context(simulated_cluster(*arguments))
        tasks = [asyncio.create_task(process.supervise()) for process in stack.processes.values()]
        ending.push_async_callback(_cancel, tasks)
        stack.before_services_s = time.monotonic() - began
        for process in stack.processes.values():
            process.start()
        yield stack


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task
