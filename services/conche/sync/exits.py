"""How often a node's process may end: systemd gives a unit up after five starts in ten seconds."""

from collections import deque
from typing import Final

WINDOW_S: Final = 10.0
ALLOWED: Final = 4
"""Process exits of one node in the window: kills, rejections, deaths."""

MARGIN_S: Final = 0.5
"""The window is systemd's, by its own clock, from start to start [s]."""


class Exits:
    """The latest exits of one node's processes, by a monotonic clock [s]."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=ALLOWED)

    def count(self, now: float) -> None:
        """Take note of an exit."""
        self._times.append(now)

    def wait(self, now: float) -> float:
        """Return how long nothing may be done that can end the process [s]."""
        if len(self._times) < ALLOWED:
            return 0.0
        return max(0.0, self._times[0] + WINDOW_S + MARGIN_S - now)

    def ages(self, now: float) -> list[float]:
        """Return how long ago each exit in the window was [s]."""
        return [round(now - at, 3) for at in self._times if now - at < WINDOW_S + MARGIN_S]

    def resume(self, ages: list[float], now: float) -> None:
        """Take over what an earlier process counted."""
        self._times = deque((now - age for age in sorted(ages, reverse=True)), maxlen=ALLOWED)
