"""What every service's process does alike: logging, signals, the root task group, and an end with clear words."""

import asyncio
import json
import logging
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final, Protocol

import uvloop

from conche.errors import FatalError
from conche.settings import Settings

logger = logging.getLogger(__name__)

EXIT_FATAL: Final = 1
"""Something that a restart by the supervisor may mend, or a person must."""


class Runnable(Protocol):
    """What is run: a service."""

    async def run(self) -> None:
        """Work until cancelled."""


Build = Callable[[Settings, AsyncExitStack], Awaitable[Runnable]]
"""Makes the service; what must be closed after its tasks have ended is entered into the stack."""


def run_service(name: str, build: Build, settings: Settings) -> int:
    """Run a service until a signal ends it or a task of it fails.

    Parameters
    ----------
    name
        Of the service, for the log.
    build
        Makes the service.
    settings
        Of all services.

    Returns
    -------
    int
        Exit code: 0 after a signal, else 1.
    """
    set_up_logging(settings.log)
    _allow_many_connections()
    code = 0
    try:
        uvloop.run(_main(name, build, settings))
    except* FatalError as group:
        code = EXIT_FATAL
        for error in _flat(group):
            logger.critical("%s: %s", name, error)
    except* Exception:  # the one place that catches everything: to log it and end the process
        code = EXIT_FATAL
        logger.critical("%s: ended by an error that nobody foresaw", name, exc_info=True)
    return code


def _allow_many_connections() -> None:
    """Have as many open connections as the machine lets a process have: the usual 1,024 are too few for a poller."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _main(name: str, build: Build, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    # The stack is outside: whatever it closes is closed after every task has ended.
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        service = await build(settings, stack)
        tasks = [
            group.create_task(_never_ends(name, service), name=f"run {name}"),
            group.create_task(stop.wait(), name="wait for signal"),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        logger.info("%s: stopping", name)
        for task in tasks:
            task.cancel()


async def _never_ends(name: str, service: Runnable) -> None:
    await service.run()
    raise FatalError("ended by itself")


def _flat(group: BaseExceptionGroup[FatalError]) -> list[FatalError]:
    found: list[FatalError] = []
    for error in group.exceptions:
        found.extend(_flat(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


class _JsonLines(logging.Formatter):
    """One JSON object a line, for whoever collects logs."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def set_up_logging(level: str) -> None:
    """Log to standard error: lines for people on a terminal, JSON lines elsewhere."""
    handler = logging.StreamHandler()
    on_terminal = sys.stderr.isatty()
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
        if on_terminal
        else _JsonLines()
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
