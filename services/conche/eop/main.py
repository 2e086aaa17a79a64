"""The eop service's process."""

from contextlib import AsyncExitStack

from conche.bus import Bus
from conche.contract import FPGA, NODE_DESIRED, REGISTRY, REPLY, SERVICE, Service
from conche.runtime import run_service
from conche.settings import Settings

from .publishing import Publisher
from .running import Runner
from .service import EopService
from .state import StateFile


async def build(settings: Settings, _stack: AsyncExitStack) -> EopService:
    """Return the service, wired to the broker and its state file."""
    eop = settings.eop
    bus = Bus(settings.broker, service=Service.EOP)
    publisher = Publisher(bus, endpoint=eop.endpoint)
    runner = Runner(eop, file=StateFile(eop.state_file))
    service = EopService(bus, runner, publisher, settings=eop, root=settings.broker.root)
    bus.subscribe(REPLY, publisher.on_reply, user=Service.EOP)
    bus.subscribe(FPGA, service.on_fpga)
    bus.subscribe(SERVICE, service.on_fpga_birth, service=Service.FPGA)
    bus.subscribe(SERVICE, service.on_renderer_birth, service=Service.RENDERER)
    bus.subscribe(REGISTRY, service.on_registry)
    bus.subscribe(NODE_DESIRED, service.on_desired)
    service.subscribe()
    return service


def main(settings: Settings) -> int:
    """Run until a signal comes; return the exit code."""
    return run_service(Service.EOP, build, settings)
