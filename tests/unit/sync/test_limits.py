"""Back-off, exits, cures, slots: what keeps a worker from pushing too soon, too often or too many at once."""

import pytest

from conche.sync.backoff import FORGOTTEN_AFTER_S, LONGEST_S, Backoff
from conche.sync.cures import Cures, Ignored
from conche.sync.exits import Exits
from conche.sync.slots import Slots

# --- back-off


def test_the_first_push_of_a_revision_need_not_wait() -> None:
    backoff = Backoff()
    backoff.begin("a", 0.0)
    assert backoff.wait("b", 0.1) == 0.0


def test_waits_double_up_to_five_minutes() -> None:
    backoff, now, waits = Backoff(), 0.0, []
    for _ in range(10):
        backoff.begin("a", now)
        waits.append(backoff.wait("a", now))
        now += waits[-1]
    assert 1.5 <= waits[0] <= 2.0
    assert all(0.74 * 2 ** (i + 1) <= w <= 2 ** (i + 1) for i, w in enumerate(waits[:7]))
    assert 0.75 * LONGEST_S <= waits[9] <= LONGEST_S


def test_attempts_are_forgotten_after_a_long_quiet_and_not_before() -> None:
    backoff = Backoff()
    backoff.begin("a", 0.0)
    backoff.begin("a", FORGOTTEN_AFTER_S - 1)
    assert backoff.attempts == 2
    backoff.begin("a", 2 * FORGOTTEN_AFTER_S)
    assert backoff.attempts == 1


def test_an_interrupted_push_does_not_count() -> None:
    backoff = Backoff()
    backoff.begin("a", 0.0)
    backoff.uncount(1.0)
    assert backoff.attempts == 0
    assert backoff.wait("a", 1.0) <= 1.0


def test_a_clock_that_stepped_does_not_lengthen_the_wait() -> None:
    backoff = Backoff()
    backoff.resume(attempts=3, revision="a", wait_s=10_000.0, now=5.0)
    assert backoff.wait("a", 5.0) == LONGEST_S


# --- exits, cures, slots


def test_four_exits_in_ten_seconds_are_the_most() -> None:
    exits = Exits()
    for at in (0.0, 1.0, 2.0):
        exits.count(at)
    assert exits.wait(2.0) == 0.0
    exits.count(3.0)
    assert 7.0 <= exits.wait(3.0) <= 8.0
    assert exits.wait(11.0) == 0.0


def test_exits_are_remembered_by_their_age() -> None:
    exits, heir = Exits(), Exits()
    for at in (0.0, 1.0, 2.0, 3.0):
        exits.count(at)
    heir.resume(exits.ages(4.0), 1000.0)
    assert heir.wait(1000.0) == pytest.approx(exits.wait(4.0))


def test_a_restart_is_no_cure_for_the_same_paths_within_the_hour() -> None:
    cures = Cures()
    cures.restarted_for(["rfi/mask", "log_level"], 0.0)
    assert cures.failed_for(["rfi/mask"], 10.0)
    assert not cures.failed_for(["rfi/mask", "depth"], 10.0)
    assert not cures.failed_for(["rfi/mask"], 3601.0)


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("rfi/*", "rfi/mask", True),
        ("rfi/*", "rfi/a/b[3]", True),
        ("dishes[?]/x", "dishes[3]/x", True),
        ("dishes[3]", "dishes3", False),
        ("mask", "rfi/mask", False),
    ],
)
def test_ignored_paths_are_patterns_in_which_brackets_stand_for_themselves(
    pattern: str, path: str, covered: bool
) -> None:
    assert Ignored([pattern]).covers(path) is covered


def test_slots_bound_how_many_are_restarted_at_once() -> None:
    slots = Slots(2)
    slots.take("cx1")
    slots.take("cx2")
    assert not slots.free("cx3")
    assert slots.free("cx1")
    for name in ("cx5", "cx4", "cx3"):
        slots.wait(name)
    assert slots.give_back("cx1") == {"cx3"}
    assert slots.free("cx3")
