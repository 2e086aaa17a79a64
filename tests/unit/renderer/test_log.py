"""The history of one path: found without working out what each commit changed."""

from pathlib import Path

import pytest

from conche.renderer import history as histories
from conche.renderer.history import History


@pytest.fixture
def history(tmp_path: Path) -> History:
    (tmp_path / "nodes.yaml").write_text("groups: {}\n")
    return History(tmp_path)


def change(history: History, root: Path, **files: str | None) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text) if text is not None else path.unlink()
    history.take_edits()


def subjects(history: History, path: str) -> list[str]:
    return [commit.subject.removeprefix("Edited by hand: ") for commit in history.log(path=path)]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a/x.yaml", ["a/x.yaml", "a/x.yaml", "a/x.yaml, nodes.yaml"]),
        ("a", ["a/x.yaml", "a/y.yaml", "a/x.yaml", "a/x.yaml, nodes.yaml"]),
        ("a/", ["a/x.yaml", "a/y.yaml", "a/x.yaml", "a/x.yaml, nodes.yaml"]),
        ("./a/y.yaml", ["a/y.yaml"]),
        ("nodes.yaml", ["a/x.yaml, nodes.yaml"]),
        ("a/x.yaml/z", []),
        ("/a", []),
        ("../a", []),
        ("nothing", []),
    ],
)
def test_a_path_is_told_with_those_commits_that_changed_it(
    history: History, tmp_path: Path, path: str, found: list[str]
):
    change(history, tmp_path, **{"a__x.yaml": "1"})
    change(history, tmp_path, **{"a__x.yaml": "2"})
    change(history, tmp_path, **{"a__y.yaml": "1"})
    change(history, tmp_path, **{"b.yaml": "1"})
    change(history, tmp_path, **{"a__x.yaml": None})
    assert subjects(history, path) == found


@pytest.mark.parametrize("path", ["", "."])
def test_no_path_is_every_commit(history: History, tmp_path: Path, path: str):
    for text in "12":
        change(history, tmp_path, **{"b.yaml": text})
    assert len(subjects(history, path)) == 2


def test_only_so_many_commits_are_looked_through(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(histories, "LOOKED_THROUGH", 2)
    for text in "123":
        change(history, tmp_path, **{"b.yaml": text})
    assert len(subjects(history, "b.yaml")) == 2
    assert len(list(history.log())) == 2
    assert subjects(history, "nodes.yaml") == []


def test_what_a_commit_changed_is_worked_out_only_where_it_is_told(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for text in "123":
        change(history, tmp_path, **{"b.yaml": text})
    monkeypatch.setattr(histories, "told", lambda _: pytest.fail("worked out"))
    assert subjects(history, "nothing") == []
