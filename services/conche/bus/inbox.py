"""What has come in and was not handled yet, bounded: a storm must not fill the memory.

The drop rule: of a state the newest for each topic wins, and takes the place of the older one in the queue. A
heartbeat, which says something of what came before it, must not overtake that, and must not be put off for ever:
one that finds an older one waiting is forgotten. A command that finds its part full is not taken, and its sender
is told. An event is never replaced: one that finds its part full is lost, and counted.
"""

import asyncio
from collections import Counter, OrderedDict
from itertools import count
from typing import Final

from conche.contract import Delivery

from .link import Incoming

MAX_TOPICS: Final = 100_000
"""Topics with an unhandled state; far more than a telescope has."""

MAX_COMMANDS: Final = 1_000
"""Unhandled commands; a guess: an operator's script for each node of a large cluster."""

MAX_EVENTS: Final = 20_000
"""Unhandled events; a guess: ten things that happen to each node of a large cluster at once."""


class Inbox:
    """A bounded queue in which a newer state replaces the older one of its topic."""

    def __init__(
        self,
        *,
        max_topics: int = MAX_TOPICS,
        max_commands: int = MAX_COMMANDS,
        max_events: int = MAX_EVENTS,
    ) -> None:
        self._max_topics = max_topics
        self._most = {Delivery.COMMAND: max_commands, Delivery.EVENT: max_events}
        self._queue: OrderedDict[str | tuple[Delivery, int], Incoming] = OrderedDict()
        """A state by its topic, a command or event by its number."""
        self._singles: Counter[Delivery] = Counter()
        """Commands and events that wait."""
        self._numbers = count()
        self._ready = asyncio.Event()
        self.replaced = 0
        self.dropped = 0

    def put_state(self, message: Incoming, *, late: bool = False) -> None:
        """Take a state, heartbeat, reply or mark; one of two of its topic is forgotten.

        Parameters
        ----------
        late
            It says something about what was said before it, so it must not overtake that: a heartbeat.
        """
        if message.topic in self._queue:
            self.replaced += 1
            if late:
                return
        elif len(self._queue) - self._singles.total() >= self._max_topics:
            self.dropped += 1
            return
        self._queue[message.topic] = message
        self._ready.set()

    def put_command(self, message: Incoming) -> bool:
        """Take a command, or return False when there are too many."""
        return self._put_single(message, Delivery.COMMAND)

    def put_event(self, message: Incoming) -> bool:
        """Take an event, or return False when there are too many."""
        return self._put_single(message, Delivery.EVENT)

    def _put_single(self, message: Incoming, delivery: Delivery) -> bool:
        if self._singles[delivery] >= self._most[delivery]:
            self.dropped += 1
            return False
        self._singles[delivery] += 1
        self._queue[delivery, next(self._numbers)] = message
        self._ready.set()
        return True

    def forget_states(self) -> None:
        """Forget the states: a new connection brings them all again. Commands and events stay."""
        for key in [key for key in self._queue if isinstance(key, str)]:
            del self._queue[key]

    async def get(self) -> Incoming:
        """Return the next message, waiting for one."""
        while not self._queue:
            self._ready.clear()
            await self._ready.wait()
        key, message = self._queue.popitem(last=False)
        if not isinstance(key, str):
            self._singles[key[0]] -= 1
        return message
