from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from conche.sim.thread import Blocked, Gate, RestThread, Work


def noting(done: list[int], number: int, *gates: Gate) -> Work:
    """Make work that passes some gates and then notes its number."""

    def work() -> Blocked | None:
        if gates:
            return Blocked(gates[0], noting(done, number, *gates[1:]))
        done.append(number)
        return None

    return work


def test_work_is_done_at_once_while_nothing_blocks() -> None:
    done: list[int] = []
    thread = RestThread()
    thread.submit(noting(done, 1))
    assert (done, thread.busy) == ([1], False)


def test_blocked_work_blocks_all_that_came_later() -> None:
    done: list[int] = []
    thread, gate = RestThread(), Gate()
    thread.submit(noting(done, 1, gate))
    thread.submit(noting(done, 2))
    assert (done, thread.busy) == ([], True)
    gate.open()
    assert (done, thread.busy) == ([1, 2], False)


def test_open_gate_blocks_nobody() -> None:
    done: list[int] = []
    thread, gate = RestThread(), Gate()
    gate.open()
    gate.open()
    thread.submit(noting(done, 1, gate))
    assert (done, thread.busy) == ([1], False)


def test_stopped_thread_does_nothing_more() -> None:
    done: list[int] = []
    thread, gate = RestThread(), Gate()
    thread.submit(noting(done, 1, gate))
    thread.submit(noting(done, 2))
    thread.stop()
    gate.open()
    thread.submit(noting(done, 3))
    assert done == []


def test_work_that_stops_the_thread_is_the_last() -> None:
    done: list[int] = []
    thread = RestThread()

    def stop() -> None:
        thread.submit(noting(done, 1))
        thread.stop()

    thread.submit(stop)
    assert done == []


@given(st.lists(st.integers(0, 3), max_size=20), st.randoms())
def test_order_of_arrival_holds_whatever_blocks(blocks: list[int], random: Callable[[], float]) -> None:
    done: list[int] = []
    thread = RestThread()
    gates = [[Gate() for _ in range(count)] for count in blocks]
    for number, own in enumerate(gates):
        thread.submit(noting(done, number, *own))
    closed = [gate for own in gates for gate in own]
    random.shuffle(closed)  # type: ignore[attr-defined]
    for gate in closed:
        gate.open()
    assert done == list(range(len(blocks)))
