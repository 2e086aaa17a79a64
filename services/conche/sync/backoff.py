"""How long to wait before the same config is pushed to the same node again."""

import random
from dataclasses import dataclass
from typing import Final

FIRST_S: Final = 2.0
LONGEST_S: Final = 300.0
FORGOTTEN_AFTER_S: Final = 600.0
"""Attempts are forgotten after so long without a push, not as soon as a process settles [s]."""


@dataclass
class Backoff:
    """The attempts to bring one node to one revision. Another revision begins anew.

    Times are readings of a monotonic clock [s].
    """

    attempts: int = 0
    revision: str | None = None
    last: float = float("-inf")
    retry_at: float = float("-inf")

    def begin(self, revision: str | None, now: float) -> None:
        """Count a push that begins."""
        if revision != self.revision or now - self.last > FORGOTTEN_AFTER_S:
            self.attempts = 0
        self.revision = revision
        self.attempts += 1
        self.last = now

    def end(self, now: float, *, uncounted: bool = False) -> None:
        """Set when the next push of the same revision may begin; an interrupted push does not count."""
        if uncounted:
            self.attempts = max(0, self.attempts - 1)
        self.last = now
        wait = min(FIRST_S * 2 ** max(0, self.attempts - 1), LONGEST_S)
        self.retry_at = now + wait * random.uniform(0.75, 1.0)

    def wait(self, revision: str | None, now: float) -> float:
        """Return how long a push of a revision still has to wait [s]; 0 if it need not."""
        if revision != self.revision or now - self.last > FORGOTTEN_AFTER_S:
            return 0.0
        return max(0.0, self.retry_at - now)

    def forget(self) -> None:
        """Begin anew."""
        self.attempts = 0
        self.retry_at = float("-inf")
