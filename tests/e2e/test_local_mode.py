"""The local mode as an operator has it: real processes, a real broker, the shipped files."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conche.bus.client import BusUnavailable, Client
from conche.contract import BIRTHS, ServiceBirth, ServiceState
from conche.local import supervisor
from conche.local.home import Home
from conche.local.ports import is_free
from conche.local.processes import Process, members
from conche.local.supervisor import PROGRAMS, Program
from conche.settings import load

PROJECT = Path(__file__).parents[2]
CONCHE = Path(sysconfig.get_path("scripts")) / "conche"
OBSERVATORY = PROJECT.parent / "shared" / "chord-configs"
PORTS_EACH = 30
ONLINE = {
    *("renderer", "poller/main", "sync/cx", "sync/recv", "sync/beam"),
    *("journal", "fpga", "eop", "metrics", "notifier", "gateway"),
}
SERVICES = [program.name for program in PROGRAMS if program.births]

_taken = 0


def ports() -> int:
    """First of many free ports that no other test has; processes of pytest-xdist each have a thousand."""
    global _taken
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    begin = 24000 + worker % 8 * 1000
    for first in range(begin + os.getpid() % 10 * PORTS_EACH, begin + 1000, PORTS_EACH):
        if first > _taken and all(map(is_free, range(first, first + PORTS_EACH))):
            _taken = first
            return first
    raise RuntimeError("no free ports")


class Stack:
    """A home with ports of its own, and the command line in it."""

    def __init__(self, folder: Path, *, first_port: int | None = None) -> None:
        self.home = Home(folder / "home")
        first = first_port or ports()
        self.ports = range(first, first + PORTS_EACH)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CONCHE_")},
            "CONCHE_HOME": str(self.home.path),
            "CONCHE_PROJECT": str(PROJECT),
            "CONCHE_PORT": str(first),
            "CONCHE_SIM_CONTROL_PORT": str(first + 1),
            "CONCHE_SIM_PORT": str(first + 2),
            "CONCHE_INFLUX_PORT": str(first + 25),
            "CONCHE_METRICS_PORT": str(first + 27),
            "CONCHE_HTTPS_PORT": str(first + 28),
            "CONCHE_POLLER__PERIOD_S": "0.5",
        }

    def conche(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CONCHE, *arguments],
            env=self.environment,
            cwd=self.home.path.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )

    def up(self, *arguments: str | Path) -> str:
        done = self.conche("up", "--detach", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        return json.loads(self.conche("status", "--json").stdout)

    def supervisor(self) -> Process:
        stack = self.home.running_stack()
        assert stack is not None
        return stack.supervisor

    def process(self, program: str) -> Process | None:
        """The process that the supervisor has started for a program."""
        words = next(p.command for p in PROGRAMS if p.name == program).split("{")[0].split()
        for process in members(self.home.path):
            parent = _proc(process, "stat").rpartition(")")[2].split()[1:2]
            command = _proc(process, "cmdline").replace("\0", " ")
            if parent == [str(self.supervisor().pid)] and " ".join(words) in command:
                return process
        return None

    def births(self) -> dict[str, ServiceBirth]:
        """Who is online, by name."""
        return asyncio.run(self._births())

    def are_new(self, earlier: dict[str, ServiceBirth]) -> bool:
        """Whether all that were online are again, as other processes."""
        with contextlib.suppress(BusUnavailable):
            births = self.births()
            return all(name in births and births[name].boot != was.boot for name, was in earlier.items())
        return False

    async def _births(self) -> dict[str, ServiceBirth]:
        broker = load(self.home.settings, environment={}).broker
        async with Client(broker, account="operator") as client:
            found = await client.read(*BIRTHS)
        return {"/".join(p.values()): birth for p, birth in found if birth.state is ServiceState.ONLINE}


def _proc(process: Process, name: str) -> str:
    """A file of /proc; empty when the process has gone meanwhile."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return (Path("/proc") / str(process.pid) / name).read_text()
    return ""


def until(condition: Callable[[], Any], *, timeout: float = 20) -> Any:
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Makes stacks, which are stopped in the end."""
    made: list[Stack] = []

    def make(name: str = "a", **settings: Any) -> Stack:
        folder = tmp_path / name
        folder.mkdir()
        made.append(Stack(folder, **settings))
        return made[-1]

    yield make
    for stack in made:
        stack.conche("down")
        assert members(stack.home.path) == []


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The shipped example, running."""
    stack = Stack(tmp_path_factory.mktemp("example"))
    stack.up()
    yield stack
    assert stack.conche("down").stdout == "stopped\n"
    assert members(stack.home.path) == []


# --- the shipped example runs


def test_every_service_is_online_when_up_returns(example: Stack):
    assert set(example.births()) >= ONLINE


def test_the_command_line_finds_the_running_stack_by_itself(example: Stack):
    done = example.conche("status")
    assert done.returncode == 0, done.stderr
    assert "cx6" in done.stdout


def test_without_a_terminal_there_is_no_colour(example: Stack):
    assert "\x1b" not in example.conche("status").stdout


def test_the_simulators_commands_find_the_running_simulator(example: Stack):
    listed = example.conche("sim", "nodes").stdout
    assert len([line for line in listed.splitlines() if line.startswith(("cx/", "recv/", "beam/"))]) == 12


def test_a_second_stack_in_the_same_home_is_refused(example: Stack):
    done = example.conche("up")
    assert done.returncode == 1
    assert f"a stack runs in {example.home.path} already" in done.stderr


def test_a_taken_port_is_named_before_anything_is_started(example: Stack, new: Callable[..., Stack]):
    other = new(first_port=example.ports.start)
    done = other.conche("up", "--detach")
    assert done.returncode == 1
    assert f"port {example.ports.start} is taken" in done.stderr
    assert "--port N" in done.stderr
    assert members(other.home.path) == []


@pytest.mark.parametrize("program", [program.name for program in PROGRAMS])
def test_a_program_that_is_killed_comes_back(example: Stack, program: str):
    before = until(lambda: example.process(program))
    before.send(signal.SIGKILL)
    until(lambda: (after := example.process(program)) and after != before)


def test_services_that_are_killed_are_online_again_as_new_processes(example: Stack):
    until(lambda: set(example.births()) >= ONLINE)
    before = example.births()
    for service in SERVICES:
        process = until(lambda service=service: example.process(service))
        process.send(signal.SIGKILL)

    def all_new() -> bool:
        births = example.births()
        return set(births) >= ONLINE and all(births[name].boot != before[name].boot for name in ONLINE)

    until(all_new)


def test_two_stacks_run_side_by_side(example: Stack, new: Callable[..., Stack]):
    other = new()
    other.up()
    assert set(other.births()) >= ONLINE
    assert other.conche("down").stdout == "stopped\n"
    assert members(other.home.path) == []
    assert set(example.births()) >= ONLINE


def test_a_node_that_is_added_to_the_rehearsed_registry_is_simulated(example: Stack):
    nodes = example.home.configs / "nodes.yaml"
    entry = "    beam9: {host: beam9.site.example, config: beam/tracking.j2, vars: {first_beam: 32}}\n"
    nodes.write_text(nodes.read_text() + entry)
    until(lambda: "beam/beam9" in example.conche("sim", "nodes").stdout)


# --- it ends as it should


def test_down_leaves_nothing_behind_and_may_be_said_twice(new: Callable[..., Stack]):
    stack = new()
    stack.up()
    assert stack.conche("down").stdout == "stopped\n"
    assert members(stack.home.path) == []
    assert all(map(is_free, stack.ports))
    again = stack.conche("down")
    assert again.returncode == 0
    assert again.stdout == f"nothing runs in {stack.home.path}\n"
    assert "no stack runs here: ./conche.sh up" in stack.conche("status").stderr


@pytest.fixture
def foreground(new: Callable[..., Stack]) -> Iterator[tuple[Stack, "subprocess.Popen[str]"]]:
    """A stack whose `up` stays, as on a terminal of its own, with all online."""
    stack = new()
    with subprocess.Popen(
        [CONCHE, "up"],
        env=stack.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        yield stack, process
        process.kill()


def test_ctrl_c_stops_everything(foreground):
    stack, process = foreground
    os.killpg(process.pid, signal.SIGINT)  # as the terminal sends it
    assert process.wait(20) == 0
    assert members(stack.home.path) == []


def test_down_ends_an_up_that_stays(foreground):
    stack, process = foreground
    assert stack.conche("down").stdout == "stopped\n"
    assert process.wait(20) == 0


def test_everything_ends_when_up_is_killed(foreground):
    stack, process = foreground
    process.kill()
    until(lambda: members(stack.home.path) == [])
    assert stack.conche("down").returncode == 0


def test_everything_ends_when_the_supervisor_is_killed(foreground):
    stack, process = foreground
    stack.supervisor().send(signal.SIGKILL)
    assert process.wait(20) == 1
    assert "the supervisor was killed (signal 9)" in process.stdout.read()
    assert members(stack.home.path) == []


def test_down_ends_what_does_not_listen(new: Callable[..., Stack]):
    stack = new()
    stack.up()
    process = stack.process("keeper")
    assert process is not None
    process.send(signal.SIGSTOP)
    assert stack.conche("down").stdout == "stopped\n"
    assert members(stack.home.path) == []


# --- it does not give up, and says what is missing


def test_a_program_that_dies_twenty_times_is_started_again(monkeypatch, tmp_path):
    dying = Program("dying", "sh -c 'echo died; exit 1'")
    monkeypatch.setattr(supervisor, "PROGRAMS", (dying,))
    home = Home(tmp_path / "home")
    home.make()
    with supervisor.start(home, sim_control_port=None, database=False, detach=False) as process:
        log = home.log / "dying.log"
        until(lambda: log.exists() and log.read_text().count("died") > 20, timeout=60)
        process.terminate()
        assert process.wait(20) == 0


WITH_A_GHOST = """
from conche.cli.main import main
from conche.local import commands, supervisor

ghost = supervisor.Program("ghost", "sh -c 'echo nobody here; exit 1'", births=("ghost",))
supervisor.PROGRAMS = (*supervisor.PROGRAMS, ghost)
commands.READY_PATIENCE_S = 15.0
main(["up", "--detach"])
"""


def test_what_is_missing_after_a_while_is_told_with_the_last_word_of_its_log(new: Callable[..., Stack]):
    stack = new()
    done = subprocess.run(
        [sys.executable, "-c", WITH_A_GHOST], env=stack.environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "  ghost is not online (" in done.stdout
    assert "ghost.log: nobody here)" in done.stdout
    assert "renderer is not online" not in done.stdout
