"""Many nodes at once: the same outcome, whoever parses, and nobody is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conche.renderer import batch as module
from conche.renderer.batch import BatchRendering, render_all
from conche.renderer.nodes import read_nodes
from conche.renderer.parsing import Parsed, ParsedTexts, Text
from conche.renderer.render import Rendered, Rendering

from .directory import ConfigDirectory

NODES = 12


@pytest.fixture
def many(configs: ConfigDirectory) -> ConfigDirectory:
    """Nodes with configs of their own, one of them broken, and two that share a text."""
    entries = [f"n{i}: {{host: h{i}, config: cx/n{min(i, NODES - 2)}.j2}}" for i in range(NODES)]
    configs.write("nodes.yaml", f"groups: {{cx: {{{', '.join(entries)}}}}}\n")
    for i in range(NODES - 1):
        configs.write(f"cx/n{i}.j2", f"x: {{{{ {i} + 1 }}}}\n" if i != 3 else "x: [")
    return configs


def rendered(configs: ConfigDirectory, processes: int) -> list[Rendered]:
    rendering = Rendering(configs.root)
    nodes = list(read_nodes(rendering.files))
    batch = BatchRendering(rendering, processes=processes)
    done: list[Rendered] = []
    while len(done) < len(nodes):
        done += batch.render_some(nodes[len(done) :])
    batch.end_pass()
    return done


def test_other_processes_make_the_same_of_every_node(
    many: ConfigDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = rendered(many, 1)
    assert [node.error is None for node in here] == [i != 3 for i in range(NODES)]
    monkeypatch.setattr(module, "WORTH_CHARACTERS", 0)
    told: list[int] = []
    learn = ParsedTexts.learn

    def noting(texts: ParsedTexts, text: Text, parsed: Parsed) -> None:
        told.append(len(text.text))
        learn(texts, text, parsed)

    monkeypatch.setattr(ParsedTexts, "learn", noting)
    assert rendered(many, 2) == here
    assert len(told) == NODES - 1  # each distinct text once


def dying(_: Text) -> Parsed:
    os._exit(1)


def test_processes_that_die_are_done_without(many: ConfigDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    here = rendered(many, 1)
    monkeypatch.setattr(module, "WORTH_CHARACTERS", 0)
    monkeypatch.setattr(module, "parse", dying)
    assert rendered(many, 2) == here


def test_a_slice_renders_at_least_one_node_and_not_all(
    many: ConfigDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLICE_S", 0.0)
    rendering = Rendering(many.root)
    nodes = list(read_nodes(rendering.files))
    assert len(BatchRendering(rendering).render_some(nodes)) == 1
    assert len(render_all(rendering, nodes)) == NODES


PROGRAM = """
import sys, time
from pathlib import Path
from conche.renderer import batch
from conche.renderer.nodes import read_nodes
from conche.renderer.render import Rendering
if __name__ == "__main__":
    batch.WORTH_CHARACTERS = 0
    rendering = Rendering(Path(sys.argv[1]))
    rendered = batch.BatchRendering(rendering, processes=2)
    rendered.render_some(list(read_nodes(rendering.files)))
    print(*rendered._pool._processes, flush=True)
    time.sleep(60)
"""


def test_killed_renderer_leaves_no_process_behind(many: ConfigDirectory, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with subprocess.Popen(
        [sys.executable, str(program), str(many.root)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        children = [int(pid) for pid in process.stdout.readline().split()]
        assert children
        process.send_signal(signal.SIGKILL)
    for _ in range(200):
        if not any(is_there(pid) for pid in children):
            return
        time.sleep(0.05)
    raise AssertionError(f"still there: {[pid for pid in children if is_there(pid)]}")


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
