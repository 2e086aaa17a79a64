"""The points that wait for the database: bounded, the oldest go first, and what went is known to the point."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

OVERHEAD: Final = 48
"""Of a point in memory, beside its text [bytes]: those of a ``bytes`` object and its place in the queue."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_NS: Final = 2**63 - 1
"""A time beyond is none: the database has 64 bits for it."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Points that are gone.

    Parameters
    ----------
    points
        How many.
    first_ns, last_ns
        The earliest and the latest time of one of them [UNIX ns]; None where none told its time.
    """

    points: int = 0
    first_ns: int | None = None
    last_ns: int | None = None

    def __str__(self) -> str:
        """In words, as the end of a sentence."""
        if not self.points:
            return "none was lost"
        noun, verb = ("point", "was") if self.points == 1 else ("points", "were")
        span = ""
        if self.first_ns is not None and self.last_ns is not None:
            span = f" of {_span(self.first_ns, self.last_ns)}"
        return f"{self.points:,} {noun}{span} {verb} lost"

    def and_those(self, times_ns: Sequence[int | None]) -> "Loss":
        """Return it with more points, each with its time [UNIX ns] or None."""
        known = [at_ns for at_ns in (self.first_ns, self.last_ns, *times_ns) if at_ns is not None]
        return Loss(self.points + len(times_ns), min(known, default=None), max(known, default=None))


class Buffer:
    """Points in line protocol, each with its time, in the order in which they came.

    Parameters
    ----------
    max_points
        So many are kept.
    max_bytes
        So much memory is used for them [bytes], whatever their number.
    """

    def __init__(self, *, max_points: int, max_bytes: int) -> None:
        self._max_points = max_points
        self._max_bytes = max_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._loss = Loss()
        self.dropped = 0
        """Points that found no room, since the beginning."""

    def __len__(self) -> int:
        """How many wait."""
        return len(self._lines)

    @property
    def loss(self) -> Loss:
        """What was dropped since somebody last took note of it."""
        return self._loss

    def put(self, lines: Iterable[str]) -> None:
        """Add points; where there is no room the oldest are dropped.

        Parameters
        ----------
        lines
            In line protocol, each of which ends with its time [UNIX ns]. An empty one, which is what becomes of a
            point without fields, is none.
        """
        for line in lines:
            if line:
                encoded = line.encode(errors="replace")  # half of a pair of surrogates is no UTF-8
                self._lines.append(encoded)
                self._bytes += len(encoded) + OVERHEAD
        self._drop_what_finds_no_room()

    def take(self, max_points: int, *, max_bytes: int) -> list[bytes]:
        """Remove and return the oldest points: so many at most, and no more than so many bytes, but one at least."""
        taken: list[bytes] = []
        size = 0
        while self._lines and len(taken) < max_points:
            size += len(self._lines[0])
            if taken and size > max_bytes:
                break
            line = self._lines.popleft()
            self._bytes -= len(line) + OVERHEAD
            taken.append(line)
        return taken

    def note_loss(self) -> Loss:
        """Return what was dropped since this was last called."""
        loss, self._loss = self._loss, Loss()
        return loss

    def _drop_what_finds_no_room(self) -> None:
        times_ns = []
        while len(self._lines) > self._max_points or self._bytes > self._max_bytes:
            line = self._lines.popleft()
            self._bytes -= len(line) + OVERHEAD
            times_ns.append(_time_of(line))
        if times_ns:
            self.dropped += len(times_ns)
            self._loss = self._loss.and_those(times_ns)


def _time_of(line: bytes) -> int | None:
    """Return when a point was [UNIX ns]; None where it does not say."""
    try:
        time_ns = int(line[line.rfind(b" ") + 1 :])
    except ValueError:
        return None
    return time_ns if abs(time_ns) <= _LAST_NS else None


def _span(first_ns: int, last_ns: int) -> str:
    first, last = _utc(first_ns), _utc(last_ns)
    if first == last:
        return f"{first:%Y-%m-%d %H:%M:%S} UTC"
    end = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"
    return f"{first:%Y-%m-%d %H:%M:%S} to {end} UTC"


def _utc(time_ns: int) -> datetime:
    """Return the second that a time is in."""
    return _EPOCH + timedelta(seconds=time_ns // 10**9)
