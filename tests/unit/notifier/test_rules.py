"""When a rule is quiet."""

from datetime import UTC, datetime

import pytest

from .samples import quiet


@pytest.mark.parametrize(
    ("hours", "local", "is_quiet"),
    [
        (("22:00", "07:00"), "21:59", False),
        (("22:00", "07:00"), "22:00", True),
        (("22:00", "07:00"), "00:00", True),
        (("22:00", "07:00"), "06:59", True),
        (("22:00", "07:00"), "07:00", False),
        (("12:00", "13:00"), "12:30", True),
        (("12:00", "13:00"), "13:00", False),
        (("12:00", "13:00"), "03:00", False),
    ],
)
def test_quiet_hours_may_contain_midnight_and_their_end_is_not_quiet(
    hours: tuple[str, str], local: str, is_quiet: bool
):
    assert quiet(*hours).contain(datetime.fromisoformat(f"2026-11-21T{local}:00+00:00")) is is_quiet


@pytest.mark.parametrize(
    ("utc", "is_quiet"),
    [
        ("2026-03-08T05:59", False),  # 21:59 PST, the evening before clocks go forward
        ("2026-03-08T06:00", True),  # 22:00 PST
        ("2026-03-08T13:59", True),  # 06:59 PDT: the night has an hour less
        ("2026-03-08T14:00", False),  # 07:00 PDT
        ("2026-11-01T05:00", True),  # 22:00 PDT, the evening before clocks go back
        ("2026-11-01T14:59", True),  # 06:59 PST: the night has an hour more
        ("2026-11-01T15:00", False),  # 07:00 PST
    ],
)
def test_quiet_hours_are_those_of_the_wall_also_where_clocks_are_set(utc: str, is_quiet: bool):
    at = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert quiet("22:00", "07:00", "America/Vancouver").contain(at) is is_quiet
