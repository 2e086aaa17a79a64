"""What the database refuses: said once for each reason, and whether it is worth finding out which points it means."""

import re
from typing import Final

from conche.influx import InfluxRefused

MAX_REASONS: Final = 100
"""Of so many it is told; beyond that they are only counted. A guess."""

_WHOLE: Final = (400, 413, 422)
"""Statuses with which a whole batch may be refused for the sake of one point, or of its length."""

_VARYING: Final = re.compile(r"\d+")


def is_divisible(refused: InfluxRefused, *, points: int) -> bool:
    """Return whether to try the two halves of a batch, to find out which points are refused.

    InfluxDB 2 stores nothing of a batch in which it can't read one line. What is stored already is stored anew by
    that, as the same point.

    Parameters
    ----------
    refused
        Its answer.
    points
        Of the batch.
    """
    if points < 2 or refused.status not in _WHOLE:
        return False
    if refused.dropped is None:
        return True
    return not refused.partial and refused.dropped < points


def rejected_of(refused: InfluxRefused, *, points: int) -> int:
    """Return how many points of a batch that is not divided are not stored."""
    if refused.partial and refused.dropped is not None:
        return min(refused.dropped, points)
    return points


class Refusals:
    """The reasons for which the database has refused points."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def note(self, words: str) -> bool:
        """Take note of one; return whether it is a new reason.

        Parameters
        ----------
        words
            The database's; figures in them make no other reason.
        """
        reason = _VARYING.sub("#", words)
        if reason in self._seen or len(self._seen) >= MAX_REASONS:
            return False
        self._seen.add(reason)
        return True
