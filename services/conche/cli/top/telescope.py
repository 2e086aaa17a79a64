"""What the screen wants of a running conche: commands carried out, and what happened before."""

from collections.abc import Sequence
from typing import Final, Protocol

from conche.cli.output import plain
from conche.cli.session import without_number
from conche.client import Conche, ConcheError, Report
from conche.client.sending import Progress
from conche.contract import JournalEntry
from conche.settings import Broker

from .wishes import Kind, Wish

PAST: Final = 100
"""Events of before that are asked for."""


class WishFailed(Exception):
    """Nothing has become of a wish, or nobody knows; says why, in words for people."""


class Telescope(Protocol):
    """Carries out, and remembers."""

    async def carry_out(self, wish: Wish, progress: Progress) -> Report:
        """Return what has become of a wish.

        Raises
        ------
        WishFailed
            Nothing, or nobody knows.
        """

    async def past(self, words: Sequence[str]) -> list[JournalEntry]:
        """Return what happened to nodes lately; nothing where nobody remembers it."""


class Connected:
    """Has a connection of its own for every wish, so that one does not wait for another.

    Parameters
    ----------
    broker
        Where it is.
    account
        Who is calling.
    """

    def __init__(self, broker: Broker, *, account: str) -> None:
        self._broker = broker
        self._account = account

    async def carry_out(self, wish: Wish, progress: Progress) -> Report:
        """Return what has become of a wish; see `Telescope`."""
        try:
            async with Conche(broker=self._broker, account=self._account, progress=progress) as conche:
                return await _send(conche, wish)
        except ConcheError as error:
            raise WishFailed(plain(without_number(error))) from error

    async def past(self, words: Sequence[str]) -> list[JournalEntry]:
        """Return what the journal knows; see `Telescope`."""
        try:
            async with Conche(broker=self._broker, account=self._account) as conche:
                return await conche.events(words, limit=PAST)
        except ConcheError:  # there may be none: the events of now are shown all the same
            return []


async def _send(conche: Conche, wish: Wish) -> Report:
    match wish.kind:
        case Kind.START:
            return await conche.start(wish.words, reason=wish.reason)
        case Kind.STOP:
            return await conche.stop(wish.words, reason=wish.reason)
        case Kind.RESYNC:
            return await conche.resync(wish.words, reason=wish.reason)
        case Kind.PING:
            return await conche.ping(wish.words)
    on = wish.kind is Kind.MAINTENANCE_ON
    return await conche.maintenance(wish.words, on=on, until=wish.until, reason=wish.reason)
