"""What the database refuses: when a batch is divided, what is counted, and what is said."""

import pytest

from conche.influx import InfluxRefused
from conche.metrics.refusals import MAX_REASONS, Refusals, is_divisible, rejected_of


@pytest.mark.parametrize(
    ("status", "partial", "dropped", "divisible", "rejected"),
    [
        (400, True, 3, False, 3),
        (422, True, 3, False, 3),
        (400, True, 900, False, 10),
        (400, True, None, True, 10),
        (400, False, None, True, 10),
        (400, False, 1, True, 10),
        (400, False, 10, False, 10),
        (413, False, None, True, 10),
        (401, False, None, False, 10),
        (403, False, None, False, 10),
        (404, False, None, False, 10),
        (500, True, 2, False, 2),
    ],
)
def test_a_refusal_of_ten_points(status, partial, dropped, divisible, rejected):
    refused = InfluxRefused("words", status=status, partial=partial, dropped=dropped)
    assert is_divisible(refused, points=10) is divisible
    assert rejected_of(refused, points=10) == rejected


def test_a_single_point_can_not_be_divided():
    assert not is_divisible(InfluxRefused("words", status=400), points=1)


def test_a_reason_is_told_once_whatever_its_figures():
    refusals = Refusals()
    told = [refusals.note(f"conflict of f dropped={n}") for n in range(3)]
    assert told == [True, False, False]
    assert refusals.note("conflict of g dropped=1")


def test_reasons_without_end_are_not_told_without_end():
    refusals = Refusals()
    letters = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(2 * MAX_REASONS)]
    assert sum(refusals.note(word) for word in letters) == MAX_REASONS
