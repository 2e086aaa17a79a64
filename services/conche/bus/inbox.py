"""What has come in and was not handled yet, bounded: a storm must not fill the memory.

The drop rule: of a state or heartbeat the newest for each topic wins, and takes the place of the older one
in the queue; a command that finds its part full is not taken, and its sender is told.
"""

import asyncio
from collections import deque
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
        self._order: deque[str | Incoming] = deque()
        self._states: dict[str, Incoming] = {}
        self._commands = 0
        self._ready = asyncio.Event()
        self.replaced = 0
        self.dropped = 0

    def put_state(self, message: Incoming) -> None:
        """Take a state, heartbeat, reply or mark; the older one of its topic is forgotten."""
        if message.topic in self._states:
            self.replaced += 1
        elif len(self._states) >= self._max_topics:
            self.dropped += 1
            return
        else:
            self._order.append(message.topic)
        self._states[message.topic] = message
        self._ready.set()

    def put_command(self, message: Incoming) -> bool:
        """Take a command, or return False when there are too many."""
        if self._commands >= self._max_commands:
            self.dropped += 1
            return False
        self._commands += 1
        self._order.append(message)
        self._ready.set()
        return True

    def forget_states(self) -> None:
        """Forget the states: a new connection brings them all again. Commands stay."""
        self._states.clear()
        self._order = deque(entry for entry in self._order if isinstance(entry, Incoming))

    async def get(self) -> Incoming:
        """Return the next message, waiting for one."""
        while not self._order:
            self._ready.clear()
            await self._ready.wait()
        entry = self._order.popleft()
        if isinstance(entry, str):
            return self._states.pop(entry)
        self._commands -= 1
        return entry
