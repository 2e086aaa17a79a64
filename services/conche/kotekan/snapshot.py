"""One look at one kotekan: how it answered and what it runs."""

from dataclasses import dataclass

from conche.contract import Reach

from .client import Reader
from .errors import KotekanBusy, KotekanError, KotekanRefused, KotekanUnreachable
from .revision import Fingerprint, FingerprintCache


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one look showed.

    Parameters
    ----------
    reach
        How it answered.
    running
        The fingerprint of what it runs; None when it is idle or did not answer.
    body
        The config as it was sent.
    error
        What went wrong, in words.
    """

    reach: Reach
    running: Fingerprint | None = None
    body: bytes | None = None
    error: str | None = None

    @property
    def idle(self) -> bool:
        """Whether it answered and runs nothing."""
        return self.reach is Reach.OK and self.running is None


def failure(error: KotekanError) -> Snapshot:
    """Return the snapshot of a look that failed."""
    match error:
        case KotekanRefused():
            reach = Reach.REFUSED
        case KotekanUnreachable():
            reach = Reach.UNREACHABLE
        case KotekanBusy():
            reach = Reach.BUSY
        case _:
            reach = Reach.HTTP_ERROR
    return Snapshot(reach, error=str(error))


async def look(reader: Reader, cache: FingerprintCache) -> Snapshot:
    """Look at a kotekan over an open connection.

    Raises
    ------
    KotekanError
        It did not answer as one that is idle or runs.
    """
    body = await reader.config()
    if body is None:
        return Snapshot(Reach.OK)
    return Snapshot(Reach.OK, running=cache.of(body), body=body)
