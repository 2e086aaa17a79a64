"""Whatever is ordered of the config directory, in whatever order, repeated, and with the process killed in the middle:
each wish has one effect and one answer, and nothing is left half done.

The real orders, editor and history on real files; what the workers would say is said here.
"""

import asyncio
import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.json import encode

from conche.bus import Incoming
from conche.contract import (
    Arguments,
    BaseConfig,
    Event,
    EventKind,
    Maintenance,
    NodeState,
    NodeStatus,
    RegisteredNode,
    Reply,
    UpdatableConfig,
)
from conche.renderer import changeset
from conche.renderer.carrying import Carrying
from conche.renderer.changeset import ChangeSet
from conche.renderer.chronicle import Chronicle
from conche.renderer.editor import Editor
from conche.renderer.forcing import Forced
from conche.renderer.history import History
from conche.renderer.nodes import read_nodes
from conche.renderer.orders import Orders
from conche.renderer.outcomes import Sightings
from conche.renderer.render import Rendering
from conche.renderer.trial import Trial
from conche.renderer.worklist import Worklist
from conche.settings import RegistryChange

NAMES = ("cx1", "cx2", "cx3")
BASE = "depth: {depth}\ngains: {{kotekan_update_endpoint: json, coeff: 1.0}}\n"
WHOM = st.sampled_from([*NAMES, "all"])
POINTS = ("_write_new", "write_atomic", "_rename", "after rename", "after commit")


class Killed(BaseException):
    """Stands for the end of the process."""


class Plane:
    """The renderer's command plane, in one process after another."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "configs"
        self.run_dir = folder / "run"
        self.loop = asyncio.new_event_loop()
        self.replies: list[Reply] = []
        self.events: list[Event] = []
        self.waiting: asyncio.Task[None] | None = None
        for name in NAMES:
            self.write(f"cx/{name}.yaml", BASE.format(depth=1))
        self.write("nodes.yaml", json.dumps({"groups": {"cx": {name: {} for name in NAMES}}}))

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def text(self, name: str) -> str | None:
        path = self.root / name
        return path.read_text() if path.exists() else None

    # --- what the command plane asks of the bus

    def send(self, topic: str, payload: Any, *, correlation: bytes | None = None) -> None:
        self.replies.append(payload)

    def tell(self, message: Any, payload: Any, **params: str) -> bool:
        self.events.append(payload)
        return True

    # --- processes

    def start(self) -> None:
        self.history = History(self.root)
        rendering, self.work = Rendering(self.root), Worklist()
        self.work.set_nodes(read_nodes(rendering.files))
        self.rendering = rendering
        self.sightings = Sightings()
        groups = {"cx": {name: RegisteredNode(host=name, port=1, epoch="e") for name in NAMES}}
        self.orders = Orders(
            self,
            root="conche",
            groups=lambda: groups,
            nodes=self.work.nodes,
            wake=lambda: None,
            absence=lambda _: None,
            chronicle=Chronicle(self),
        )
        self.editor = Editor(
            rendering=rendering,
            work=self.work,
            changes=ChangeSet(self.root, self.run_dir),
            history=self.history,
        )
        self.carrying = Carrying(
            self.editor,
            work=self.work,
            sightings=self.sightings,
            forced=Forced(),
            on_registry_change=RegistryChange.ALL,
            publish=self.publish,
            answer=self.orders.answer,
            tell=Chronicle(self).changed,
        )
        self.waiting = self.loop.create_task(self.carrying.run())
        self.loop.run_until_complete(self.carrying.begin())
        self.look()

    def look(self) -> None:
        changes = self.rendering.files.refresh()
        self.work.files_changed(changes.names)
        for node in self.work.stale():
            self.work.finish(self.rendering.render(node))
        self.history.take_edits()
        for node in self.work.nodes():
            done = self.work.done(node.key)
            assert done is not None
            status = NodeStatus(
                state=NodeState.STARTED,
                started=True,
                maintenance=Maintenance(on=False),
                epoch="e",
                desired=done.revision,
                live=done.revision,
            )
            self.sightings.on_status({"group": "cx", "node": node.name}, status)

    async def publish(self, trial: Trial) -> None:
        self.look()

    def kill(self) -> None:
        assert self.waiting is not None
        self.waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            self.loop.run_until_complete(self.waiting)

    def order(self, message: Incoming) -> None:
        """Have a command carried out, and wait for its answer."""
        self.orders.on_command(message)
        while self.orders:
            self.loop.run_until_complete(self.orders.carry_out_next(self.carrying, before=self.before))
        self.loop.run_until_complete(asyncio.sleep(0.005))

    async def before(self) -> None:
        self.history.take_edits()


class AnyCommand(RuleBasedStateMachine):
    """Two people, a renderer, and what can befall them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="conche-orders-"))
        self.plane = Plane(self.folder)
        self.sent: list[tuple[str, str, Arguments]] = []
        self.effects: dict[str, dict[str, str]] = {}
        self.files: dict[str, str | None] = {}

    @initialize()
    def begin(self) -> None:
        self.plane.start()
        self.files = {name: self.plane.text(name) for name in self.names()}

    @staticmethod
    def names() -> list[str]:
        return [f"cx/{name}.yaml" for name in NAMES] + [f".updatable/cx/{name}.json" for name in NAMES]

    # --- wishes

    @rule(whom=WHOM, coeff=st.integers(1, 4), crash=st.sampled_from([None, None, None, *POINTS]))
    def values_are_set(self, whom: str, coeff: int, crash: str | None) -> None:
        wish = UpdatableConfig(id=self.new_id(), endpoint="gains", values={"coeff": coeff})
        text = json.dumps({"gains": {"coeff": float(coeff)}}, indent=2) + "\n"
        files = {f".updatable/cx/{name}.json": text for name in self.chosen(whom)}
        self.order("updatable_config", whom, wish, files, crash)

    @rule(whom=WHOM, depth=st.integers(1, 4), crash=st.sampled_from([None, None, None, *POINTS]))
    def base_is_set(self, whom: str, depth: int, crash: str | None) -> None:
        text = BASE.format(depth=depth)
        wish = BaseConfig(id=self.new_id(), config_content=text)
        self.order("base_config", whom, wish, {f"cx/{name}.yaml": text for name in self.chosen(whom)}, crash)

    @rule(whom=WHOM)
    def nonsense_is_sent(self, whom: str) -> None:
        wish = BaseConfig(id=self.new_id(), config_content="a: [")
        self.order("base_config", whom, wish, {}, None)
        assert not self.plane.replies[-1].ok

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(1, 5))
    def one_is_repeated(self, back: int) -> None:
        action, whom, wish = self.sent[-min(back, len(self.sent))]
        known = str(wish.id) in self.effects
        before = dict(self.files)
        if not known:
            return
        self.plane.replies.clear()
        self.plane.order(self.message(action, whom, wish))
        assert [reply.id for reply in self.plane.replies] == [wish.id]
        assert self.files == before

    def order(
        self, action: str, whom: str, wish: Arguments, files: dict[str, str], crash: str | None
    ) -> None:
        plane = self.plane
        plane.replies.clear()
        changes = {name: text for name, text in files.items() if self.files[name] != text}
        self.sent.append((action, whom, wish))
        if crash is not None and changes:
            self.crash_in(crash, action, whom, wish)
        else:
            plane.order(self.message(action, whom, wish))
            assert [reply.id for reply in plane.replies] == [wish.id]
        done = all(plane.text(name) == text for name, text in changes.items())
        if crash is not None and changes:
            undone = all(plane.text(name) == self.files[name] for name in changes)
            assert done or undone
        else:
            assert done
        if done and changes:
            self.files |= changes
            self.effects[str(wish.id)] = changes

    def crash_in(self, point: str, action: str, whom: str, wish: Arguments) -> None:
        """Kill the process at a point of a change, start the next one, and have the sender repeat itself."""
        with dying_at(point), contextlib.suppress(Killed):
            self.plane.order(self.message(action, whom, wish))
        assert not self.plane.replies
        self.plane.kill()
        self.plane.start()
        self.plane.order(self.message(action, whom, wish))
        assert [reply.id for reply in self.plane.replies] == [wish.id]
        assert self.plane.replies[0].ok

    # --- what else happens

    @rule(name=st.sampled_from(NAMES), depth=st.integers(5, 9))
    def somebody_edits_by_hand(self, name: str, depth: int) -> None:
        text = BASE.format(depth=depth)
        self.plane.write(f"cx/{name}.yaml", text)
        self.plane.look()
        self.files[f"cx/{name}.yaml"] = text

    @rule()
    def renderer_is_restarted(self) -> None:
        self.plane.kill()
        self.plane.start()

    # --- what must hold

    @invariant()
    def files_are_what_was_wished(self) -> None:
        assert {name: self.plane.text(name) for name in self.files} == self.files

    @invariant()
    def nothing_is_left_behind(self) -> None:
        left = [path.name for path in self.plane.root.rglob(".*.conche-*")]
        assert not left
        assert not self.plane.run_dir.exists() or not list(self.plane.run_dir.iterdir())

    @invariant()
    def each_effect_is_one_commit(self) -> None:
        if not self.sent:
            return
        ids = [c.trailers["Command-Id"] for c in self.plane.history.log() if "Command-Id" in c.trailers]
        assert sorted(ids) == sorted(f"ann/{one}" for one in self.effects)

    @invariant()
    def journal_tells_of_each_reply(self) -> None:
        told = [event.command for event in self.plane.events if event.kind is EventKind.REPLY]
        assert len(set(told)) == len({str(wish.id) for _, _, wish in self.sent} & set(told))

    def teardown(self) -> None:
        self.plane.kill()
        self.plane.loop.run_until_complete(self.plane.loop.shutdown_default_executor())
        self.plane.loop.close()
        shutil.rmtree(self.folder)

    # --- helpers

    def new_id(self) -> str:
        return f"w{len(self.sent)}"

    def chosen(self, whom: str) -> tuple[str, ...]:
        return NAMES if whom == "all" else (whom,)

    def message(self, action: str, whom: str, wish: Arguments) -> Incoming:
        return Incoming(f"conche/command/ann/cx/{whom}/{action}", encode(wish), retained=False)


@contextlib.contextmanager
def dying_at(point: str) -> Any:
    """Have the process end when it comes to a point of a change."""
    places: dict[str, tuple[Any, str]] = {
        "_write_new": (changeset, "_write_new"),
        "write_atomic": (changeset, "write_atomic"),
        "_rename": (changeset, "_rename"),
        "after rename": (History, "commit"),
        "after commit": (ChangeSet, "finish"),
    }
    owner, name = places[point]
    real: Callable[..., Any] = getattr(owner, name)

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    setattr(owner, name, die)
    try:
        yield
    finally:
        setattr(owner, name, real)


TestAnyCommand = AnyCommand.TestCase
TestAnyCommand.settings = settings(
    max_examples=40,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
