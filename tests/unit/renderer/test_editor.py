"""Changes of a config directory, with real files and a real git repository."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conche.contract import (
    BaseConfig,
    Edit,
    Maintenance,
    NodeState,
    NodeStatus,
    Rejection,
    Rollback,
    SetFiles,
    UpdatableConfig,
)
from conche.renderer import changeset
from conche.renderer.changeset import ChangeFailed, ChangeSet, Note
from conche.renderer.editor import Editor
from conche.renderer.edits import EditRefused
from conche.renderer.forcing import Forced
from conche.renderer.history import History, HistoryError
from conche.renderer.nodes import read_nodes
from conche.renderer.outcomes import Sightings
from conche.renderer.render import Rendering
from conche.renderer.restoring import Refusal, Restorer
from conche.renderer.trial import check
from conche.renderer.worklist import Worklist

from .directory import ConfigDirectory

BASE = "depth: 4\ngains: {kotekan_update_endpoint: json, coeff: 1.0, names: [1.0, 2.0]}\n"
NODES = """\
groups:
  cx:
    cx1: {host: h1}
    cx2: {host: h2, config: cx/shared.j2}
    cx3: {host: h3, config: cx/shared.j2}
"""


class Killed(BaseException):
    """Stands for the end of the process."""


def die(*_: object) -> None:
    raise Killed


class Desk:
    """An editor, as the renderer has it when nothing is going on."""

    def __init__(self, configs: ConfigDirectory) -> None:
        self.configs = configs
        self.run_dir = configs.root.parent / "run"
        self.history = History(configs.root)
        self.sightings = Sightings()
        self.forced = Forced()
        self.start()

    def start(self) -> None:
        self.rendering, self.work = Rendering(self.configs.root), Worklist()
        self.work.set_nodes(read_nodes(self.rendering.files))
        for node in self.work.nodes():
            self.work.finish(self.rendering.render(node))
        self.editor = Editor(
            rendering=self.rendering,
            work=self.work,
            changes=ChangeSet(self.configs.root, self.run_dir),
            history=self.history,
        )
        self.editor.take_edits()

    def change(self, wish: Edit, *names: str, author: str = "ann") -> str | None:
        targets = [node for node in self.work.nodes() if node.name in names]
        trial = self.editor.try_out(self.editor.edit_of(wish, targets))
        check(trial, self.work)
        commit = self.editor.write(trial, Note(author=author, subject=trial.edit.subject))
        self.start()
        return None if commit is None else commit.id

    def text(self, name: str) -> str:
        return (self.configs.root / name).read_text()


@pytest.fixture
def desk(configs: ConfigDirectory) -> Desk:
    configs.write("nodes.yaml", NODES)
    configs.write("cx/cx1.yaml", BASE)
    configs.write("cx/shared.j2", BASE)
    return Desk(configs)


def gains(coeff: float, **more: str) -> UpdatableConfig:
    return UpdatableConfig(endpoint="gains", values={"coeff": coeff, "names": [1, 2.5]}, **more)


def test_whole_numbers_become_floats_where_the_block_has_floats_also_in_lists(desk: Desk) -> None:
    desk.change(gains(3), "cx1")
    assert (
        desk.text(".updatable/cx/cx1.json")
        == json.dumps({"gains": {"coeff": 3.0, "names": [1.0, 2.5]}}, indent=2) + "\n"
    )


def test_other_endpoints_of_the_file_stay(desk: Desk, configs: ConfigDirectory) -> None:
    configs.write(".updatable/cx/cx1.json", '{"old": {"a": 1772838439000002880}}')
    desk.start()
    desk.change(gains(3.0), "cx1")
    assert json.loads(desk.text(".updatable/cx/cx1.json"))["old"] == {"a": 1772838439000002880}


def test_a_stored_file_that_cannot_be_understood_is_not_written_over(
    desk: Desk, configs: ConfigDirectory
) -> None:
    configs.write(".updatable/cx/cx1.json", "{")
    desk.start()
    with pytest.raises(EditRefused, match=r"\.updatable/cx/cx1\.json.*mend or remove that file first"):
        desk.change(gains(3.0), "cx1")


def test_a_node_without_a_file_gets_one(desk: Desk, configs: ConfigDirectory) -> None:
    (configs.root / "cx/cx1.yaml").unlink()
    desk.start()
    desk.change(BaseConfig(config_content="depth: 9\n"), "cx1")
    assert desk.text("cx/cx1.yaml") == "depth: 9\n"


def test_a_shared_file_is_written_once_for_all_of_its_nodes(desk: Desk) -> None:
    desk.change(BaseConfig(config_content="depth: 9\n"), "cx2", "cx3")
    assert desk.text("cx/shared.j2") == "depth: 9\n"
    with pytest.raises(EditRefused, match=r"cx/shared.j2 would change cx/cx3 too"):
        desk.change(BaseConfig(config_content="depth: 8\n"), "cx2")


def test_a_change_that_breaks_a_node_is_refused_and_one_that_leaves_it_broken_is_not(
    desk: Desk, configs: ConfigDirectory
) -> None:
    with pytest.raises(EditRefused, match=r"no config for cx/cx2, cx/cx3: cx/shared.j2"):
        desk.change(SetFiles(files={"cx/shared.j2": "a: ["}))
    configs.write("cx/shared.j2", "a: [")
    desk.start()
    desk.change(SetFiles(files={"cx/shared.j2": "a: [ # soon", "cx/cx1.yaml": "depth: 1\n"}))
    assert desk.text("cx/cx1.yaml") == "depth: 1\n"


def test_an_edit_that_began_before_somebody_elses_is_refused_with_his_name(desk: Desk) -> None:
    start = desk.history.head()
    desk.change(BaseConfig(config_content="depth: 5\n"), "cx1", author="bob")
    with pytest.raises(
        EditRefused, match=r"cx/cx1.yaml was changed since .*: by bob, 'Base config of cx/cx1'"
    ):
        desk.change(BaseConfig(config_content="depth: 6\n", started_from=start), "cx1")
    desk.change(BaseConfig(config_content="depth: 6\n", started_from=desk.history.head()), "cx1")


def test_edits_of_different_things_do_not_meet(desk: Desk, configs: ConfigDirectory) -> None:
    start = desk.history.head()
    configs.write(".updatable/cx/cx1.json", '{"old": {"a": 1}}')
    desk.start()
    desk.change(gains(2.0, started_from=str(start)), "cx1")
    with pytest.raises(EditRefused, match="there is no commit 'f00'"):
        desk.change(gains(2.0, started_from="f00"), "cx1")


def test_a_rollback_takes_away_what_came_later_and_can_be_limited(desk: Desk) -> None:
    start = str(desk.history.head())
    desk.change(gains(3.0), "cx1")
    desk.change(BaseConfig(config_content="depth: 5\n"), "cx2", "cx3")
    desk.change(Rollback(commit=start, paths=[".updatable"]))
    assert not (desk.configs.root / ".updatable/cx/cx1.json").exists()
    assert desk.text("cx/shared.j2") == "depth: 5\n"
    desk.change(Rollback(commit=start))
    assert desk.text("cx/shared.j2") == BASE
    with pytest.raises(EditRefused, match=r"nope was not there at"):
        desk.change(Rollback(commit=start, paths=["nope"]))


# --- git that does not do its part


def test_a_locked_repository_refuses_the_change_and_says_how_to_unlock(desk: Desk) -> None:
    lock = desk.configs.root / ".git/index.lock"
    lock.touch()
    with pytest.raises(ChangeFailed, match=r"nothing was changed: .*index\.lock"):
        desk.change(gains(3.0), "cx1")
    assert not (desk.configs.root / ".updatable").exists()
    lock.unlink()
    desk.change(gains(3.0), "cx1")


def test_what_somebody_staged_stays_staged_and_is_not_committed(desk: Desk) -> None:
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=desk.configs.root, capture_output=True, text=True, check=True
        ).stdout

    (desk.configs.root / "notes.txt").write_text("mine")
    git("add", "notes.txt")
    desk.change(gains(3.0), "cx1")
    assert git("status", "--porcelain") == "A  notes.txt\n"
    assert "notes.txt" not in git("show", "--stat")


def test_a_directory_inside_another_repository_refuses_changes_and_says_what_to_do(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    root = tmp_path / "configs"
    root.mkdir()
    ConfigDirectory(root)
    history = History(root)
    with pytest.raises(HistoryError, match="make it one of its own"):
        history.take_edits()
    (tmp_path / ".gitignore").write_text("configs\n")
    assert history.take_edits() is not None


def test_a_change_half_done_by_a_process_that_died_is_completed_with_its_author(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(changeset, "_rename", die)
        with pytest.raises(Killed):
            desk.change(gains(3.0), "cx1", author="bob")
    desk.start()
    commit = desk.editor.recover()
    assert commit is not None
    assert (commit.author, commit.paths) == ("bob", (".updatable/cx/cx1.json",))
    assert "3.0" in desk.text(".updatable/cx/cx1.json")
    assert desk.editor.recover() is None


def test_one_that_cannot_be_committed_at_the_start_is_taken_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Editor, "_commit", die)
        with pytest.raises(Killed):
            desk.change(gains(3.0), "cx1")
    desk.start()
    (desk.configs.root / ".git/index.lock").touch()
    with pytest.raises(HistoryError, match=r"index\.lock"):
        desk.editor.recover()
    assert not (desk.configs.root / ".updatable/cx/cx1.json").exists()


# --- refused values


def status(desk: Desk, name: str, *, rejected: bool = False, runs: bool = False) -> None:
    done = desk.work.done(f"cx/{name}")
    assert done is not None
    rejection = Rejection(
        error="too loud", at=datetime.now(UTC), endpoint="gains", values=done.updatable["gains"]
    )
    said = NodeStatus(
        state=NodeState.STARTED,
        started=True,
        maintenance=Maintenance(on=False),
        epoch="e",
        live=done.revision if runs else "0" * 32,
        rejected=[rejection] if rejected else [],
    )
    desk.sightings.on_status({"group": "cx", "node": name}, said)


def refusal_of(desk: Desk, name: str) -> Refusal | None:
    restorer = Restorer(desk.work, desk.sightings, desk.forced)
    found = restorer.refusals(f"cx/{name}", desk.sightings.statuses[f"cx/{name}"])
    return found[0] if found else None


def put_back(desk: Desk, name: str) -> dict[str, bytes | None]:
    refusal = refusal_of(desk, name)
    assert refusal is not None
    restorer = Restorer(desk.work, desk.sightings, desk.forced)
    found = restorer.restoration(refusal, rendering=desk.rendering, history=desk.history)
    return {} if found is None else dict(found.edit.files)


def test_what_was_stored_before_is_put_back_on_every_node_that_does_not_run_it(desk: Desk) -> None:
    desk.change(gains(2.0), "cx1", "cx2")
    desk.change(gains(9.0), "cx1", "cx2", "cx3")
    status(desk, "cx1", rejected=True)
    status(desk, "cx2")
    status(desk, "cx3", runs=True)
    files = put_back(desk, "cx1")
    assert files.keys() == {".updatable/cx/cx1.json", ".updatable/cx/cx2.json"}
    assert b'"coeff": 2.0' in (files[".updatable/cx/cx1.json"] or b"")


def test_where_nothing_was_stored_before_the_file_goes(desk: Desk) -> None:
    desk.change(gains(9.0), "cx1")
    status(desk, "cx1", rejected=True)
    assert put_back(desk, "cx1") == {".updatable/cx/cx1.json": None}


def test_values_that_stand_in_the_base_config_are_a_persons_to_mend(desk: Desk) -> None:
    status(desk, "cx1", rejected=True)
    assert put_back(desk, "cx1") == {}


def test_values_that_were_changed_since_are_left_alone(desk: Desk) -> None:
    desk.change(gains(9.0), "cx1")
    status(desk, "cx1", rejected=True)
    desk.change(gains(3.0), "cx1")
    assert refusal_of(desk, "cx1") is None


def test_values_that_somebody_wants_to_be_tried_once_more_are_not_put_back_before(desk: Desk) -> None:
    desk.change(gains(9.0), "cx1")
    status(desk, "cx1", rejected=True)
    (cx1,) = [node for node in desk.work.nodes() if node.name == "cx1"]
    desk.forced.want(desk.rendering.render(cx1), "gains", "ann/1")
    assert refusal_of(desk, "cx1") is None
