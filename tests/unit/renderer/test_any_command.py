"""Whatever is ordered of the config directory, in whatever order, repeated, and with the process killed in the middle:
each wish has one effect and one answer, and nothing is left half done.

The real orders, editor and history on real files; what the workers would say is said here.
"""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
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
    NodeEntry,
    Rejection,
    Rollback,
    SetFiles,
    SetNodes,
    UpdatableConfig,
)
from conche.kotekan.revision import revision
from conche.renderer.nodesfile import rewrite

from .plane import BASE, NAMES, Killed, Plane, dying_at, editing


@dataclass(frozen=True)
class Sent:
    id: str
    message: Incoming


WHOM = st.sampled_from([*NAMES, "all"])
POINTS = ("staging", "record", "before renames", "between renames", "before commit", "before finish")


CRASHES = st.sampled_from([None, None, None, *POINTS])
MEANWHILE = st.sampled_from([None, None, "same", "other"])


class AnyCommand(RuleBasedStateMachine):
    """Two people, a renderer, and what can befall them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="conche-orders-"))
        self.plane = Plane(self.folder)
        self.sent: list[Sent] = []
        self.wanted: dict[str, dict[str, str | None]] = {}
        """By id, what each command that was carried out wanted of the files that it is known by."""
        self.effects: set[str] = set()
        self.files: dict[str, str | None] = {}
        self.refused: set[int] = set()
        """Coefficients that a kotekan has refused."""

    @initialize()
    def begin(self) -> None:
        self.plane.start()
        self.files = {name: self.plane.text(name) for name in self.names()}

    @staticmethod
    def names() -> list[str]:
        own = [f"cx/{name}.yaml" for name in NAMES] + [f".updatable/cx/{name}.json" for name in NAMES]
        return [*own, "nodes.yaml"]

    # --- wishes

    @rule(whom=WHOM, coeff=st.integers(1, 4), force=st.booleans(), crash=CRASHES, meanwhile=MEANWHILE)
    def values_are_set(
        self, whom: str, coeff: int, force: bool, crash: str | None, meanwhile: str | None
    ) -> None:
        wish = UpdatableConfig(id=self.new_id(), endpoint="gains", values={"coeff": coeff}, force=force)
        if coeff in self.refused and not force:
            self.is_refused("updatable_config", whom, wish, "force: true has them tried again")
            return
        text = json.dumps({"gains": {"coeff": float(coeff)}}, indent=2) + "\n"
        files = {f".updatable/cx/{name}.json": text for name in self.chosen(whom)}
        self.order("updatable_config", whom, wish, files, crash, meanwhile)

    @rule(whom=WHOM, depth=st.integers(1, 4), crash=CRASHES, meanwhile=MEANWHILE)
    def base_is_set(self, whom: str, depth: int, crash: str | None, meanwhile: str | None) -> None:
        text = BASE.format(depth=depth)
        wish = BaseConfig(id=self.new_id(), config_content=text)
        files = {f"cx/{name}.yaml": text for name in self.chosen(whom)}
        self.order("base_config", whom, wish, files, crash, meanwhile)

    @rule(
        depths=st.dictionaries(st.sampled_from(NAMES), st.integers(1, 4), min_size=1),
        gone=st.sets(st.sampled_from(NAMES)),
        crash=CRASHES,
        meanwhile=MEANWHILE,
    )
    def files_are_set(
        self, depths: dict[str, int], gone: set[str], crash: str | None, meanwhile: str | None
    ) -> None:
        files: dict[str, str | None] = {f"cx/{n}.yaml": BASE.format(depth=d) for n, d in depths.items()}
        files |= {f".updatable/cx/{name}.json": None for name in gone}
        wish = SetFiles(id=self.new_id(), files=files)
        self.order("set_files", "renderer", wish, files, crash, meanwhile)

    @rule(
        given=st.dictionaries(st.sampled_from(NAMES), st.integers(1, 4)), crash=CRASHES, meanwhile=MEANWHILE
    )
    def nodes_are_set(self, given: dict[str, int], crash: str | None, meanwhile: str | None) -> None:
        entries = {n: NodeEntry(vars={"d": given[n]}) if n in given else NodeEntry() for n in NAMES}
        wish = SetNodes(id=self.new_id(), groups={"cx": entries})
        text = rewrite(self.files["nodes.yaml"] or "", wish.groups)
        self.order("set_nodes", "all", wish, {"nodes.yaml": text}, crash, meanwhile)

    @rule(back=st.integers(0, 5), crash=CRASHES, meanwhile=MEANWHILE)
    def files_are_rolled_back(self, back: int, crash: str | None, meanwhile: str | None) -> None:
        commits = list(self.plane.history.log())
        commit = commits[min(back, len(commits) - 1)].id
        then = {name: self.plane.history.text_at(commit, name) for name in self.names()}
        del then["nodes.yaml"]
        files = {name: None if data is None else data.decode() for name, data in then.items()}
        files = {
            name: text for name, text in files.items() if text is not None or self.files[name] is not None
        }
        wish = Rollback(id=self.new_id(), commit=commit)
        self.order("rollback", "renderer", wish, files, crash, meanwhile)

    @rule(whom=WHOM)
    def nonsense_is_sent(self, whom: str) -> None:
        wish = BaseConfig(id=self.new_id(), config_content="a: [")
        self.is_refused("base_config", whom, wish, "not YAML")

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(1, 5), restarted=st.booleans())
    def one_is_repeated(self, back: int, restarted: bool) -> None:
        sent = self.sent[-min(back, len(self.sent))]
        if sent.id not in self.wanted:
            return
        if restarted:
            self.renderer_is_restarted()
        self.plane.replies.clear()
        self.plane.order(sent.message, remembered=not restarted)
        (reply,) = self.plane.replies
        assert reply.id == sent.id
        if restarted and any(self.files[n] != text for n, text in self.wanted[sent.id].items()):
            assert not reply.ok
            assert "since" in (reply.error or "")
        else:
            assert reply.ok or not restarted

    def is_refused(self, action: str, whom: str, wish: Arguments, words: str) -> None:
        sent = self.send(action, whom, wish)
        self.plane.replies.clear()
        self.plane.order(sent.message)
        assert [(reply.id, reply.ok) for reply in self.plane.replies] == [(sent.id, False)]
        assert words in (self.plane.replies[0].error or "")

    def order(
        self,
        action: str,
        whom: str,
        wish: Arguments,
        files: Mapping[str, str | None],
        crash: str | None,
        meanwhile: str | None,
    ) -> None:
        plane, sent = self.plane, self.send(action, whom, wish)
        changes = {name: text for name, text in files.items() if self.files[name] != text}
        edited = self.edit_meanwhile(meanwhile, changes) if meanwhile and changes else {}
        if crash is not None and changes:
            self.crash_in(crash, sent, files, edited)
            return
        with editing(plane, edited):
            plane.replies.clear()
            plane.order(sent.message)
        self.files |= edited
        (reply,) = plane.replies
        assert reply.id == sent.id
        if edited.keys() & changes.keys():
            assert "was changed at this very moment" in (reply.error or "")
            return
        assert reply.error is None
        self.files |= changes
        self.wanted[sent.id] = dict(changes or files)
        self.effects |= {sent.id} if changes else set()

    def edit_meanwhile(self, which: str, changes: Mapping[str, str | None]) -> dict[str, str]:
        """Return what somebody writes by hand just then: to a file of the change, or to one of another node."""
        names = [name for name in self.names() if name.endswith(".yaml") and name != "nodes.yaml"]
        same = [name for name in names if name in changes]
        stems = {Path(name).stem for name in changes}
        other = [name for name in names if Path(name).stem not in stems]
        chosen = same if which == "same" else other
        return {chosen[0]: BASE.format(depth=10 + len(self.sent))} if chosen else {}

    def crash_in(
        self, point: str, sent: Sent, files: Mapping[str, str | None], edited: Mapping[str, str]
    ) -> None:
        """Kill the process at a point of a change, edit files by hand, start the next, and have the sender repeat.

        Where its commit stands it is known. Else it never was, and is carried out on what there is now.
        """
        with dying_at(point), contextlib.suppress(Killed):
            self.plane.replies.clear()
            self.plane.order(sent.message)
        assert not self.plane.replies
        self.plane.kill()
        for name, text in edited.items():
            self.plane.write(name, text)
        self.plane.start()
        stands = point == "before finish"
        changes = {name: text for name, text in files.items() if self.files[name] != text}
        self.files |= {**changes, **edited} if stands else edited
        assert {name: self.plane.text(name) for name in self.files} == self.files
        self.plane.replies.clear()
        self.plane.order(sent.message)
        (reply,) = self.plane.replies
        if stands and edited.keys() & changes.keys():
            assert not reply.ok
            assert "since" in (reply.error or "")
        else:
            assert reply.ok
        if not stands:
            changes = {name: text for name, text in files.items() if self.files[name] != text}
            self.files |= changes
        self.wanted[sent.id] = changes
        self.effects.add(sent.id)

    # --- what else happens

    @rule(name=st.sampled_from(NAMES), coeff=st.integers(1, 4))
    def a_kotekan_has_refused_values(self, name: str, coeff: int) -> None:
        values = revision({"coeff": float(coeff)})
        one = Rejection(endpoint="gains", values=values, error="too loud", at=datetime.now(UTC))
        self.plane.rejected[name] = [one]
        self.refused = {c for c in range(5) if self.is_rejected(c)}
        self.plane.obey()

    def is_rejected(self, coeff: int) -> bool:
        values = revision({"coeff": float(coeff)})
        return any(one.values == values for found in self.plane.rejected.values() for one in found)

    @rule(name=st.sampled_from(NAMES), depth=st.integers(5, 9))
    def somebody_edits_by_hand(self, name: str, depth: int) -> None:
        text = BASE.format(depth=depth)
        self.plane.write(f"cx/{name}.yaml", text)
        self.plane.look()
        self.plane.obey()
        self.files[f"cx/{name}.yaml"] = text

    @rule()
    def renderer_is_restarted(self) -> None:
        self.plane.restart()

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
        assert {c.id for c in by_command} <= told

    def teardown(self) -> None:
        self.plane.end()
        shutil.rmtree(self.folder)

    # --- helpers

    def new_id(self) -> str:
        return f"w{len(self.sent)}"

    def chosen(self, whom: str) -> tuple[str, ...]:
        return NAMES if whom == "all" else (whom,)

    def send(self, action: str, whom: str, wish: Arguments) -> Sent:
        group = {"renderer": "-", "set_nodes": "all"}.get(whom if whom == "renderer" else action, "cx")
        topic = f"conche/command/ann/{group}/{whom}/{action}"
        sent = Sent(str(wish.id), Incoming(topic, encode(wish), retained=False))
        self.sent.append(sent)
        return sent


TestAnyCommand = AnyCommand.TestCase
TestAnyCommand.settings = settings(
    max_examples=40,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
