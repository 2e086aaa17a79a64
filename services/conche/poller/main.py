"""The poller's process."""

from contextlib import AsyncExitStack

from conche.bus import Bus
from conche.contract import REGISTRY, Service
from conche.runtime import run_service
from conche.settings import Settings

from .service import PollerService


async def build(settings: Settings, _stack: AsyncExitStack) -> PollerService:
    """Return the service, wired to the broker."""
    bus = Bus(settings.broker, service=Service.POLLER, instance=settings.poller.instance)
    service = PollerService(bus, settings.poller, settings.kotekan)
    bus.subscribe(REGISTRY, service.on_registry)
    return service


def main(settings: Settings) -> int:
    """Run until a signal comes; return the exit code."""
    return run_service(Service.POLLER, build, settings)
