"""How often somebody may ask, and try passwords; what is remembered for that is bounded."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Final

MAX_KEYS: Final = 10_000
"""Persons, names and addresses that are remembered; who was not heard of for longest is forgotten first."""

BURST_S: Final = 4.0
"""Requests that may come at once, as those of so long [s]: a page asks for several things. A guess."""


class Rate:
    """Lets everybody ask so often on average: a bucket of tokens for each.

    Parameters
    ----------
    per_s
        Requests a second.
    now
        Any clock [s].
    """

    def __init__(self, per_s: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._most = max(per_s * BURST_S, 1.0)
        self._now = now
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: Hashable) -> float:
        """Count a request; return 0, or after how long somebody may ask again [s]."""
        now = self._now()
        left, at = self._left.pop(key, (self._most, now))
        left = min(left + (now - at) * self._per_s, self._most)
        allowed = left >= 1.0
        self._left[key] = (left - 1.0 if allowed else left, now)
        if len(self._left) > MAX_KEYS:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1.0 - left) / self._per_s


class Attempts:
    """Counts failures within a time; an attempt counts as one from its begin, so that many at once don't slip by.

    Parameters
    ----------
    most
        Failures after which somebody has to wait.
    window_s
        How long one counts [s].
    now
        Any clock [s].
    """

    def __init__(self, most: int, *, window_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._window_s = window_s
        self._now = now
        self._failed: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def wait_s(self, key: Hashable) -> float:
        """Return 0, or after how long somebody may try again [s]; nothing is counted."""
        failed = self._failed.get(key)
        if failed is None:
            return 0.0
        now = self._now()
        while failed and now - failed[0] >= self._window_s:
            failed.popleft()
        return self._window_s - (now - failed[0]) if len(failed) >= self._most else 0.0

    def begin(self, key: Hashable) -> None:
        """Count an attempt."""
        failed = self._failed.setdefault(key, deque(maxlen=self._most))
        failed.append(self._now())
        self._failed.move_to_end(key)
        if len(self._failed) > MAX_KEYS:
            self._failed.popitem(last=False)

    def undo(self, key: Hashable) -> None:
        """Count one less: an attempt was none, or did not fail."""
        if failed := self._failed.get(key):
            failed.pop()

    def forget(self, key: Hashable) -> None:
        """Count from nothing again."""
        self._failed.pop(key, None)
