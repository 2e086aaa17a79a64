"""Which services are there: for one that is away, nobody else answers."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from conche.contract import Service, ServiceBirth, ServiceState

PATIENCE_S: Final = 10.0
"""A service that is away for less than this may only be restarting, and will answer who repeats himself [s]."""


class Workers:
    """Keeps track of the services that answer commands.

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
        """Take that a service, or a worker of one, came or went."""
        name = "/".join(params.values())
        online = birth is not None and birth.state is ServiceState.ONLINE
        if not online and self._online.get(name, True):
            self._away_since[name] = self._clock()
        self._online[name] = online

    def absence(self, group: str) -> str | None:
        """Return in words that a group has no worker, or None where it has one, or may have soon."""
        if self._is_there(f"{Service.SYNC}/{group}"):
            return None
        return f"{group} has no worker: is 'conche {Service.SYNC}' running for it?"

    def absence_of(self, service: str) -> str | None:
        """Return in words that a service is away, or None where it is there, or may be soon."""
        return None if self._is_there(service) else f"{service} is away: does it run? its log says why not"

    def _is_there(self, name: str) -> bool:
        away_s = self._clock() - self._away_since.get(name, self._began)
        return self._online.get(name, False) or away_s < PATIENCE_S
