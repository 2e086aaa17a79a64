"""Whatever is ordered of the config directory, in whatever order, repeated, and with the process killed in the middle:
each wish has one effect and one answer, and nothing is left half done.

The real orders, editor and history on real files; what the workers would say is said here.
"""

import asyncio
import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
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
    Outcome,
    RegisteredNode,
    Reply,
    UpdatableConfig,
)
from conche.renderer import changeset, steps
from conche.renderer.carrying import Carrying
from conche.renderer.changeset import ChangeSet
from conche.renderer.chronicle import Chronicle
from conche.renderer.editor import Editor
from conche.renderer.forcing import Forced
from conche.renderer.history import History
from conche.renderer.nodes import read_nodes
from conche.renderer.orders import Orders
from conche.renderer.outcomes import OVERTAKEN, Sightings
from conche.renderer.render import Rendered, Rendering
from conche.renderer.trial import Trial
from conche.renderer.workers import Workers
from conche.renderer.worklist import Worklist
from conche.settings import RegistryChange

NAMES = ("cx1", "cx2", "cx3")
BASE = "depth: {depth}\ngains: {{kotekan_update_endpoint: json, coeff: 1.0}}\n"
WHOM = st.sampled_from([*NAMES, "all"])
POINTS = ("staging", "record", "before renames", "between renames", "before commit", "before finish")


class Killed(BaseException):
    """Stands for the end of the process."""


class Plane:
    """The renderer's command plane, in one process after another, and nodes that do what they are told a bit later."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "configs"
        self.loop = asyncio.new_event_loop()
        self.replies: list[Reply] = []
        self.events: list[Event] = []
        self.published: dict[str, str] = {}
        self.runs: dict[str, str] = {}
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

    def wanted(self, name: str) -> str:
        """What a node should run, by the files alone."""
        node = next(node for node in self.work.nodes() if node.name == name)
        found = Rendering(self.root).render(node).fingerprint
        assert found is not None
        return found.revision

    # --- what the command plane asks of the bus

    def send(self, topic: str, payload: Any, *, correlation: bytes | None = None) -> None:
        self.replies.append(payload)

    def tell(self, message: Any, payload: Any, **params: str) -> bool:
        self.events.append(payload)
        return True

    # --- processes

    def start(self) -> None:
        self.history = History(self.root)
        self.rendering, self.work = Rendering(self.root), Worklist()
        self.work.set_nodes(read_nodes(self.rendering.files))
        self.sightings = Sightings()
        groups = {"cx": {name: RegisteredNode(host=name, port=1, epoch="e") for name in NAMES}}
        self.orders = Orders(
            self,
            root="conche",
            groups=lambda: groups,
            nodes=self.work.nodes,
            wake=lambda: None,
            workers=Workers(),
            is_known=lambda envelope: self.carrying.known.knows(envelope),
            chronicle=Chronicle(self),
        )
        self.editor = Editor(
            rendering=self.rendering,
            work=self.work,
            changes=ChangeSet(self.root),
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
        self.obey()

    def look(self) -> None:
        """Render what has changed on disk, as the service does when nothing else is to be done."""
        self.work.files_changed(self.rendering.files.refresh().names)
        self.say([self.rendering.render(node) for node in self.work.stale()])
        self.history.take_edits()

    def say(self, found: list[Rendered]) -> None:
        for rendered in found:
            self.work.finish(rendered)
            revision = rendered.fingerprint.revision if rendered.fingerprint else None
            self.sightings.supersede(rendered.node.key, revision, OVERTAKEN)
            if revision is not None:
                self.published[rendered.node.name] = revision

    async def publish(self, trial: Trial) -> None:
        """As the service does: what was tried out, unless somebody else has changed something too."""
        changes = self.rendering.files.refresh()
        self.work.files_changed(changes.names)
        if changes.names <= trial.files.keys():
            self.say(list(trial.after.values()))

    def obey(self) -> None:
        """Have each node run what was published, and say so."""
        for name, revision in self.published.items():
            self.runs[name] = revision
            status = NodeStatus(
                state=NodeState.STARTED,
                started=True,
                maintenance=Maintenance(on=False),
                epoch="e",
                desired=revision,
                live=revision,
            )
            self.sightings.on_status({"group": "cx", "node": name}, status)
        self.pass_time()

    def pass_time(self) -> None:
        self.loop.run_until_complete(asyncio.sleep(0.005))

    def kill(self) -> None:
        assert self.waiting is not None
        self.waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            self.loop.run_until_complete(self.waiting)

    def order(self, message: Incoming, *, remembered: bool = False) -> None:
        """Have a command carried out, and wait for its answer; nobody says ok for what no node runs.

        But for an answer that is only remembered.
        """
        self.orders.on_command(message)
        while self.orders:
            self.loop.run_until_complete(self.orders.carry_out_next(self.carrying, before=self.before))
        self.pass_time()
        if not remembered:
            self.check_results()
        self.look()
        self.obey()
        if not remembered:
            self.check_results()

    def check_results(self) -> None:
        for reply in self.replies:
            for key, result in reply.results.items():
                name = key.partition("/")[2]
                if result.outcome is Outcome.OK:
                    assert self.runs[name] == self.wanted(name), reply

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
        self.unheard: set[str] = set()
        """Commits of processes that died before they could tell of them."""

    @initialize()
    def begin(self) -> None:
        self.plane.start()
        self.files = {name: self.plane.text(name) for name in self.names()}

    @staticmethod
    def names() -> list[str]:
        return [f"cx/{name}.yaml" for name in NAMES] + [f".updatable/cx/{name}.json" for name in NAMES]

    # --- wishes

    @rule(
        whom=WHOM,
        coeff=st.integers(1, 4),
        crash=st.sampled_from([None, None, None, *POINTS]),
        meanwhile=st.sampled_from([None, None, "same", "other"]),
    )
    def values_are_set(self, whom: str, coeff: int, crash: str | None, meanwhile: str | None) -> None:
        wish = UpdatableConfig(id=self.new_id(), endpoint="gains", values={"coeff": coeff})
        text = json.dumps({"gains": {"coeff": float(coeff)}}, indent=2) + "\n"
        files = {f".updatable/cx/{name}.json": text for name in self.chosen(whom)}
        self.order("updatable_config", whom, wish, files, crash, meanwhile)

    @rule(
        whom=WHOM,
        depth=st.integers(1, 4),
        crash=st.sampled_from([None, None, None, *POINTS]),
        meanwhile=st.sampled_from([None, None, "same", "other"]),
    )
    def base_is_set(self, whom: str, depth: int, crash: str | None, meanwhile: str | None) -> None:
        text = BASE.format(depth=depth)
        wish = BaseConfig(id=self.new_id(), config_content=text)
        files = {f"cx/{name}.yaml": text for name in self.chosen(whom)}
        self.order("base_config", whom, wish, files, crash, meanwhile)

    @rule(whom=WHOM)
    def nonsense_is_sent(self, whom: str) -> None:
        wish = BaseConfig(id=self.new_id(), config_content="a: [")
        self.plane.replies.clear()
        self.sent.append(("base_config", whom, wish))
        self.plane.order(self.message("base_config", whom, wish))
        assert [(reply.id, reply.ok) for reply in self.plane.replies] == [(wish.id, False)]

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(1, 5), restarted=st.booleans())
    def one_is_repeated(self, back: int, restarted: bool) -> None:
        action, whom, wish = self.sent[-min(back, len(self.sent))]
        if str(wish.id) not in self.effects:
            return
        if restarted:
            self.renderer_is_restarted()
        self.plane.replies.clear()
        self.plane.order(self.message(action, whom, wish), remembered=not restarted)
        assert [reply.id for reply in self.plane.replies] == [wish.id]
        if restarted and any(self.files[n] != text for n, text in self.effects[str(wish.id)].items()):
            assert not self.plane.replies[0].ok
            assert "since" in (self.plane.replies[0].error or "")

    def order(
        self,
        action: str,
        whom: str,
        wish: Arguments,
        files: dict[str, str],
        crash: str | None,
        meanwhile: str | None,
    ) -> None:
        plane = self.plane
        plane.replies.clear()
        changes = {name: text for name, text in files.items() if self.files[name] != text}
        self.sent.append((action, whom, wish))
        edited = self.edit_meanwhile(meanwhile, changes) if meanwhile and changes else {}
        if crash is not None and changes and not edited:
            self.crash_in(crash, action, whom, wish)
        else:
            with editing(plane, edited):
                plane.order(self.message(action, whom, wish))
        assert [reply.id for reply in plane.replies] == [wish.id]
        self.files |= edited
        if not edited.keys() & changes.keys():
            assert plane.replies[0].error is None
            self.files |= changes
            if changes:
                self.effects[str(wish.id)] = changes
        else:
            assert "was changed at this very moment" in (plane.replies[0].error or "")

    def edit_meanwhile(self, which: str, changes: dict[str, str]) -> dict[str, str]:
        """Return what somebody writes by hand just then: to a file of the change, or to one of another node."""
        names = [name for name in self.names() if name.endswith(".yaml")]
        same = [name for name in names if name in changes]
        stems = {Path(name).stem for name in changes}
        other = [name for name in names if Path(name).stem not in stems]
        chosen = same if which == "same" else other
        return {chosen[0]: BASE.format(depth=10 + len(self.sent))} if chosen else {}

    def crash_in(self, point: str, action: str, whom: str, wish: Arguments) -> None:
        """Kill the process at a point of a change, start the next one, and have the sender repeat itself."""
        with dying_at(point), contextlib.suppress(Killed):
            self.plane.order(self.message(action, whom, wish))
        assert not self.plane.replies
        self.plane.kill()
        self.plane.start()
        self.unheard |= {
            c.id for c in self.plane.history.log() if c.trailers.get("Command-Id") == f"ann/{wish.id}"
        }
        self.plane.order(self.message(action, whom, wish))
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
        assert not [path.name for path in self.plane.root.rglob(".*conche-*")]

    @invariant()
    def each_effect_is_one_commit(self) -> None:
        if not self.sent:
            return
        ids = [c.trailers["Command-Id"] for c in self.plane.history.log() if "Command-Id" in c.trailers]
        assert sorted(ids) == sorted(f"ann/{one}" for one in self.effects)

    @invariant()
    def journal_tells_of_each_answer(self) -> None:
        told = {(event.command, event.ok) for event in self.plane.events if event.kind is EventKind.REPLY}
        assert {(reply.id, reply.ok) for reply in self.plane.replies} <= told

    @invariant()
    def journal_tells_of_each_commit(self) -> None:
        told = {event.commit for event in self.plane.events if event.kind is EventKind.CONFIG}
        by_command = [c for c in self.plane.history.log() if "Command-Id" in c.trailers]
        assert {c.id for c in by_command} - self.unheard <= told

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
def editing(plane: Plane, edited: dict[str, str]) -> Iterator[None]:
    """Have somebody write files by hand when a change was tried out and is about to be written."""
    real = Editor.write

    def write(editor: Editor, *arguments: Any) -> Any:
        for name, text in edited.items():
            plane.write(name, text)
        return real(editor, *arguments)

    with patched(Editor, "write", write):
        yield


@contextlib.contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    real = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, real)


@contextlib.contextmanager
def dying_at(point: str) -> Iterator[None]:
    """Have the process end when it comes to a point of a change."""

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    def die_between(wanted: Any) -> None:
        steps.put_in_place(list(wanted)[:1])
        raise Killed

    places: dict[str, tuple[Any, str, Callable[..., None]]] = {
        "staging": (steps, "_write_new", die),
        "record": (changeset, "write_atomic", die),
        "before renames": (changeset, "put_in_place", die),
        "between renames": (changeset, "put_in_place", die_between),
        "before commit": (History, "commit", die),
        "before finish": (ChangeSet, "finish", die),
    }
    with patched(*places[point]):
        yield


TestAnyCommand = AnyCommand.TestCase
TestAnyCommand.settings = settings(
    max_examples=40,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
