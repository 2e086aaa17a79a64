"""One channel's task: it tells what is to be told, again and again until it is taken; it waits for no other."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final, Protocol

from .channels import Channel, ChannelRefused, ChannelUnavailable
from .raising import Ledger
from .records import Notice
from .times import Now, duration_words
from .wording import message_of

logger = logging.getLogger(__name__)

RETRY_S: Final = (1.0, 300.0)
"""First and longest wait before a channel that could not be reached is tried again [s]; doubled, with jitter."""


class TellOf(Protocol):
    """Who is told how a channel fares."""

    def __call__(self, words: str, *, ok: bool) -> None:
        """Take it in words, and whether it is well."""


class Outbox:
    """Has one channel told.

    Parameters
    ----------
    name
        Of the channel.
    channel
        The way there.
    ledger
        Knows what is to be told.
    clock
        Reads the clocks.
    timeout_s
        For one attempt [s].
    link
        Page that shows more.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        ledger: Ledger,
        *,
        clock: Callable[[], Now],
        timeout_s: float,
        link: str | None,
    ) -> None:
        self.name = name
        self._channel = channel
        self._ledger = ledger
        self._clock = clock
        self._timeout_s = timeout_s
        self._link = link
        self._due = asyncio.Event()
        self._trouble_since_s: float | None = None
        self._wait_s = RETRY_S[0]
        self.given_up = 0
        """Messages that the channel refused, since the start."""
        self.on_trouble: TellOf = _nobody
        self.on_told: Callable[[], None] = lambda: None
        """Told when something was told, or given up: it is to be remembered at once."""

    def look(self) -> None:
        """Take that there may be something to be told."""
        if self._ledger.is_due(self.name, self._clock()):
            self._due.set()

    async def run(self) -> None:
        """Tell, until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            notice = self._ledger.begin(self.name, self._clock())
            if notice is not None:
                await self._tell(notice)

    async def _tell(self, notice: Notice) -> None:
        message = message_of(notice, link=self._link)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._channel.send(message)
        except TimeoutError:
            await self._put_off(notice, ChannelUnavailable(f"no answer within {self._timeout_s:g} s"))
        except ChannelUnavailable as error:
            await self._put_off(notice, error)
        except ChannelRefused as error:
            self._give_up(notice, message.title, error)
        else:
            self._ledger.arrived(notice, self._clock())
            logger.info("%s: told: %s", self.name, message.title)
            self._take_well(notice)
            self.on_told()

    async def _put_off(self, notice: Notice, error: ChannelUnavailable) -> None:
        """Wait; what is told then is worked out anew."""
        self._ledger.failed(notice)
        self._take_trouble(f"can't be reached: {error}; it is tried again")
        await asyncio.sleep(max(self._wait_s * random.uniform(0.5, 1.0), error.retry_after_s))
        self._wait_s = min(2 * self._wait_s, RETRY_S[1])
        self._due.set()

    def _give_up(self, notice: Notice, title: str, error: ChannelRefused) -> None:
        self.given_up += 1
        self._ledger.refused(notice, self._clock())
        self._wait_s = RETRY_S[0]
        self._take_trouble(f"refuses what it is told: {error}; given up: {title}")
        self.on_told()

    def _take_trouble(self, words: str) -> None:
        """Say it once, until something arrives again."""
        if self._trouble_since_s is None:
            self._trouble_since_s = self._clock().s
            logger.error("channel %s %s", self.name, words)
            self.on_trouble(f"channel {self.name} {words}", ok=False)

    def _take_well(self, notice: Notice) -> None:
        self._wait_s = RETRY_S[0]
        if self._trouble_since_s is None:
            return
        lasted = duration_words(self._clock().s - self._trouble_since_s)
        lost = (
            f"{notice.missed} alerts came and went meanwhile, {self.given_up} messages were given up so far"
        )
        self._trouble_since_s = None
        logger.warning("channel %s works again, after %s; %s", self.name, lasted, lost)
        self.on_trouble(f"channel {self.name} works again, after {lasted}; {lost}", ok=True)


def _nobody(words: str, *, ok: bool) -> None:
    """Tell nobody."""
