"""How long to wait before the same config is pushed to the same node again."""

import random
from dataclasses import dataclass
from typing import Final

FIRST_S: Final = 2.0
LONGEST_S: Final = 300.0
PAUSE_S: Final = 1.0
"""After a push that was interrupted; so that nothing that interrupts it at once makes a tight loop [s]."""

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
        """Count a push that begins, and set when the next of the same revision may."""
        if revision != self.revision or now - self.last > FORGOTTEN_AFTER_S:
            self.attempts = 0
        self.revision = revision
        self.attempts += 1
        self.last = now
        wait = min(FIRST_S * 2 ** (self.attempts - 1), LONGEST_S)
        self.retry_at = now + wait * random.uniform(0.75, 1.0)

    def uncount(self, now: float) -> None:
        """Take back the count of a push that was interrupted."""
        self.attempts = max(0, self.attempts - 1)
        self.retry_at = now + PAUSE_S

    def resume(self, *, attempts: int, revision: str | None, wait_s: float, now: float) -> None:
        """Take over what an earlier process counted; a clock that stepped does not make the wait longer."""
        self.attempts = attempts
        self.revision = revision
        self.last = now
        self.retry_at = now + min(max(wait_s, 0.0), LONGEST_S)

    def wait(self, revision: str | None, now: float) -> float:
        """Return how long a push of a revision still has to wait [s]; 0 if it need not."""
        if revision != self.revision or now - self.last > FORGOTTEN_AFTER_S:
            return 0.0
        return max(0.0, self.retry_at - now)

    def forget(self) -> None:
        """Begin anew."""
        self.attempts = 0
        self.retry_at = float("-inf")
