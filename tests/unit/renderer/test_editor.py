"""Which files there are to be read."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conche.renderer.editor import Editor
from conche.renderer.edits import EditRefused
from conche.renderer.render import Rendering


def editor(root: Path) -> Editor:
    nobody: Any = SimpleNamespace()
    return Editor(rendering=Rendering(root), work=nobody, changes=nobody, history=None)


def test_every_config_file_is_named_and_nothing_else(tmp_path: Path):
    for name in (
        "nodes.yaml", "cx/cx1.j2", "include/deep/base.yml", ".updatable/cx/cx1.json",
        "README.md", ".git/config.yaml", ".hidden.yaml", "cx/.cx1.yaml.swp", "cx/notes.json",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert editor(tmp_path).names() == [
        ".updatable/cx/cx1.json", "cx/cx1.j2", "include/deep/base.yml", "nodes.yaml",
    ]  # fmt: skip


def test_a_directory_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(EditRefused, match="can't be read"):
        editor(tmp_path / "none").names()
