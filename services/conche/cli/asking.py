"""Questions to the journal over one connection."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec.structs import replace

from conche.bus.client import Client
from conche.contract import NO_NAME, SERVICE, Events, JournalEntry, Reply, Service, ServiceBirth, ServiceState

from .output import plain

PAGE: Final = 1000
"""Entries in one answer, at most."""

REPEAT_S: Final = 3.0
"""A question that was not answered is asked again after this [s]; a guess."""

TIMEOUT_S: Final = 15.0
"""When to give up [s]: the journal answers in less than a second."""


class JournalAway(Exception):
    """There is no journal that answers; says what to do."""


class QuestionRefused(Exception):
    """The journal does not answer this, in its words."""


async def check_journal(client: Client) -> None:
    """Look whether the journal is there.

    Raises
    ------
    JournalAway
        It is not.
    BusUnavailable
        The connection was lost.
    """
    births = [birth for _, birth in await client.read(SERVICE, service=Service.JOURNAL)]
    birth = births[0] if births else None
    if birth is None or birth.state is not ServiceState.ONLINE:
        raise JournalAway(f"{_absence(birth)}: begin it with conche journal, or see its log")


def _absence(birth: ServiceBirth | None) -> str:
    if birth is None:
        return "the journal has never been online"
    what = "was stopped" if birth.state is ServiceState.OFFLINE else "is lost"
    return f"the journal {what}{f', it ran on {plain(birth.host)}' if birth.host else ''}"


async def ask(client: Client, wish: Events) -> Reply:
    """Ask the journal, again and again until it answers.

    Raises
    ------
    JournalAway
        It does not in time.
    QuestionRefused
        It says why not.
    """
    now = asyncio.get_running_loop().time
    deadline = now() + TIMEOUT_S
    expires = datetime.now(UTC) + timedelta(seconds=TIMEOUT_S)
    wish = replace(wish, id=f"cli-{secrets.token_hex(8)}", expires_at=expires)
    while now() < deadline:
        await client.send("events", wish, group=NO_NAME, node=Service.JOURNAL)
        until = min(deadline, now() + REPEAT_S)
        while (reply := await client.reply(timeout=until - now())) is not None:
            if reply.id != wish.id:
                continue
            if reply.ok:
                return reply
            raise QuestionRefused(reply.error or "the journal says no, and not why")
    raise JournalAway(f"the journal did not answer within {TIMEOUT_S:g} s: see its log")


async def newest(client: Client, wish: Events, *, limit: int) -> tuple[list[JournalEntry], bool, list[str]]:
    """Return the newest entries, the oldest of them first; whether there are more; and the journal's warnings."""
    found: list[JournalEntry] = []
    warnings: list[str] = []
    while len(found) <= limit:  # one more tells whether there are more
        before = found[-1].number if found else wish.before
        reply = await ask(client, replace(wish, before=before, limit=min(PAGE, limit + 1 - len(found))))
        warnings = reply.warnings
        if not reply.events:
            break
        found += reply.events
    return found[:limit][::-1], len(found) > limit, warnings


async def everything(client: Client, wish: Events) -> AsyncIterator[Reply]:
    """Yield all entries, page by page, the oldest first; the last page has none."""
    after = 0
    while True:
        reply = await ask(client, replace(wish, after=after, limit=PAGE))
        yield reply
        if not reply.events:
            return
        after = reply.events[-1].number
