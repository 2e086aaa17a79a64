"""Work with the client, with a word on a terminal about whom we wait for."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from rich.text import Text

from conche.client import Conche, ConcheError, Plan, Report
from conche.client.sending import Progress

from .fulfilment import Fulfilment
from .output import error_console
from .session import with_telescope

SHOWN_TARGETS: Final = 3
"""Targets that are named while they are waited for."""

INTERRUPTED: Final = "interrupted: what was sent may still be carried out; conche status shows it"

Say = Callable[[str], None]


def deliver(work: Callable[[Conche], Awaitable[Report]], *, account: str, away: int) -> Report:
    """Send a command and return what has become of it.

    Parameters
    ----------
    work
        Sends it.
    account
        Who is calling.
    away
        Exit code where the broker can't be reached.

    Raises
    ------
    Trouble
        Nothing was sent, the broker can't be reached, or Ctrl-C.
    """
    with _waiting() as say:
        return with_telescope(
            work, account=account, away=away, progress=_naming(say), interrupted=INTERRUPTED
        )


def ask_for_plan(work: Callable[[Conche], Awaitable[Plan]], *, account: str, away: int) -> Plan:
    """Ask what a change of configs would do. Parameters and errors are those of `deliver`."""
    with _waiting() as say:
        return with_telescope(work, account=account, away=away, progress=lambda _: say("planning"))


def deliver_change(plan: Plan, *, timeout: float, account: str, away: int) -> Report:
    """Carry out a change of configs and return what has become of it; on a terminal, tell how far it is.

    Parameters and errors are those of `deliver`.
    """
    with _waiting() as say:
        progress = Fulfilment(plan)

        async def work(telescope: Conche) -> Report:
            if not error_console().is_terminal:
                return await telescope.carry_out(plan, timeout=timeout)
            following = asyncio.create_task(_follow(telescope, progress), name="follow the nodes")
            try:
                return await telescope.carry_out(plan, timeout=timeout)
            finally:
                following.cancel()
                await asyncio.wait([following])

        return with_telescope(
            work,
            account=account,
            away=away,
            progress=lambda _: say(progress.words),
            interrupted=INTERRUPTED,
        )


async def _follow(telescope: Conche, progress: Fulfilment) -> None:
    with suppress(ConcheError):  # whoever carries it out says so
        async for change in telescope.watch(progress.nodes):
            progress.take(change)


def _naming(say: Say) -> Progress:
    def tell(names: list[str]) -> None:
        more = f" and {len(names) - SHOWN_TARGETS} more" if len(names) > SHOWN_TARGETS else ""
        say(f"waiting for {', '.join(names[:SHOWN_TARGETS])}{more}")

    return tell


@contextmanager
def _waiting() -> Iterator[Say]:
    out = error_console()
    if not out.is_terminal:
        yield lambda _: None
        return
    began = time.monotonic()
    with out.status("sending") as line:
        yield lambda words: line.update(Text(f"{words}, {time.monotonic() - began:.0f} s"))
