"""The journal's process."""

from contextlib import AsyncExitStack

from conche.bus import Bus
from conche.contract import Service
from conche.runtime import run_service
from conche.settings import Settings

from .keeping import Keeper
from .service import JournalService
from .store import Store


async def build(settings: Settings, stack: AsyncExitStack) -> JournalService:
    """Return the service, wired to the broker and its database."""
    journal = settings.journal
    keeper = Keeper(
        Store(journal.database, max_entries=journal.max_entries, max_age_days=journal.max_age_days)
    )
    stack.push_async_callback(keeper.close)
    service = JournalService(Bus(settings.broker, service=Service.JOURNAL), keeper, root=settings.broker.root)
    service.subscribe()
    return service


def main(settings: Settings) -> int:
    """Run until a signal comes; return the exit code."""
    return run_service(Service.JOURNAL, build, settings)
