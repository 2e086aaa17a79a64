import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conche.local.processes import MARK, Process, end, members, wait_until_gone

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def sleeper(started: list[subprocess.Popen[bytes]], mark: object) -> subprocess.Popen[bytes]:
    started.append(subprocess.Popen(["sleep", "60"], env={**os.environ, MARK: str(mark)}))
    return started[-1]


def test_processes_of_a_home_are_found_by_their_mark_and_no_others(home, started):
    mine = sleeper(started, home)
    sleeper(started, f"{home}2")
    started.append(subprocess.Popen(["sleep", "60"]))
    assert [process.pid for process in members(home)] == [mine.pid]


def test_a_number_that_was_given_again_is_another_process():
    me = Process.of(os.getpid())
    assert me is not None
    assert me.is_alive()
    assert not Process(me.pid, me.started - 1).is_alive()


def test_a_signal_never_reaches_a_process_that_has_the_number_of_an_old_one(home, started):
    process = sleeper(started, home)
    now = Process.of(process.pid)
    assert now is not None
    Process(now.pid, now.started - 1).send(signal.SIGKILL)
    assert process.poll() is None


def test_what_is_left_of_a_dead_process_is_none(home, started):
    process = sleeper(started, home)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, not yet reaped
    assert Process.of(process.pid) is None
    assert members(home) == []


def test_processes_are_asked_to_end(home, started):
    process = sleeper(started, home)
    end(members(home), patience_s=5)
    assert process.wait() == -signal.SIGTERM


def test_a_process_that_does_not_listen_is_killed(home, started):
    process = subprocess.Popen(
        ["sh", "-c", STUBBORN], env={**os.environ, MARK: str(home)}, stdout=subprocess.PIPE
    )
    started.append(process)
    assert process.stdout is not None
    process.stdout.readline()
    end([p for p in members(home) if p.pid == process.pid], patience_s=0.2)
    assert process.wait() == -signal.SIGKILL


def test_waiting_returns_who_still_runs(home, started):
    process = sleeper(started, home)
    assert [p.pid for p in wait_until_gone(members(home), patience_s=0.1)] == [process.pid]
