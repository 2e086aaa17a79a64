"""What every service's process does alike, each time in a process of its own."""

import json
import logging
import signal
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from conche.runtime import set_up_logging

HEAD = """
import asyncio, logging, sys
from conche.errors import FatalError
from conche.runtime import run_service
from conche.settings import Settings
"""
TAIL = """
async def build(settings, stack):
    stack.callback(lambda: print("closed", flush=True))
    print("built", flush=True)
    return Service()
sys.exit(run_service("tester", build, Settings()))
"""


def begin(body: str) -> "subprocess.Popen[str]":
    source = HEAD + textwrap.dedent(body) + TAIL
    return subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def end(process: "subprocess.Popen[str]") -> tuple[int, str, list[dict[str, Any]]]:
    """Return exit code, output, and the lines of the log."""
    out, err = process.communicate(timeout=10)
    return process.returncode, out, [json.loads(line) for line in err.splitlines()]


def ran(body: str) -> tuple[int, str, list[dict[str, Any]]]:
    return end(begin(body))


def texts(log: list[dict[str, Any]], level: str) -> list[str]:
    return [entry["text"] for entry in log if entry["level"] == level]


WAITS = """
class Service:
    async def run(self):
        try:
            print("running", flush=True)
            await asyncio.sleep(60)
        finally:
            print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_service_with_0_tasks_first(number: signal.Signals) -> None:
    process = begin(WAITS)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["built\n", "running\n"]
    process.send_signal(number)
    code, out, log = end(process)
    assert (code, out) == (0, "ended\nclosed\n")
    assert [entry["text"] for entry in log] == ["tester: stopping"]


def test_fatal_error_ends_the_process_with_1_and_one_line() -> None:
    code, out, log = ran(
        """
        class Service:
            async def run(self):
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.fail(), name="fail")
                    group.create_task(asyncio.sleep(60))
            async def fail(self):
                raise FatalError("the broker refuses the account 'tester'")
        """
    )
    assert (code, out) == (1, "built\nclosed\n")
    assert texts(log, "critical") == ["tester: the broker refuses the account 'tester'"]
    assert len(log) == 1
    assert "traceback" not in log[0]


def test_fatal_error_while_the_service_is_made_is_one_line_too() -> None:
    code, out, log = ran(
        """
        class Service:
            def __init__(self):
                raise FatalError("no password")
        """
    )
    assert (code, texts(log, "critical"), out) == (1, ["tester: no password"], "built\nclosed\n")


def test_unforeseen_error_ends_the_process_with_1_and_its_traceback() -> None:
    code, _, log = ran(
        """
        class Service:
            async def run(self):
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.fail(), name="count sheep")
            async def fail(self):
                await asyncio.sleep(0)
                [][0]
        """
    )
    assert code == 1
    assert texts(log, "critical") == ["tester: ended by an error that nobody foresaw"]
    assert "IndexError" in log[0]["traceback"]
    assert "in fail" in log[0]["traceback"]


def test_service_that_ends_by_itself_ends_the_process_with_1() -> None:
    code, _, log = ran(
        """
        class Service:
            async def run(self):
                pass
        """
    )
    assert code == 1
    assert texts(log, "critical") == ["tester: ended by itself"]


def test_error_on_the_way_out_is_not_taken_for_a_good_end() -> None:
    process = begin(
        """
        class Service:
            async def run(self):
                try:
                    print("running", flush=True)
                    await asyncio.sleep(60)
                finally:
                    raise FatalError("the last state was not saved")
        """
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    code, _, log = end(process)
    assert (code, texts(log, "critical")) == (1, ["tester: the last state was not saved"])


def test_error_in_a_callback_of_the_loop_is_logged_with_its_traceback() -> None:
    code, _, log = ran(
        """
        class Service:
            async def run(self):
                asyncio.get_running_loop().call_soon(lambda: 1 / 0)
                await asyncio.sleep(0.01)
                raise FatalError("done")
        """
    )
    assert code == 1
    (error,) = [entry for entry in log if entry["level"] == "error"]
    assert "ZeroDivisionError" in error["traceback"]


def test_log_is_one_json_object_a_line_whatever_is_in_it() -> None:
    _, _, log = ran(
        """
        class Service:
            async def run(self):
                logging.getLogger("a.b").warning("%s: two\\nlines, \\u00e9 and \\ud800", "cx/cx27")
                raise FatalError("done")
        """
    )
    first = log[0]
    assert first["text"].startswith("cx/cx27: two\nlines, é")
    assert (first["level"], first["logger"]) == ("warning", "a.b")
    assert first["at"].endswith("+00:00")


@pytest.fixture
def _logging_as_it_was() -> Any:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.mark.usefixtures("_logging_as_it_was")
def test_lines_on_a_terminal_are_for_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    set_up_logging("info")
    logging.getLogger("x").info("cx/cx27: started -> down, refused")
    logging.getLogger("x").debug("not shown")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].endswith(" INFO    cx/cx27: started -> down, refused")


def test_as_many_connections_as_the_machine_allows_may_be_open() -> None:
    code, out, _ = ran(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        class Service:
            async def run(self):
                soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
                print("all" if soft == hard else soft)
                raise FatalError("done")
        """
    )
    assert (code, out) == (1, "built\nall\nclosed\n")
