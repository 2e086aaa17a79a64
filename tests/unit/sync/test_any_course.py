"""Whatever happens to a group, in whatever order: the rules of the design hold, and in the end all is well.

The real worker in a telescope in memory (`world`). ``CONCHE_WALKS`` sets how many walks are tried, at random,
instead of the few, always the same, that a test run has time for.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from conche.settings import GroupPolicy
from conche.sim.faults import Hang, RejectStart, SlowStart, SlowStop

from .world import World
from .world.configs import REFUSED_COEFF, Config, Fate
from .world.operators import Sent
from .world.rules import Rules
from .world.words import Words
from .world.world import NAMES, SPARES

WALKS = int(os.environ.get("CONCHE_WALKS", "0"))
CI_WALKS = 150
STEPS = 40

NODES = st.sampled_from(NAMES)
SOME = st.sampled_from([NAMES, NAMES, NAMES, ("cx1",), ("cx2",), ("cx1", "cx2")])
WHOM = st.sampled_from(["all", *NAMES])
CONFIGS = st.builds(
    Config,
    depth=st.sampled_from([4, 5, 6]),
    coeff=st.sampled_from([1.0, 1.0, 1.0, 2.0, REFUSED_COEFF]),
    phase=st.sampled_from([0.0, 0.0, 1.0]),
    fate=st.sampled_from([*[Fate.GOOD] * 6, *Fate]),
)
PAUSES = st.sampled_from([0.0, 0.003, 0.05, 0.5, 2.0, 4.0, 8.0, 8.0, 20.0])
"""How long it is after an event until the next [s]."""

SPELLS = st.sampled_from([0.2, 1.0, 4.0, 4.0, 15.0, 60.0])
"""How long a trouble lasts [s]."""


def happens(**arguments: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """Make an event of the walk of a method: it happens, and then some time passes."""

    def make(event: Callable[..., None]) -> Any:
        @rule(then=PAUSES, **arguments)
        @wraps(event)
        def happen(self: "Course", then: float, **given: Any) -> None:
            self.remember_broker()
            event(self, **given)
            self.world.run(then)

        return happen

    return make


class Course(RuleBasedStateMachine):
    """A group of three nodes, and all that can befall it."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World

    @initialize(
        parallel=st.sampled_from([None, None, 1]),
        ignore=st.sampled_from([[], [], ["depth"]]),
        per_node=st.sampled_from([False, False, True]),
        begun=st.sampled_from([True, True, True, False]),
    )
    def begin(self, parallel: int | None, ignore: list[str], per_node: bool, begun: bool) -> None:
        policy = GroupPolicy(max_parallel=parallel, ignore=ignore)
        self.world = world = World(policy=policy, per_node=per_node).__enter__()
        self.rules, self.words = Rules(world), Words(world)
        self.epochs = 1
        self.saved: list[dict[str, bytes]] = []
        self.want(Config(), NAMES)
        if begun:
            world.begin()
        else:
            for start in (world.renderer.start, world.poller.start):
                world.do(start)
            world.start_worker()

    # --- time

    @rule(seconds=st.sampled_from([0.002, 0.01, 0.1, 1.0, 3.0, 8.0]))
    def seconds_pass(self, seconds: float) -> None:
        self.world.run(seconds)

    @rule(seconds=st.sampled_from([30.0, 90.0, 300.0, 1200.0]))
    def minutes_pass(self, seconds: float) -> None:
        self.world.run(seconds)

    @happens(seconds=st.sampled_from([-7200.0, -5.0, 5.0, 7200.0]))
    def wall_clock_steps(self, seconds: float) -> None:
        self.world.step_clock(seconds)

    # --- the renderer and its directory

    @happens(config=CONFIGS, names=SOME)
    def config_changes(self, config: Config, names: tuple[str, ...]) -> None:
        self.want(config, names)

    @happens(depth=st.sampled_from([4, 5, 6]))
    def config_of_all_changes(self, depth: int) -> None:
        self.want(Config(depth=depth), NAMES)

    @happens(names=SOME)
    def config_breaks(self, names: tuple[str, ...]) -> None:
        present = [name for name in names if name in self.world.renderer.nodes]
        if present:
            self.world.do(self.world.want, None, *present)

    def want(self, config: Config, names: tuple[str, ...]) -> None:
        world = self.world
        present = [name for name in names if name in world.renderer.nodes]
        if present:
            world.do(world.want, config, *present)
        for name in present:
            found = world.renderer.wanted[name]
            assert found is not None
            self.rules.configs[found.revision] = found

    @precondition(lambda self: self.world.renderer.alive)
    @happens(spell=SPELLS)
    def renderer_dies_and_comes_back(self, spell: float) -> None:
        self.world.do(self.world.renderer.die)
        self.world.later(spell, self.world.renderer.start)

    @happens(everybody=st.booleans())
    def new_epoch_begins(self, everybody: bool) -> None:
        self.change_nodes(self.world.renderer.nodes, fresh=set(NAMES) if everybody else {"cx1"})

    def change_nodes(self, nodes: dict[str, Any], *, fresh: set[str]) -> None:
        self.epochs += 1
        entries = {n: replace(e, epoch=f"e{self.epochs}") if n in fresh else e for n, e in nodes.items()}
        self.world.do(self.world.renderer.set_nodes, entries)

    @precondition(lambda self: len(self.world.renderer.nodes) > 1)
    @happens(name=NODES, everybody=st.booleans())
    def node_leaves(self, name: str, everybody: bool) -> None:
        nodes = {n: e for n, e in self.world.renderer.nodes.items() if n != name}
        self.rules.on_node_gone(name)
        self.change_nodes(nodes, fresh=set(NAMES) if everybody else set())

    @happens(
        name=NODES, host=st.sampled_from([None, *SPARES]), started=st.booleans(), everybody=st.booleans()
    )
    def node_joins_or_moves(self, name: str, host: str | None, started: bool, everybody: bool) -> None:
        entry = self.world.entry(host or name, "", started=started)
        taken = {e.host for n, e in self.world.renderer.nodes.items() if n != name}
        if entry.host not in taken:
            nodes = {**self.world.renderer.nodes, name: entry}
            self.change_nodes(nodes, fresh=set(NAMES) if everybody else {name})

    @happens(spell=SPELLS)
    def registry_breaks_and_is_mended(self, spell: float) -> None:
        renderer = self.world.renderer
        self.world.do(renderer.break_registry, "nodes.yaml: line 2: not YAML")
        self.world.later(spell, lambda: renderer.break_registry(None))

    # --- the poller

    @precondition(lambda self: self.world.poller.alive)
    @happens(spell=SPELLS)
    def poller_dies_and_comes_back(self, spell: float) -> None:
        self.world.do(self.world.poller.die)
        self.world.later(spell, self.world.poller.start)

    @precondition(lambda self: self.world.poller.speaks)
    @happens()
    def poller_observes(self) -> None:
        self.world.do(self.world.poller.observe)

    # --- the broker

    def remember_broker(self) -> None:
        """Keep what the broker may have saved before it came to an end."""
        self.saved = [*self.saved[-5:], dict(self.world.broker.retained)]

    @precondition(lambda self: self.world.broker.up)
    @happens(spell=SPELLS, with_what=st.sampled_from(["all", "nothing", 1, 3, 6]))
    def broker_dies_and_comes_back(self, spell: float, with_what: str | int) -> None:
        broker = self.world.broker
        kept = {"all": broker.retained, "nothing": {}}.get(str(with_what))
        if kept is None:
            kept = self.saved[-min(int(with_what), len(self.saved))]
        self.world.do(broker.crash)
        self.world.later(spell, lambda: broker.come_back(kept))

    # --- the operator

    @happens(whom=WHOM, started=st.sampled_from([True, True, False]))
    def set_started(self, whom: str, started: bool) -> None:
        self.send("set_started", whom, started=started)

    @happens(whom=WHOM, on=st.booleans(), minutes=st.sampled_from([None, None, 1, 60]))
    def set_maintenance(self, whom: str, on: bool, minutes: int | None) -> None:
        until = {"until": self.world.wall() + timedelta(minutes=minutes)} if minutes else {}
        self.send("set_maintenance", whom, maintenance=on, **until)

    @happens()
    def all_are_put_to_work(self) -> None:
        self.send("set_started", "all", started=True)
        self.send("set_maintenance", "all", maintenance=False)

    @happens(whom=WHOM)
    def resync(self, whom: str) -> None:
        self.rules.on_resync(self.send("resync", whom))

    @happens(whom=NODES, config=CONFIGS, pause=st.sampled_from([0.005, 0.35, 0.6, 1.5]))
    def config_changes_resync_and_back(self, whom: str, config: Config, pause: float) -> None:
        before = self.world.renderer.wanted.get(whom)
        self.world.disk.lag_s = 0.3
        self.world.later(3.0, self.world.disk.hurry)
        self.want(config, (whom,))
        self.world.run(pause)
        self.rules.on_resync(self.send("resync", whom))
        if before is not None:
            self.want(before, (whom,))

    @happens(whom=WHOM)
    def inspect(self, whom: str) -> None:
        self.send("inspect", whom)

    @precondition(lambda self: self.world.operator.sent)
    @happens(back=st.integers(1, 4))
    def command_is_repeated(self, back: int) -> None:
        sent = self.world.operator.sent[-min(back, len(self.world.operator.sent))]
        if sent.action == "resync":
            self.rules.on_resync(sent)
        self.world.do(self.world.operator.repeat, sent)

    def send(self, action: str, whom: str, **arguments: Any) -> Sent:
        sent: Sent = self.world.do(self.world.operator.send, action, whom, **arguments)
        return sent

    # --- the machines

    @happens(name=NODES)
    def kotekan_dies(self, name: str) -> None:
        self.world.do(self.world.machines[f"{name}:12048"].crash)

    @happens(
        name=NODES, change=st.sampled_from([("depth", 77), ("gains/coeff", 7.0), ("log_level", "debug")])
    )
    def config_drifts(self, name: str, change: tuple[str, object]) -> None:
        self.world.do(self.world.machines[f"{name}:12048"].drift, *change)

    @happens(
        name=NODES,
        trouble=st.sampled_from(
            [
                Hang(),
                SlowStart(seconds=8.0),
                SlowStart(seconds=70.0),
                SlowStop(seconds=6.0),
                SlowStop(seconds=70.0),
                RejectStart(words="no GPU"),
                None,
            ]
        ),
        spell=SPELLS,
    )
    def machine_has_trouble(self, name: str, trouble: Any, spell: float) -> None:
        machine = self.world.machines[f"{name}:12048"]
        if trouble is None:
            self.world.network.silent.add(machine.address)
        else:
            self.world.do(machine.fault, trouble)
        self.world.later(spell, machine.mend)

    @happens(name=NODES, depth=st.sampled_from([4, 5, 88]))
    def stranger_starts_it(self, name: str, depth: int) -> None:
        self.world.do(self.world.machines[f"{name}:12048"].start_by_hand, Config(depth=depth).text)

    # --- the worker's process, its disk

    @happens(back_in=st.sampled_from([0.0, 0.3, 2.0, 20.0]))
    def worker_is_killed(self, back_in: float) -> None:
        self.world.kill_worker(back_in=back_in)

    @happens(
        point=st.sampled_from(["request", "answer", "before write", "after write"]),
        skip=st.integers(0, 6),
        back_in=st.sampled_from([0.0, 0.3, 2.0]),
    )
    def worker_will_be_killed(self, point: str, skip: int, back_in: float) -> None:
        self.world.set_trap(point, skip, back_in=back_in)

    @happens(back_in=st.sampled_from([0.0, 2.0]))
    def worker_is_killed_and_its_file_is_lost(self, back_in: float) -> None:
        self.world.kill_worker(back_in=back_in)
        self.world.file.unlink(missing_ok=True)
        self.rules.on_file_lost()

    @happens(spell=SPELLS)
    def disk_is_full(self, spell: float) -> None:
        self.world.disk.full = True
        self.world.later(spell, self.world.disk.clear)

    @happens(lag=st.sampled_from([0.05, 0.5]), spell=SPELLS)
    def disk_is_slow(self, lag: float, spell: float) -> None:
        self.world.disk.lag_s = lag
        self.world.later(spell, self.world.disk.hurry)

    # --- what must hold

    @invariant()
    def no_rule_is_broken(self) -> None:
        self.world.do(self.rules.look)
        self.world.do(self.words.look)
        assert not self.world.breaches, "\n".join([*self.world.breaches, self.world.describe()])

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            if not self.world.breaches:
                self.all_is_well_in_the_end()
        finally:
            self.world.__exit__(None, None, None)

    def all_is_well_in_the_end(self) -> None:
        """Lift every trouble, and let the minutes pass that back-off may take."""
        world = self.world
        world.lift_all()
        for _ in range(2):
            for _ in range(90):
                world.run(5.0)
                self.no_rule_is_broken()
                if not self.left():
                    return
            for name in self.left():
                self.rules.on_resync(self.send("resync", name))
        raise AssertionError(f"{self.left()} are not as they should be\n{world.describe()}")

    def left(self) -> list[str]:
        """Return the nodes that are not as they should be, though they could."""
        return [name for name in self.world.renderer.nodes if not self.is_well(name)]

    def is_well(self, name: str) -> bool:
        world = self.world
        status, machine, config = world.status(name), world.machine(name), world.renderer.wanted[name]
        if status is None or status.state in ("unknown", "syncing") or status.started is None:
            return False
        if status.maintenance.on:
            return True
        if not status.started:
            return machine.running is None and machine.up
        if config is None or config.bad:
            return status.error is not None
        if config.fate in (Fate.DIES_LATER, Fate.REWRITTEN) or (world.ignores and status.drift.base):
            return True
        return machine.running == config.revision == status.live


@contextmanager
def silence() -> Iterator[None]:
    """Keep the logs of thousands of minutes to themselves."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def test_whatever_happens_the_rules_hold_and_all_is_well_in_the_end() -> None:
    with silence():
        run_state_machine_as_test(
            Course,
            settings=settings(
                max_examples=WALKS or CI_WALKS,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=not WALKS,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate] if os.environ.get("NOSHRINK") else list(Phase),
            ),
        )
