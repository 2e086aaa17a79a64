"""A worker for each group that this process serves."""

import asyncio
import logging
from collections.abc import Mapping

from conche.bus import Bus
from conche.contract import GROUP_SUMMARY, REGISTRY, GroupSummary, Registry, Service
from conche.kotekan.revision import FingerprintCache
from conche.settings import Settings

from .worker import GroupWorker

logger = logging.getLogger(__name__)


class SyncService:
    """Serves the groups that the settings name, or else every group of the registry.

    Parameters
    ----------
    settings
        Of all services.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cache = FingerprintCache()
        self._workers: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Work for each group, until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            if self._settings.sync.groups:
                for group in self._settings.sync.groups:
                    self._tasks.create_task(self._worker(group).run(), name=f"worker {group}")
            else:
                await self._serve_all()

    async def _serve_all(self) -> None:
        """Follow the registry: a worker for each group in it, and for each that left something behind."""
        bus = Bus(self._settings.broker, service=Service.SYNC, instance=None, scope={"group": "-"})
        bus.subscribe(REGISTRY, self.on_registry)
        bus.subscribe(GROUP_SUMMARY, self.on_summary)
        await bus.run()

    def on_registry(self, _params: Mapping[str, str], registry: Registry | None) -> None:
        """Begin to work for groups that are new."""
        for group in registry.groups if registry else ():
            self._serve(group)

    def on_summary(self, params: Mapping[str, str], summary: GroupSummary | None) -> None:
        """Work for a group of which something is left: its worker clears that if the group is gone."""
        if summary is not None:
            self._serve(params["group"])

    def _serve(self, group: str) -> None:
        if group not in self._workers:
            self._workers[group] = self._tasks.create_task(self._work(group), name=f"worker {group}")

    async def _work(self, group: str) -> None:
        """Work for a group until it is gone and nothing of it is left."""
        worker = self._worker(group)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(worker.run(), name=f"work for {group}")
            while True:
                await worker.finished.wait()
                await worker.bus.settled()
                if worker.finished.is_set():  # and it has not come back meanwhile
                    break
            running.cancel()
        del self._workers[group]
        logger.info("%s: the group is gone", group)

    def _worker(self, group: str) -> GroupWorker:
        return GroupWorker(group, self._settings, cache=self._cache)
