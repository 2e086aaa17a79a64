"""The renderer's service: what the config directory says goes to the broker, and only what has changed."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Protocol

from conche.settings import Renderer

from .batch import BatchRendering
from .commandplane import Bus as CommandBus
from .commandplane import CommandPlane
from .epoch import EpochFile
from .files import Changes
from .forcing import Forced
from .journal import Journal
from .lastgood import LastGood
from .nodes import FILE as NODES_FILE
from .nodes import Nodes, read_nodes
from .publisher import Bus as StateBus
from .publisher import Publisher
from .registry import RegistryKeeper
from .render import Rendered, Rendering
from .trial import Trial
from .watch import watch
from .worklist import Worklist

logger = logging.getLogger(__name__)

RIPE_S: Final = 0.3
"""A file that was written to within this time may be half written: it is looked at again later [s]."""

PUBLISHED_AT_ONCE: Final = 100
"""Configs handed to the bus before other tasks get their turn."""

MAX_UNRIPE_LOOKS: Final = 10
"""Looks after which a file that is written to all the time is taken as it is."""


class Bus(StateBus, CommandBus, Protocol):
    """What the renderer asks of the bus."""


class RendererService:
    """Keeps registry and desired configs on the broker as the config directory has them.

    Parameters
    ----------
    bus
        The broker.
    settings
        Where the directories are.
    topic_root
        First level of every topic.
    """

    def __init__(self, *, bus: Bus, settings: Renderer, topic_root: str) -> None:
        self._bus = bus
        self._root = settings.configs
        self._rendering = Rendering(settings.configs)
        self._batch = BatchRendering(self._rendering)
        self._registry = RegistryKeeper(
            boot=bus.boot, epochs=EpochFile(settings.run_dir, policy=settings.on_registry_change)
        )
        self._last_good = LastGood(settings.run_dir)
        forced = Forced()
        self._publish = Publisher(bus, forced=forced)
        self._work = Worklist()
        self._journal = Journal()
        self._hinted = asyncio.Event()
        self._unripe_looks = 0
        self._nodes_known = False
        self._nothing_there = False
        self._error: str | None = None
        self._commands = CommandPlane(
            bus,
            settings=settings,
            topic_root=topic_root,
            rendering=self._rendering,
            work=self._work,
            forced=forced,
            groups=lambda: self._publish.groups,
            publish=self._publish_trial,
            wake=self._hinted.set,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._bus.run(), name="hold the connection")
            group.create_task(watch(self._root, self._hinted.set), name="watch files")
            group.create_task(self._keep_published(), name="render")
            group.create_task(self._commands.run(), name="carry out commands")

    async def _keep_published(self) -> None:
        await self._bus.picture_complete()
        await self._until_whole()
        await self._commands.begin()
        await self._take_nodes()
        self._commands.nodes_known()
        while True:
            if self._work and not self._nothing_there:
                await self._render_some()
            elif self._commands and not self._unripe_looks:  # what is half written must not be written over
                await self._commands.do_next()
            else:
                await self._hinted.wait()
            if self._hinted.is_set():
                self._hinted.clear()
                await self._look()

    async def _until_whole(self) -> None:
        """Wait until what was left half done is taken back: nobody may run half a change."""
        while not await self._commands.is_whole():
            await self._hinted.wait()
            self._hinted.clear()

    async def _look(self) -> None:
        """See which files have changed, and whom that concerns."""
        if not await self._commands.is_whole():
            return
        ripe_s = RIPE_S if self._unripe_looks < MAX_UNRIPE_LOOKS else 0.0
        await self._take(await asyncio.to_thread(self._rendering.files.refresh, ripe_s=ripe_s))

    async def _take(self, changes: Changes) -> None:
        self._unripe_looks = self._unripe_looks + 1 if changes.unripe else 0
        if changes.unripe:
            asyncio.get_running_loop().call_later(RIPE_S, self._hinted.set)
        await self._take_in(changes.names)

    async def _take_in(self, names: frozenset[str]) -> None:
        if names:
            self._commands.files_changed()
        self._work.files_changed(names)
        if NODES_FILE in names:
            await self._take_nodes()

    async def _publish_trial(self, trial: Trial) -> None:
        """Publish what a change gives that was just written, which was rendered before it was.

        What somebody else has written meanwhile may be half written: it is left to the next look.
        """
        await self._take_in(await asyncio.to_thread(self._rendering.files.take_over, trial.files))
        known = {node.key for node in self._work.nodes()}
        await self._publish_rendered([one for key, one in trial.after.items() if key in known])

    async def _take_nodes(self) -> None:
        """Publish the registry; where nodes.yaml can't be understood, nodes and configs stay as they are."""
        nodes = await asyncio.to_thread(read_nodes, self._rendering.files)
        published = None if self._nodes_known else self._publish.last_registry()
        last_good = await self._last_good_for(nodes)
        # No nodes.yaml: the directory is away or being replaced, which says nothing about any config.
        self._nothing_there = nodes.missing
        registry = await asyncio.to_thread(
            self._registry.take, nodes, last_good=last_good, published=published
        )
        self._publish.registry(registry)
        self._tell(nodes)
        if nodes.error is None:
            self._nodes_known = True
            self._work.set_nodes(nodes)
            self._publish.gone(nodes)
            self._finish_pass()
        elif last_good is not None:
            self._nodes_known = True
            self._work.set_nodes(last_good)
        elif not self._nodes_known:
            self._publish.unknown(registry)

    async def _last_good_for(self, nodes: Nodes) -> Nodes | None:
        """Keep a file that was understood; in place of one that was not, return what a former process kept."""
        if nodes.error is None:
            await asyncio.to_thread(self._last_good.keep, nodes)
            return None
        return None if self._nodes_known else await asyncio.to_thread(self._last_good.load)

    def _tell(self, nodes: Nodes) -> None:
        """Log what is new about nodes.yaml."""
        if nodes.error is None:
            again = " again" if self._error else ""
            count = sum(1 for _ in nodes)
            logger.info(
                "%s: understood%s: %d nodes in %d groups", NODES_FILE, again, count, len(nodes.groups)
            )
        for problem in nodes.problems:
            logger.warning("%s", problem)
        self._error = nodes.error

    async def _render_some(self) -> None:
        """Render for a while and publish what is ready; the rest stays on the list."""
        await self._publish_rendered(await asyncio.to_thread(self._batch.render_some, self._work.stale()))

    async def _publish_rendered(self, found: Sequence[Rendered]) -> None:
        for number, rendered in enumerate(found, 1):
            if number % PUBLISHED_AT_ONCE == 0:
                await asyncio.sleep(0)
            before = self._work.finish(rendered)
            self._journal.note(rendered, before)
            self._commands.published(rendered, before)
            self._publish.desired(rendered)
        self._finish_pass()

    def _finish_pass(self) -> None:
        """Once everything is rendered, tell what was new, and forget what no node needs any more."""
        if not self._work:
            self._batch.end_pass()
            self._journal.tell()
            if self._error is None:  # else nodes may be missing that are there
                self._publish.all_said()
            self._rendering.files.keep(self._work.reads() | {NODES_FILE})
