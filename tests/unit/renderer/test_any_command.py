"""Whatever is ordered of the config directory, in whatever order, repeated, and with the process killed in the middle:
each wish has one effect and one answer, and nothing is left half done.

The real orders, editor and history on real files; what the workers would say is said here.
"""

import contextlib
import json
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.json import encode

from conche.bus import Incoming
from conche.contract import (
    Arguments,
    BaseConfig,
    EventKind,
    UpdatableConfig,
)

from .plane import BASE, NAMES, Killed, Plane, dying_at, editing

WHOM = st.sampled_from([*NAMES, "all"])
POINTS = ("staging", "record", "before renames", "between renames", "before commit", "before finish")


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


TestAnyCommand = AnyCommand.TestCase
TestAnyCommand.settings = settings(
    max_examples=40,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
