"""When a server wants to be asked again."""

from datetime import UTC, datetime

import pytest

from conche.web import retry_after_s

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        (" 7 ", 7.0),
        ("9" * 400, float("inf")),
        ("Sat, 21 Nov 2026 03:02:00 GMT", 120.0),
        ("Sat, 21 Nov 2026 03:02:00 -0000", 120.0),
        ("Sat, 21 Nov 2026 02:00:00 GMT", 0.0),
    ],
)
def test_it_is_told_in_seconds_or_as_a_date(header: str, seconds: float):
    assert retry_after_s(header, now=NOW) == seconds


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "1.5", "nan", "inf", "²", "٣"])
def test_what_is_neither_says_nothing(header: str | None):
    assert retry_after_s(header, now=NOW) is None


@pytest.mark.parametrize(
    "header",
    [
        "Sat, 21 Nov 99999999999 03:00:00 GMT",
        "Sat, 99999999999999999999999 Nov 2026 03:00:00 GMT",
        "Sat, 21 Nov 2026 03:00:00 +99999999999999",
        "Wed, 21 Oct 2015 07:28:00 -99999",
    ],
    ids=["year", "day", "zone", "zone of weeks"],
)
def test_a_date_that_no_calendar_has_says_nothing(header: str):
    assert retry_after_s(header, now=NOW) is None
