"""Changes of nodes' statuses, as they come."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from conche.bus.feed import Feed, News
from conche.contract import NODE_STATUS, NodeStatus
from conche.settings import Broker

from .errors import in_words

FOLLOWED: Final = (NODE_STATUS,)


@dataclass(frozen=True, slots=True)
class NodeChange:
    """A node's status is another one.

    Parameters
    ----------
    node
        ``group/node``.
    before
        What was told of it last; None at first.
    status
        What is so now; None where nothing is said of it any more.
    """

    node: str
    before: NodeStatus | None
    status: NodeStatus | None


class Watch:
    """What nodes' statuses are, and then each change, for as long as somebody asks.

    The newest counts: of changes that come faster than they are taken only the last is told.

    Parameters
    ----------
    broker
        Where it is.
    account
        Who is looking.
    wanted
        Tells of ``group/node`` whether it is wanted.
    """

    def __init__(self, broker: Broker, *, account: str, wanted: Callable[[str], bool]) -> None:
        self.lost: str | None = None
        """Why nothing comes now: the broker is away; it is tried again for as long as it takes."""
        self._wanted = wanted
        self._now: dict[str, NodeStatus | None] = {}
        self._told: dict[str, NodeStatus] = {}
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._feed = Feed(broker, account=account, kinds=FOLLOWED, listener=self)
        self._following: asyncio.Task[None] | None = None

    @property
    def complete(self) -> asyncio.Event:
        """Set for good when each node was heard of once: those that are not there by then have no status."""
        return self._feed.complete

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> NodeChange:
        """Return the next change.

        Raises
        ------
        BrokerAway
            Nobody answers there; only before it is complete, later it is tried for as long as it takes.
        AccountDenied
            The broker refuses the account.
        """
        if self._following is None:
            self._following = asyncio.create_task(self._feed.run(), name="follow statuses")
        while True:
            while self._changed:
                key = next(iter(self._changed))
                del self._changed[key]
                if (change := self._change(key)) is not None:
                    return change
            await self._more(self._following)

    def _change(self, key: str) -> NodeChange | None:
        before, after = self._told.pop(key, None), self._now[key]
        if after is not None:
            self._told[key] = after
        else:
            del self._now[key]
        return None if before == after else NodeChange(key, before, after)

    async def _more(self, following: asyncio.Task[None]) -> None:
        waiting = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait([waiting, following], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        self._wake.clear()
        if following.done():
            with in_words():
                following.result()
            raise StopAsyncIteration

    async def close(self) -> None:
        """Stop following."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])

    # --- what the feed tells

    def on_news(self, news: News) -> None:
        """Take a status: the broker is there."""
        self.lost = None
        key = f"{news.params['group']}/{news.params['node']}"
        if news.trouble is None and self._wanted(key):
            self._now[key] = news.payload if isinstance(news.payload, NodeStatus) else None
            self._changed[key] = None
            self._wake.set()

    def on_complete(self) -> None:
        """Take that the broker is there."""
        self.lost = None

    def on_lost(self, words: str) -> None:
        """Take that the broker is away."""
        self.lost = words
