"""Which groups have a worker: for one that has none, nobody else answers."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from conche.contract import Service, ServiceBirth, ServiceState

PATIENCE_S: Final = 10.0
"""A worker that is away for less than this may only be restarting, and will answer who repeats himself [s]."""


class Workers:
    """Keeps track of the workers of all groups.

    Parameters
    ----------
    clock
        Monotonic [s].
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._online: dict[str, bool] = {}
        self._away_since: dict[str, float] = {}

    def on_birth(self, params: Mapping[str, str], birth: ServiceBirth | None) -> None:
        """Take that a worker came or went."""
        group = params["instance"]
        online = birth is not None and birth.state is ServiceState.ONLINE
        if not online and self._online.get(group, True):
            self._away_since[group] = self._clock()
        self._online[group] = online

    def absence(self, group: str) -> str | None:
        """Return in words that a group has no worker, or None where it has one, or may have soon."""
        if self._online.get(group, False):
            return None
        if self._clock() - self._away_since.get(group, self._began) < PATIENCE_S:
            return None
        return f"{group} has no worker: is 'conche {Service.SYNC}' running for it?"
