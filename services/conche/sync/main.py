"""The process of one or more group workers."""

from contextlib import AsyncExitStack

from conche.contract import Service
from conche.runtime import run_service
from conche.settings import Settings

from .service import SyncService


async def build(settings: Settings, _stack: AsyncExitStack) -> SyncService:
    """Return the service."""
    return SyncService(settings)


def main(settings: Settings) -> int:
    """Run until a signal comes; return the exit code."""
    return run_service(Service.SYNC, build, settings)
