"""Rendering of many distinct configs, in one process and in several.

    .venv/bin/python -m bench.rendering --nodes 1000 --size 10

Each node has a text of its own from one template, so that each is parsed. What is measured is the time of a pass as the
renderer makes it, from an empty cache, the start of the other processes included.
"""

import tempfile
import time
from pathlib import Path

import click

from conche.renderer.batch import BatchRendering
from conche.renderer.nodes import read_nodes
from conche.renderer.render import Rendering

from .data_plane import Size


def pass_s(root: Path, processes: int) -> float:
    """Render everything once; return how long it took [s]."""
    rendering = Rendering(root)
    nodes = list(read_nodes(rendering.files))
    batch = BatchRendering(rendering, processes=processes)
    began, done = time.monotonic(), 0
    while done < len(nodes):
        done += len(batch.render_some(nodes[done:]))
    took = time.monotonic() - began
    batch.end_pass()
    return took


@click.command()
@click.option("--nodes", type=int, default=1000, show_default=True)
@click.option("--size", type=int, default=10, show_default=True, help="of a config [kB]")
@click.option("--processes", multiple=True, type=int, default=(1, 2), show_default=True)
def main(nodes: int, size: int, processes: tuple[int, ...]) -> None:
    """Measure and print the figures."""
    padding = Size(nodes, 1, size, distinct=True, period_s=0, steady_s=0).padding
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "cx").mkdir()
        (root / "cx/base.j2").write_text(padding)
        entries = "".join(f"    n{i}: {{host: h{i}, config: cx/base.j2}}\n" for i in range(nodes))
        (root / "nodes.yaml").write_text(f"groups:\n  cx:\n{entries}")
        for number in processes:
            took = pass_s(root, number)
            click.echo(
                f"{nodes} nodes, {size} kB, {number} processes: {took:6.2f} s, {1000 * took / nodes:5.2f} ms each"
            )


if __name__ == "__main__":
    main()
