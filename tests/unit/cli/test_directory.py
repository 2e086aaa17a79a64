"""A directory on disk against the one in force."""

from pathlib import Path

import pytest

from conche.cli.directory import differing, read_directory
from conche.cli.output import Trouble
from conche.contract import text_digest


def test_what_differs_is_written_and_what_is_lacking_is_removed():
    mine = {"a.yaml": "1", "b.yaml": "2", "c.yaml": "3"}
    there = {name: text_digest(text) for name, text in {"a.yaml": "1", "b.yaml": "x", "d.yaml": "4"}.items()}
    there |= {"e.yaml": None}
    assert differing(mine, there) == {"b.yaml": "2", "c.yaml": "3", "d.yaml": None}


def test_only_config_files_count(tmp_path: Path):
    for name in (
        "nodes.yaml", "cx/cx1.j2", ".updatable/cx/cx1.json", "README.md", ".git/x.yaml", "cx/.cx1.yaml.swp",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a: 1\n")
    assert set(read_directory(tmp_path)) == {"nodes.yaml", "cx/cx1.j2", ".updatable/cx/cx1.json"}


def test_what_is_no_config_directory_is_not_applied(tmp_path: Path):
    with pytest.raises(Trouble, match=r"is no config directory: it has no nodes\.yaml"):
        read_directory(tmp_path)


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path):
    (tmp_path / "nodes.yaml").write_bytes(b"\xff")
    with pytest.raises(Trouble, match=r"nodes\.yaml: is not UTF-8"):
        read_directory(tmp_path)
