"""Drift that stays: some stages rewrite their own config, and a restart does not cure that."""

import re
from collections.abc import Iterable
from typing import Final

CURE_S: Final = 3600.0
"""For so long after a restart for a path, drift of that path is shown and not acted on [s]."""

MAX_PATHS: Final = 200
"""Paths remembered for a node; one that drifts in more is broken, and back-off bounds its restarts."""


class Ignored:
    """The paths of a group that ``ignore:`` names.

    Parameters
    ----------
    patterns
        With ``*`` and ``?``, such as ``rfi/*/bad_inputs`` or ``*/timestamp``.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [_compiled(pattern) for pattern in patterns]

    def covers(self, path: str) -> bool:
        """Return whether drift of a path is of no account."""
        return any(pattern.fullmatch(path) for pattern in self._patterns)


def _compiled(pattern: str) -> re.Pattern[str]:
    """Brackets stand for themselves: paths have them for list positions."""
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."))


class Cures:
    """The paths for which a node was restarted, and when, by a monotonic clock [s]."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def restarted_for(self, paths: Iterable[str], now: float) -> None:
        """Take note of a restart."""
        for path in paths:
            self._at.pop(path, None)
            self._at[path] = now
        for path in list(self._at)[:-MAX_PATHS]:
            del self._at[path]

    def failed_for(self, paths: Iterable[str], now: float) -> bool:
        """Return whether a restart within the last hour was to cure each of these paths."""
        return all(now - self._at.get(path, float("-inf")) < CURE_S for path in paths)

    def current(self, now: float) -> dict[str, float]:
        """Return path to how long ago it was restarted for [s]."""
        return {path: round(now - at, 1) for path, at in self._at.items() if now - at < CURE_S}

    def resume(self, ages: dict[str, float], now: float) -> None:
        """Take over what an earlier process knew."""
        self._at = {path: now - age for path, age in sorted(ages.items(), key=lambda item: -item[1])}

    def forget(self) -> None:
        """Begin anew."""
        self._at.clear()
