"""conche's own services and the poller's sweeps, as readings."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from conche.contract import ServiceBirth, ServiceState, Sweep
from conche.contract import measurements as m

from .board import Moment
from .readings import Reading, Value, time_ns

REMEMBERED: Final = 8
"""Boots of a service that are known: the last will of one that was replaced may come after its successor's birth."""


@dataclass
class Life:
    """One service, and the processes that it has had since somebody looked.

    Parameters
    ----------
    service
        Its name.
    instance
        A worker's group, a poller's name, or '-'.
    birth
        What it said last.
    """

    service: str
    instance: str
    birth: ServiceBirth
    restarts: int = 0
    _boots: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def __post_init__(self) -> None:
        self._boots.append(self.birth.boot)

    def take(self, birth: ServiceBirth) -> None:
        """Take what it says now."""
        self.birth = birth
        if birth.boot not in self._boots:
            self._boots.append(birth.boot)
            self.restarts += 1

    def reading(self, at: Moment) -> Reading:
        """Return the service's state."""
        birth = self.birth
        online = birth.state is ServiceState.ONLINE
        fields: dict[str, Value] = {
            "online": online,
            "state": birth.state,
            "restarts": self.restarts,
            "uptime_s": (at.wall - birth.since).total_seconds() if online else None,
            "dropped": birth.dropped if online else None,  # a last will knows nothing of it
            "invalid": birth.invalid if online else None,
            "version": birth.version or None,
        }
        return Reading(
            m.SERVICE, {"service": self.service, "instance": self.instance}, fields, time_ns(at.wall)
        )


def sweep_reading(sweep: Sweep, *, instance: str) -> Reading:
    """Return how a sweep went."""
    fields = {
        "took_s": sweep.took_s,
        "period_s": sweep.period_s,
        "polled": sweep.polled,
        "unreachable": sweep.unreachable,
        "overrun": sweep.overrun,
    }
    return Reading(m.SWEEP, {"instance": instance}, fields, time_ns(sweep.at))
