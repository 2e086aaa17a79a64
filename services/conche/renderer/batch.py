"""Many nodes at once: distinct texts are parsed in other processes where that is worth it.

YAML is what rendering costs, about 0.5 s for each MB on one core; a config of its own for each of 1,000 nodes is 10 MB.
"""

import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from .nodes import Node
from .parsing import Text, parse
from .render import Draft, Rendered, Rendering

logger = logging.getLogger(__name__)

SLICE_S: Final = 0.1
"""After working for this long, what is ready is published and changed files are looked at [s]."""

SLICE_CHARACTERS: Final = 200_000
"""Text to be parsed for which one process needs about as long."""

WORTH_CHARACTERS: Final = 1_000_000
"""Other processes take about half a second to start: less text than this is parsed here."""

MAX_PROCESSES: Final = 8
"""A guess: the renderer shares its machine with other services."""


class BatchRendering:
    """Renders a pass over nodes slice by slice.

    Parameters
    ----------
    rendering
        Renders; used by one thread at a time.
    processes
        How many may parse; one means this one.
    """

    def __init__(self, rendering: Rendering, *, processes: int | None = None) -> None:
        self._rendering = rendering
        wanted = processes if processes is not None else len(os.sched_getaffinity(0))
        self._processes = min(wanted, MAX_PROCESSES)
        self._pool: Executor | None = None
        self._parsed = 0
        """Characters in this pass so far."""

    def render_some(self, nodes: Sequence[Node]) -> list[Rendered]:
        """Render the first of these nodes, at least one, for about a slice of time."""
        drafts, missing = self._drafts(nodes)
        self._parsed += sum(len(text.text) for text in missing)
        if self._processes > 1 and self._parsed > WORTH_CHARACTERS and len(missing) > 1:
            self._parse_elsewhere(missing)
        return [self._rendering.finish(draft) for draft in drafts]

    def end_pass(self) -> None:
        """Let the other processes go: the next change may be far."""
        self._parsed = 0
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _drafts(self, nodes: Sequence[Node]) -> tuple[list[Draft], list[Text]]:
        until = time.monotonic() + SLICE_S
        drafts: list[Draft] = []
        missing: dict[bytes, Text] = {}
        characters = 0
        for node in nodes:
            draft = self._rendering.draft(node)
            drafts.append(draft)
            text = draft.text
            if text is not None and text not in self._rendering.texts and text.key not in missing:
                missing[text.key] = text
                characters += len(text.text)
            if time.monotonic() >= until or characters >= SLICE_CHARACTERS * self._processes:
                break
        return drafts, list(missing.values())

    def _parse_elsewhere(self, texts: list[Text]) -> None:
        """Have texts parsed; what goes wrong there is done here instead."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self._processes, mp_context=context, initializer=_end_with_parent
            )
        try:
            for text, parsed in zip(texts, self._pool.map(parse, texts), strict=True):
                self._rendering.texts.learn(text, parsed)
        except (BrokenProcessPool, OSError) as error:
            logger.warning("YAML is parsed in one process only: %s", error)
            self.end_pass()
            self._processes = 1


def render_all(
    rendering: Rendering, nodes: Sequence[Node], *, give_up: Callable[[Rendered], bool] = lambda _: False
) -> list[Rendered]:
    """Render nodes, in their order; no more of them after one with which to give up."""
    batch = BatchRendering(rendering)
    done: list[Rendered] = []
    try:
        while len(done) < len(nodes) and not any(map(give_up, done[-1:])):
            done += batch.render_some(nodes[len(done) :])
    finally:
        batch.end_pass()
    return done


def _end_with_parent() -> None:
    """End when the renderer is killed: the pool's own queue would be waited on for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_for_end, args=(parent,), daemon=True).start()


def _wait_for_end(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(0)
