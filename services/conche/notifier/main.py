"""The notifier's process."""

from contextlib import AsyncExitStack

from conche.bus import Bus
from conche.contract import Service
from conche.runtime import run_service
from conche.settings import Settings

from .channels import open_channels
from .checking import plan_of
from .memory import MemoryFile, drops_of, records_of
from .outbox import Outbox
from .picture import Picture
from .raising import Ledger
from .service import NotifierService
from .times import read_clocks


async def build(settings: Settings, stack: AsyncExitStack) -> NotifierService:
    """Return the service, wired to the broker and the channels."""
    notifier = settings.notifier
    plan = plan_of(notifier)
    channels = await open_channels(notifier, stack)
    file = MemoryFile(notifier.state_file)
    memory, problem = file.read()
    now = read_clocks()
    ledger = Ledger(plan, records_of(memory, plan.channels, now))
    outboxes = [
        Outbox(name, one, ledger, clock=read_clocks, timeout_s=notifier.timeout_s, link=notifier.link)
        for name, one in channels.items()
    ]
    service = NotifierService(
        Bus(settings.broker, service=Service.NOTIFIER),
        picture=Picture(settings.poller.period_s, drops=drops_of(memory, now)),
        ledger=ledger,
        outboxes=outboxes,
        memory=file,
        clock=read_clocks,
    )
    service.subscribe()
    if problem is not None:
        service.tell(problem, ok=False)
    return service


def main(settings: Settings) -> int:
    """Run until a signal comes; return the exit code."""
    return run_service(Service.NOTIFIER, build, settings)
