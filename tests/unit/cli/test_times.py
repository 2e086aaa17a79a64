"""Times as they are typed."""

from datetime import UTC, datetime, timedelta

import pytest

from conche.cli.times import TimeInvalid, parse_since, parse_until

from .samples import NOW


@pytest.mark.parametrize(
    ("words", "span"),
    [
        ("45s", timedelta(seconds=45)),
        ("90m", timedelta(minutes=90)),
        ("90 min", timedelta(minutes=90)),
        ("1.5h", timedelta(hours=1.5)),
        ("3d", timedelta(days=3)),
    ],
)
def test_a_span_counts_from_now(words: str, span: timedelta):
    assert parse_until(words, NOW) == NOW + span


def test_a_time_of_day_is_the_next_one_in_utc():
    assert parse_until("03:30Z", NOW) == NOW.replace(minute=30)
    assert parse_until("02:30Z", NOW) == datetime(2026, 11, 22, 2, 30, tzinfo=UTC)


def test_a_date_and_time_has_its_zone():
    assert parse_until("2026-11-21T01:30-08:00", NOW) == datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("2026-11-21T17:30", "has no zone"),
        ("2026-11-20T17:30Z", "over already"),
        ("0h", "over already"),
        ("tomorrow", "is no time: say 90m"),
        ("25:00Z", "is no time"),
        ("9999999999d", "is no time"),
        ("", "is no time"),
    ],
)
def test_what_is_no_time_to_come_is_answered_with_what_would_have_been(words: str, problem: str):
    with pytest.raises(TimeInvalid, match=problem):
        parse_until(words, NOW)


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("2h", timedelta(hours=-2)),
        ("90m", timedelta(minutes=-90)),
        ("3d", timedelta(days=-3)),
    ],
)
def test_a_span_lies_in_the_past_for_since(words: str, at: timedelta) -> None:
    assert parse_since(words, NOW) == NOW + at


def test_a_time_of_day_is_the_last_one_for_since() -> None:
    assert parse_since(f"{NOW:%H:%M}Z", NOW) <= NOW
    later = NOW + timedelta(hours=1)
    assert parse_since(f"{later:%H:%M}Z", NOW) == later.replace(second=0, microsecond=0) - timedelta(days=1)


def test_what_is_still_to_come_is_no_since() -> None:
    with pytest.raises(TimeInvalid, match="still to come"):
        parse_since((NOW + timedelta(hours=1)).isoformat(), NOW)


@pytest.mark.parametrize("words", ["0001-01-01T00:00+14:00", "9999-12-31T23:00-14:00"])
def test_a_time_that_is_beyond_the_calendar_in_utc_is_no_time(words: str) -> None:
    for parse in (parse_since, parse_until):
        with pytest.raises(TimeInvalid, match="is no time"):
            parse(words, NOW)


def test_what_is_no_time_is_told_with_the_remedy_for_since() -> None:
    with pytest.raises(TimeInvalid, match=r"the last one, in UTC"):
        parse_since("yesterday", NOW)
