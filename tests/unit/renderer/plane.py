"""The command plane for a random walk: the real orders, editor and history on real files, and nodes that obey."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec.json import encode

from conche.bus import Incoming
from conche.contract import (
    Arguments,
    Event,
    Maintenance,
    NodeState,
    NodeStatus,
    Outcome,
    RegisteredNode,
    Rejection,
    Reply,
)
from conche.renderer import changeset, steps
from conche.renderer.answered import AnsweredIds
from conche.renderer.carrying import Carrying
from conche.renderer.changeset import ChangeFailed, ChangeSet
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
BASE = "depth: {depth}\nd: {{{{ d | default(0) }}}}\ngains: {{kotekan_update_endpoint: json, coeff: 1.0}}\n"


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
        self.stopped: set[str] = set()
        self.held: set[str] = set()
        self.rejected: dict[str, list[Rejection]] = {}
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
            is_known=lambda envelope: self.carrying.knows(envelope),
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
            answered=AnsweredIds(self.root.parent / "run"),
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
        self.loop.run_until_complete(self.carrying.recover())
        if self.editor.trouble is not None:
            return
        changed = self.rendering.files.refresh().names
        self.work.files_changed(changed)
        self.take_nodes(changed)
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
        """As the service does: what was tried out."""
        changed = self.rendering.files.take_over(trial.files)
        self.work.files_changed(changed)
        self.take_nodes(changed)
        self.say([one for key, one in trial.after.items() if key in trial.nodes])

    def take_nodes(self, changed: frozenset[str]) -> None:
        if "nodes.yaml" in changed:
            self.work.set_nodes(read_nodes(self.rendering.files))

    def obey(self) -> None:
        """Have each node run what was published, and say so."""
        for name, revision in self.published.items():
            if name not in self.stopped | self.held:
                self.runs[name] = revision
            self.sightings.on_status({"group": "cx", "node": name}, self.status(name, revision))
        self.pass_time()

    def status(self, name: str, desired: str) -> NodeStatus:
        stopped = name in self.stopped
        return NodeStatus(
            state=NodeState.STOPPED if stopped else NodeState.STARTED,
            started=not stopped,
            maintenance=Maintenance(on=name in self.held),
            epoch="e",
            desired=desired,
            live=None if stopped else self.runs.get(name),
            rejected=self.rejected.get(name, []),
        )

    def pass_time(self) -> None:
        self.loop.run_until_complete(asyncio.sleep(0.005))

    def wish(self, action: str, whom: str, wish: Arguments, *, group: str = "cx") -> Reply:
        """Have a command carried out; return its one answer."""
        topic = f"conche/command/ann/{group}/{whom}/{action}"
        self.replies.clear()
        self.order(Incoming(topic, encode(wish), retained=False))
        (reply,) = self.replies
        return reply

    def restart(self) -> None:
        self.kill()
        self.start()

    def end(self) -> None:
        self.kill()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

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
        await self.carrying.recover()
        if self.editor.trouble is not None:
            raise ChangeFailed(self.editor.trouble)
        self.history.take_edits()


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

    def die_after_one(*arguments: Any) -> None:
        steps.stage(*arguments)
        raise Killed

    def die_between(wanted: Any) -> None:
        steps.put_in_place(list(wanted)[:1])
        raise Killed

    places: dict[str, tuple[Any, str, Callable[..., None]]] = {
        "staging": (changeset, "stage", die_after_one),
        "record": (changeset, "write_atomic", die),
        "before renames": (changeset, "put_in_place", die),
        "between renames": (changeset, "put_in_place", die_between),
        "before commit": (History, "commit", die),
        "before finish": (ChangeSet, "finish", die),
    }
    with patched(*places[point]):
        yield
