"""When the table is built, by two clocks."""

from datetime import UTC, datetime, time, timedelta

import pytest

from conche.eop.schedule import Attempt, Moment, backoff, last_slot, next_run, reason_to_run

NOON = time(12)
FRAME0 = 1_772_838_439_000_002_880
DONE = datetime(2026, 11, 21, 12, 0, 3, tzinfo=UTC)


def reason(
    hours: float, *, step: timedelta = timedelta(), failures: int = 0, frame0_ns: int | None = FRAME0
) -> str | None:
    """Why it is built so long after a run just after noon, if the wall clock was set meanwhile."""
    last = Attempt(Moment(DONE, 100.0), FRAME0, failures)
    passed = timedelta(hours=hours)
    now = Moment(DONE + passed + step, 100.0 + passed.total_seconds())
    return reason_to_run(last, now=now, frame0_ns=frame0_ns, run_at=NOON)


def test_it_is_built_at_the_start():
    assert reason_to_run(None, now=Moment(DONE, 0), frame0_ns=None, run_at=NOON) == "at the start"


def test_it_is_built_once_a_day():
    assert [reason(h) for h in (0, 1, 12, 23.99)] == [None] * 4
    assert reason(24) == "as every day"


def test_another_frame0_is_a_reason_at_once_and_one_that_is_lost_is_none():
    assert reason(0.1, frame0_ns=FRAME0 + 1) == "frame0 has changed"
    assert reason(0.1, frame0_ns=None) is None
    unknown = Attempt(Moment(DONE, 100.0), None, 1)
    now = Moment(DONE, 100.0)
    assert reason_to_run(unknown, now=now, frame0_ns=FRAME0, run_at=NOON) == "frame0 is known now"


@pytest.mark.parametrize("failures", [1, 2, 5, 40])
def test_a_run_that_failed_is_tried_again_later_and_later(failures: int):
    wait = backoff(failures) / timedelta(hours=1)
    assert reason(wait - 0.001, failures=failures) is None
    assert reason(wait, failures=failures) == "again, because the last run failed"
    assert timedelta(minutes=1) <= backoff(failures) <= timedelta(hours=1)


@pytest.mark.parametrize("step", [timedelta(days=-400), timedelta(hours=-1), timedelta(days=3)])
def test_a_clock_that_was_set_is_a_reason(step: timedelta):
    assert "the clock was set by" in (reason(0.5, step=step) or "")


@pytest.mark.parametrize("step", [timedelta(minutes=-9), timedelta(minutes=9)])
def test_a_clock_that_was_corrected_a_little_is_none(step: timedelta):
    assert reason(0.5, step=step) is None


def test_a_clock_set_back_a_little_over_noon_makes_no_second_run_before_the_next_noon():
    assert reason(0.1, step=timedelta(minutes=-8)) is None
    assert reason(24, step=timedelta(minutes=-8)) is None
    assert reason(24.2, step=timedelta(minutes=-8)) == "as every day"


def test_a_machine_that_slept_over_noon_catches_up():
    """Its monotonic clock stood still meanwhile."""
    assert reason(1, step=timedelta(hours=30)) is not None


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_the_next_run_is_the_moment_at_which_there_is_a_reason(failures: int):
    last = Attempt(Moment(DONE, 100.0), FRAME0, failures)
    at = next_run(last, now=DONE, run_at=NOON)
    for late, due in ((timedelta(seconds=-1), False), (timedelta(), True)):
        now = Moment(at + late, 100.0 + (at + late - DONE).total_seconds())
        assert (reason_to_run(last, now=now, frame0_ns=FRAME0, run_at=NOON) is not None) is due


def test_the_last_slot_is_today_s_or_yesterday_s():
    assert last_slot(DONE, run_at=NOON) == datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert last_slot(DONE, run_at=time(13)) == datetime(2026, 11, 20, 13, tzinfo=UTC)
    assert last_slot(datetime(2026, 11, 21, 12, tzinfo=UTC), run_at=NOON).day == 21
