"""The buffer: bounded by number and bytes, oldest first, and what is gone is known to the point."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conche.metrics.buffer import OVERHEAD, Buffer, Loss

S = 10**9
T18 = 1795284131 * S  # 2026-11-21 18:02:11 UTC


def line(number: int, text: str = "x") -> str:
    return f'm,t=a f=1.0,s="{text}" {number}'


def buffer(points: int = 10, size: int = 10**6) -> Buffer:
    return Buffer(max_points=points, max_bytes=size)


def times(lines: list[bytes]) -> list[int]:
    return [int(one.rsplit(b" ", 1)[1]) for one in lines]


def test_points_come_out_in_the_order_in_which_they_came():
    held = buffer()
    held.put([line(3), line(1)])
    held.put([line(2)])
    assert times(held.take(2, max_bytes=10**6)) == [3, 1]
    assert times(held.take(2, max_bytes=10**6)) == [2]
    assert held.take(2, max_bytes=10**6) == []


def test_the_oldest_go_when_there_is_no_room():
    held = buffer(3)
    held.put(line(n) for n in range(5))
    assert (len(held), held.dropped) == (3, 2)
    assert times(held.take(9, max_bytes=10**6)) == [2, 3, 4]


def test_long_points_are_bounded_by_their_bytes():
    one = len(line(1, "y" * 1000)) + OVERHEAD
    held = buffer(100, 3 * one)
    held.put(line(n, "y" * 1000) for n in range(5))
    assert (len(held), held.dropped) == (3, 2)


def test_signs_that_take_several_bytes_count_as_such():
    held = buffer(100, 1000)
    held.put([line(1, "é" * 450)])
    assert len(held) == 1
    held.put([line(2, "é" * 500)])
    assert (len(held), held.dropped) == (0, 2)


def test_room_is_there_again_for_what_was_taken():
    held = buffer(100, 2 * (len(line(1)) + OVERHEAD))
    for n in range(1, 9):
        held.put([line(n)])
        held.take(1, max_bytes=10**6)
    assert held.dropped == 0


def test_a_request_is_bounded_by_bytes_and_never_empty():
    held = buffer()
    held.put(line(n, "y" * 100) for n in range(4))
    assert len(held.take(4, max_bytes=2 * len(line(0, "y" * 100)))) == 2
    assert len(held.take(4, max_bytes=1)) == 1


def test_a_point_without_fields_is_none():
    held = buffer()
    held.put(["", line(1)])
    assert len(held) == 1


def test_half_of_a_pair_of_surrogates_costs_a_sign_and_not_the_process():
    held = buffer()
    held.put([line(1, "\ud800")])
    assert held.take(1, max_bytes=10**6) == [line(1, "?").encode()]


def test_a_loss_tells_the_earliest_and_the_latest_time_of_what_is_gone():
    held = buffer(1)
    held.put([line(T18 + 1769 * S), line(T18), line(T18 + 5 * S), line(0)])
    assert held.loss == Loss(3, T18, T18 + 1769 * S)
    assert str(held.loss) == "3 points of 2026-11-21 18:02:11 to 18:31:40 UTC were lost"


def test_a_loss_is_told_once_and_counted_for_ever():
    held = buffer(1)
    held.put([line(1), line(2)])
    assert held.note_loss().points == 1
    assert held.note_loss() == Loss()
    assert held.dropped == 1


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (Loss(), "none was lost"),
        (Loss(1, T18, T18 + 1), "1 point of 2026-11-21 18:02:11 UTC was lost"),
        (Loss(12_345, T18, T18 + 86_400 * S),
         "12,345 points of 2026-11-21 18:02:11 to 2026-11-22 18:02:11 UTC were lost"),
        (Loss(2), "2 points were lost"),
    ],
)  # fmt: skip
def test_a_loss_in_words(loss: Loss, words: str):
    assert str(loss) == words


@pytest.mark.parametrize("text", ["m f=1", "m", f"m f=1 {10**30}", "m f=1 now"])
def test_a_point_that_tells_no_time_is_lost_without_one(text: str):
    held = buffer(1)
    held.put([text, line(1)])
    assert held.loss == Loss(1)
    assert str(held.loss) == "1 point was lost"


@given(
    st.lists(st.one_of(st.lists(st.integers(0, 300), max_size=6), st.integers(0, 5)), max_size=30),
    st.integers(1, 12),
    st.integers(1, 3000),
)
def test_every_point_is_taken_dropped_or_there_and_the_bounds_hold(steps, points: int, size: int):
    held = buffer(points, size)
    put = taken = 0
    for step in steps:
        if isinstance(step, int):
            taken += len(held.take(step, max_bytes=500))
            continue
        held.put(line(put + n, "z" * length) for n, length in enumerate(step))
        put += len(step)
        assert len(held) <= points
        assert put == taken + held.dropped + len(held)
    rest = held.take(points, max_bytes=10**9)
    assert sum(len(one) + OVERHEAD for one in rest) <= size
    assert times(rest) == list(range(put - len(rest), put))
    assert held.loss.points == held.dropped
