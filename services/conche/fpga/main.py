"""The fpga service's process."""

from contextlib import AsyncExitStack

from conche.bus import Bus
from conche.contract import Service
from conche.runtime import run_service
from conche.settings import Settings

from .client import FpgaMaster, open_session
from .service import FpgaService


async def build(settings: Settings, stack: AsyncExitStack) -> FpgaService:
    """Return the service, wired to the broker and the FPGA master."""
    fpga = settings.fpga
    session = await stack.enter_async_context(open_session(fpga.ca_file))
    master = FpgaMaster(session, url=fpga.url, timeout_s=fpga.timeout_s) if fpga.url else None
    bus = Bus(settings.broker, service=Service.FPGA)
    service = FpgaService(bus, master, settings=fpga, root=settings.broker.root)
    service.subscribe()
    return service


def main(settings: Settings) -> int:
    """Run until a signal comes; return the exit code."""
    return run_service(Service.FPGA, build, settings)
