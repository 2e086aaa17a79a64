"""The renderer's process."""

import logging
from contextlib import AsyncExitStack

from conche.bus import Bus
from conche.contract import Service
from conche.runtime import run_service
from conche.settings import Settings

from .service import RendererService


async def build(settings: Settings, stack: AsyncExitStack) -> RendererService:
    """Make the service."""
    # It tells of every file event; conche of each change.
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    bus = Bus(settings.broker, service=Service.RENDERER, beats=True)
    return RendererService(bus=bus, settings=settings.renderer, topic_root=settings.broker.root)


def main(settings: Settings) -> int:
    """Run the renderer until a signal ends it; return the exit code."""
    return run_service(Service.RENDERER, build, settings)
