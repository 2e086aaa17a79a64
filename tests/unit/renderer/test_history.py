"""The history of a config directory, in real git repositories."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from conche.renderer.configfiles import is_config_file
from conche.renderer.gitwords import HistoryError
from conche.renderer.history import History

from .directory import ConfigDirectory


@pytest.fixture(autouse=True)
def _one_node(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.yaml", "x: 1\n")


@pytest.fixture
def history(configs: ConfigDirectory) -> History:
    found = History(configs.root)
    found.take_edits()
    return found


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout


def test_a_directory_that_has_no_history_gets_one_with_what_is_there(configs: ConfigDirectory) -> None:
    (configs.root / ".nodes.yaml.swp").write_text("x")
    (configs.root / "notes.txt").write_text("x")
    commit = History(configs.root).take_edits()
    assert commit is not None
    assert set(commit.paths) == {"nodes.yaml", "cx/cx1.yaml"}
    assert (commit.author, commit.subject) == ("by hand", "Edited by hand: cx/cx1.yaml, nodes.yaml")
    assert git(configs.root, "log", "--format=%an %cn %s").startswith("by hand conche Edited by hand")


def test_nothing_edited_is_no_commit(history: History) -> None:
    assert history.take_edits() is None


def test_edits_additions_and_deletions_by_hand_are_one_commit(
    configs: ConfigDirectory, history: History
) -> None:
    configs.write("cx/cx1.yaml", "x: 2\n")
    configs.write(".updatable/cx/cx1.json", "{}")
    (configs.root / "nodes.yaml").unlink()
    commit = history.take_edits()
    assert commit is not None
    assert set(commit.paths) == {"cx/cx1.yaml", ".updatable/cx/cx1.json", "nodes.yaml"}
    assert history.take_edits() is None
    assert history.text_at("HEAD~1", "cx/cx1.yaml") == b"x: 1\n"
    assert history.text_at("HEAD", "nodes.yaml") is None


def test_a_commit_bears_who_why_and_what_to_find_it_by(configs: ConfigDirectory, history: History) -> None:
    configs.write("cx/cx1.yaml", "x: 3\n")
    configs.write("vars.yaml", "unrelated: 1\n")
    made = history.commit(
        ["cx/cx1.yaml"], author="Ann Ö", subject="Change cx/cx1", reason="Night.\n\nMore.", command_id="ann/7"
    )
    assert made is not None
    assert made.paths == ("cx/cx1.yaml",)
    (found, first) = history.log()
    assert found == made == history.find(made.id[:8])
    assert (found.author, found.reason) == ("Ann Ö", "Night.\n\nMore.")
    assert found.trailers == {"Command-Id": "ann/7"}
    assert "+x: 3" in history.patch("HEAD")
    assert first.subject.startswith("Edited by hand")
    assert [c.subject for c in history.log(path="cx")] == ["Change cx/cx1", first.subject]
    assert [c.subject for c in history.log(path="nodes.yaml")] == [first.subject]


def test_a_repository_that_is_there_is_used(configs: ConfigDirectory) -> None:
    git(configs.root, "init", "-q", "-b", "trunk")
    assert History(configs.root).take_edits() is not None
    assert git(configs.root, "branch", "--show-current") == "trunk\n"


def test_a_directory_inside_another_repository_is_left_alone(configs: ConfigDirectory) -> None:
    git(configs.root.parent, "init", "-q")
    with pytest.raises(HistoryError, match=r"lies inside the git repository .*git init"):
        History(configs.root).take_edits()
    assert not (configs.root / ".git").exists()


def test_a_locked_repository_says_so_and_nothing_is_lost(configs: ConfigDirectory, history: History) -> None:
    configs.write("cx/cx1.yaml", "x: 4\n")
    lock = configs.root / ".git/index.lock"
    lock.touch()
    with pytest.raises(HistoryError, match=r"another git works there.*index.lock"):
        history.take_edits()
    lock.unlink()
    assert history.take_edits() is not None


def test_a_merge_under_way_is_not_committed_into(configs: ConfigDirectory, history: History) -> None:
    git(configs.root, "checkout", "-q", "-b", "other")
    configs.write("cx/cx1.yaml", "x: 5\n")
    history.take_edits()
    git(configs.root, "checkout", "-q", "main")
    configs.write("cx/cx1.yaml", "x: 6\n")
    history.take_edits()
    identity = ("-c", "user.name=x", "-c", "user.email=x@y")
    subprocess.run(["git", *identity, "merge", "other"], cwd=configs.root, capture_output=True, check=False)
    with pytest.raises(HistoryError, match="a git merge is under way"):
        history.take_edits()


def test_a_directory_that_is_away_and_a_repository_that_is_broken_are_said(configs: ConfigDirectory) -> None:
    with pytest.raises(HistoryError, match="is not there"):
        History(configs.root / "absent").take_edits()
    (configs.root / ".git").write_text("nonsense")
    with pytest.raises(HistoryError, match="git: "):
        History(configs.root).take_edits()


def test_a_commit_that_is_not_there_is_said(history: History) -> None:
    for read in (history.find, history.patch, lambda revision: history.text_at(revision, "nodes.yaml")):
        with pytest.raises(HistoryError, match="there is no commit 'abcdef'"):
            read("abcdef")


def test_a_name_that_is_not_utf8_is_committed_or_said_and_ends_nothing(
    configs: ConfigDirectory, history: History
) -> None:
    Path(os.fsdecode(bytes(configs.root / "cx") + b"/b\xff.yaml")).write_text("x: 1\n")
    with contextlib.suppress(HistoryError):
        history.take_edits()


def test_odd_entries_make_no_empty_commits(configs: ConfigDirectory, history: History) -> None:
    (configs.root / "cx/d.yaml").symlink_to("nowhere.yaml")
    (configs.root / "cx/sub.yaml").mkdir()
    history.take_edits()
    assert history.take_edits() is None
    (configs.root / "notes.txt").write_text("x")
    git(configs.root, "add", "notes.txt")
    assert history.take_edits() is None


def test_an_empty_directory_gets_no_history(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"has no nodes\.yaml"):
        History(tmp_path).take_edits()
    assert not (tmp_path / ".git").exists()


@pytest.mark.parametrize(
    ("path", "belongs"),
    [
        ("nodes.yaml", True), ("cx/cx1.j2", True), ("a/b/c.yml", True), (".updatable/cx/cx1.json", True),
        (".nodes.yaml.swp", False), ("nodes.yaml~", False), ("cx/.hidden.yaml", False), ("4913", False),
        (".updatable/cx/.cx1.json.tmp", False), (".venv/x.yaml", False), ("notes.json", False),
    ],
)  # fmt: skip
def test_files_of_a_config_directory_are_told_from_others(path: str, belongs: bool) -> None:
    assert is_config_file(path) is belongs
