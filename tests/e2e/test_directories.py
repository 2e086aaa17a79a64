"""`up` on a directory of the operator's: rehearsed, it stays untouched; else it is used itself."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .test_local_mode import OBSERVATORY, Stack, new, ports

__all__ = ["new"]
"""A fixture."""


def fingerprint(folder: Path) -> str:
    """Names, content, modes and times of everything in a folder."""
    seen = hashlib.sha256()
    for path in sorted((folder, *folder.rglob("*"))):
        found = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        seen.update(repr((str(path), found.st_mode, found.st_mtime_ns, found.st_ctime_ns, content)).encode())
    return seen.hexdigest()


@pytest.mark.skipif(not OBSERVATORY.is_dir(), reason=f"there is no {OBSERVATORY}")
def test_a_real_observatorys_directory_is_rehearsed_and_stays_untouched(new: Callable[..., Stack]):
    stack = new()
    before = fingerprint(OBSERVATORY)
    stack.up("--configs", OBSERVATORY, "--sim")
    assert set(stack.births()) >= {"renderer", "poller/main", "sync/cx", "sync/recv"}
    stack.conche("maintenance", "off", "all", "--yes")
    done = stack.conche("start", "cx/cx27", "recv/recv1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert stack.conche("eop", "run").returncode == 0
    rendered = json.loads(stack.conche("render", OBSERVATORY, "--json").stdout)
    with_table = json.loads(stack.conche("render", stack.home.configs, "--json").stdout)
    running = {
        line.split()[0]: line.split()[3]
        for line in stack.conche("sim", "nodes").stdout.splitlines()
        if " running " in line
    }
    # the map changes nothing in the configs; the copy of recv1's was given the Earth's orientation of today
    assert rendered["cx/cx27"]["revision"].startswith(running["cx/cx27"])
    assert with_table["recv/recv1"]["revision"].startswith(running["recv/recv1"])
    assert with_table["recv/recv1"]["revision"] != rendered["recv/recv1"]["revision"]
    assert "cx/cx42.yaml" in stack.conche("status", "cx").stdout  # its config is missing, there as here
    stack.conche("down")
    assert fingerprint(OBSERVATORY) == before


def test_a_directory_without_a_rehearsal_is_used_itself(new: Callable[..., Stack], tmp_path: Path):
    configs = tmp_path / "configs"
    (configs / "cx").mkdir(parents=True)
    free = ports()
    (configs / "nodes.yaml").write_text(f"groups: {{cx: {{cx1: {{host: 127.0.0.1, port: {free}}}}}}}\n")
    (configs / "cx" / "cx1.yaml").write_text("{log_level: info, cpu_affinity: [0]}\n")
    stack = new()
    shown = stack.up("--configs", configs)
    assert "1 node in 1 group:" in shown
    assert "your nodes are real" in shown
    assert stack.process("sim") is None
    assert not stack.home.configs.exists()


def test_settings_of_the_operators_hold(new: Callable[..., Stack], tmp_path: Path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("poller: {instance: north}\nbroker: {port: 1}\n")
    stack = new()
    stack.up("--config", mine)
    assert "poller/north" in stack.births()
