"""A command on a connection of its own, with a word on a terminal about whom we wait for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.text import Text

from conche.bus.client import Client
from conche.contract import Arguments

from .output import error_console
from .overview import unserved
from .picture import Picture
from .sending import Progress, Report, send
from .session import with_client
from .targets import Targets

SHOWN_TARGETS: Final = 3
"""Targets that are named while they are waited for."""


def deliver(
    action: str,
    arguments: Arguments,
    *,
    picture: Picture,
    targets: Targets,
    timeout: float,
    account: str,
    away: int,
) -> Report:
    """Send a command to chosen nodes and return what has become of it.

    Groups without a worker are told of, and not waited for.

    Parameters
    ----------
    action, arguments
        What is wished for.
    picture
        Which workers there are.
    targets
        The nodes.
    timeout
        How long to wait [s].
    account
        Who is calling.
    away
        Exit code where the broker can't be reached.

    Raises
    ------
    Trouble
        The broker can't be reached, or Ctrl-C.
    """
    missing = {group: why for group in targets if (why := unserved(picture, group)) is not None}
    with _waiting() as progress:

        async def work(client: Client) -> Report:
            return await send(
                client,
                action,
                arguments,
                targets=targets,
                unserved=missing,
                timeout=timeout,
                progress=progress,
            )

        return with_client(
            work,
            account=account,
            away=away,
            interrupted="interrupted: what was sent may still be carried out; conche status shows it",
        )


@contextmanager
def _waiting() -> Iterator[Progress]:
    out = error_console()
    if not out.is_terminal:
        yield lambda _: None
        return
    began = time.monotonic()
    with out.status("sending") as line:

        def tell(names: list[str]) -> None:
            more = f" and {len(names) - SHOWN_TARGETS} more" if len(names) > SHOWN_TARGETS else ""
            waited = time.monotonic() - began
            line.update(Text(f"waiting for {', '.join(names[:SHOWN_TARGETS])}{more}, {waited:.0f} s"))

        yield tell
