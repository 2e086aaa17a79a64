import pytest

from conche.gateway.limits import BURST_S, MAX_KEYS, Attempts, Rate


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_so_many_may_come_at_once_and_then_so_many_a_second(clock):
    rate = Rate(10, now=clock)
    assert [rate.wait_s("a") for _ in range(round(10 * BURST_S))] == [0.0] * round(10 * BURST_S)
    assert rate.wait_s("a") == pytest.approx(0.1)
    clock.at += 0.1
    assert rate.wait_s("a") == 0.0
    assert rate.wait_s("a") > 0


def test_others_are_not_concerned(clock):
    rate = Rate(0.1, now=clock)
    assert rate.wait_s("a") == 0.0
    assert rate.wait_s("a") == pytest.approx(10)
    assert rate.wait_s("b") == 0.0


def test_who_is_refused_is_not_refused_for_longer_by_it(clock):
    rate = Rate(0.1, now=clock)
    rate.wait_s("a")
    for _ in range(100):
        rate.wait_s("a")
    clock.at += 10.001
    assert rate.wait_s("a") == 0.0


def test_the_addresses_whose_rate_is_remembered_are_bounded(clock):
    rate = Rate(0.1, now=clock)
    rate.wait_s("first")
    assert rate.wait_s("first") > 0
    for number in range(MAX_KEYS):
        rate.wait_s(number)
    assert rate.wait_s("first") == 0.0


def test_the_names_whose_failures_are_remembered_are_bounded(clock):
    attempts = Attempts(1, window_s=1e9, now=clock)
    attempts.begin("first")
    for number in range(MAX_KEYS):
        attempts.begin(number)
    assert attempts.wait_s("first") == 0.0
    assert attempts.wait_s(MAX_KEYS - 1) > 0


def test_after_so_many_failures_one_has_to_wait_until_the_first_is_old(clock):
    attempts = Attempts(3, window_s=60, now=clock)
    for _ in range(3):
        assert attempts.wait_s("alice") == 0.0
        attempts.begin("alice")
        clock.at += 10
    assert attempts.wait_s("alice") == pytest.approx(30)
    assert attempts.wait_s("bob") == 0.0
    clock.at += 30
    assert attempts.wait_s("alice") == 0.0
    attempts.begin("alice")
    assert attempts.wait_s("alice") == pytest.approx(10)


def test_a_success_is_not_counted(clock):
    attempts = Attempts(2, window_s=60, now=clock)
    for _ in range(5):
        attempts.begin("address")
        attempts.undo("address")
    attempts.begin("address")
    assert attempts.wait_s("address") == 0.0


def test_what_is_forgotten_counts_from_nothing(clock):
    attempts = Attempts(1, window_s=60, now=clock)
    attempts.begin("alice")
    attempts.forget("alice")
    attempts.forget("nobody")
    attempts.undo("nobody")
    assert attempts.wait_s("alice") == 0.0
