"""What has come in and was not handled yet, bounded: a storm must not fill the memory.

The drop rule: of a state the newest for each topic wins, and takes the place of the older one in the queue. A
heartbeat, which says something of what came before it, must not overtake that, and must not be put off for ever:
one that finds an older one waiting is forgotten. A command that finds its part full is not taken, and its sender
is told.
"""

import asyncio
from collections import OrderedDict
from itertools import count
from typing import Final

from .link import Incoming

MAX_TOPICS: Final = 100_000
"""Topics with an unhandled state; far more than a telescope has."""

MAX_COMMANDS: Final = 1_000
"""Unhandled commands; a guess: an operator's script for each node of a large cluster."""


class Inbox:
    """A bounded queue in which a newer state replaces the older one of its topic."""

    def __init__(self, *, max_topics: int = MAX_TOPICS, max_commands: int = MAX_COMMANDS) -> None:
        self._max_topics = max_topics
        self._max_commands = max_commands
        self._queue: OrderedDict[str | int, Incoming] = OrderedDict()
        """A state by its topic, a command by its number."""
        self._commands = 0
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
        elif len(self._queue) - self._commands >= self._max_topics:
            self.dropped += 1
            return
        self._queue[message.topic] = message
        self._ready.set()

    def put_command(self, message: Incoming) -> bool:
        """Take a command, or return False when there are too many."""
        if self._commands >= self._max_commands:
            self.dropped += 1
            return False
        self._commands += 1
        self._queue[next(self._numbers)] = message
        self._ready.set()
        return True

    def forget_states(self) -> None:
        """Forget the states: a new connection brings them all again. Commands stay."""
        for key in [key for key in self._queue if isinstance(key, str)]:
            del self._queue[key]

    async def get(self) -> Incoming:
        """Return the next message, waiting for one."""
        while not self._queue:
            self._ready.clear()
            await self._ready.wait()
        key, message = self._queue.popitem(last=False)
        if isinstance(key, int):
            self._commands -= 1
        return message
