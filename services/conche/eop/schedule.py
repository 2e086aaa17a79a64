"""When the table is built again."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

CLOCK_STEP: Final = timedelta(minutes=10)
"""A wall clock that went otherwise than the monotonic one by more was set, or the machine slept; a guess."""

RETRY: Final = timedelta(minutes=1)
LONGEST_RETRY: Final = timedelta(hours=1)
"""First and longest wait after a run that failed; doubled in between. Guesses: the table lasts for days."""

AT_START: Final = "at the start"
DAILY: Final = "as every day"
DROPPING: Final = (AT_START, DAILY)
"""Reasons of runs that may leave out old entries: when a clock was just set, nobody knows which they are."""

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """A reading of both clocks.

    Parameters
    ----------
    wall
        UTC.
    monotonic_s
        Never set by anybody [s].
    """

    wall: datetime
    monotonic_s: float

    def since(self, earlier: "Moment") -> timedelta:
        """Return the time that has passed, whatever was done to the wall clock."""
        return timedelta(seconds=self.monotonic_s - earlier.monotonic_s)

    def stepped(self, earlier: "Moment") -> timedelta:
        """Return how far the wall clock was set since; forward is positive."""
        return self.wall - earlier.wall - self.since(earlier)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The last run.

    Parameters
    ----------
    at
        When it began.
    frame0_ns
        For which time base [ns]; None where none was known.
    failures
        Runs in a row that failed; 0 after one that did not.
    """

    at: Moment
    frame0_ns: int | None
    failures: int


def reason_to_run(
    last: Attempt | None,
    *,
    now: Moment,
    frame0_ns: int | None,
    run_at: time,
    is_rejected: bool = False,
    renderer_is_back: bool = False,
) -> str | None:
    """Return why the table is to be built now, in words, or None.

    Parameters
    ----------
    last
        The last run of this process.
    now
        Clocks.
    frame0_ns
        The time base that is known now [ns].
    run_at
        Time of the daily run (UTC).
    is_rejected
        Whether a frame0 is reported and not believed.
    renderer_is_back
        Whether a renderer has come since.
    """
    if last is None:
        return AT_START
    if is_rejected and last.frame0_ns is not None:
        return "frame0 is not believed any more"
    if frame0_ns is not None and frame0_ns != last.frame0_ns:
        return "frame0 has changed" if last.frame0_ns is not None else "frame0 is known now"
    step = now.stepped(last.at)
    if abs(step) > CLOCK_STEP:
        return f"the clock was set by {step.total_seconds():+.0f} s, or this machine slept"
    if last.failures and renderer_is_back:
        return "again, because the renderer is back"
    if last.failures and now.since(last.at) >= backoff(last.failures):
        return "again, because the last run failed"
    if last_slot(now.wall, run_at=run_at) > last.at.wall:
        return DAILY
    return None


def next_run(last: Attempt | None, *, now: datetime, run_at: time) -> datetime:
    """Return when the table is built again, if nothing else happens."""
    daily = last_slot(now, run_at=run_at) + _DAY
    if last is None or not last.failures:
        return daily
    return min(daily, max(now, last.at.wall + backoff(last.failures)))


def last_slot(now: datetime, *, run_at: time) -> datetime:
    """Return the time of the last daily run that was to be, at or before now."""
    today = datetime.combine(now.astimezone(UTC).date(), run_at, tzinfo=UTC)
    return today if today <= now else today - _DAY


def backoff(failures: int) -> timedelta:
    """Return how long to wait after runs that failed."""
    return min(RETRY * (1 << min(failures - 1, 10)), LONGEST_RETRY)
