"""`conche status --watch` as the program that it is, on a terminal and in a pipe, against a whole conche."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from .harness import Mosquitto
from .stack import CONCHE, PATIENCE_S, Stack, environment_of, running_stack
from .watched import on_terminal


@pytest.fixture
async def stack(mosquitto: Mosquitto, tmp_path: Path) -> AsyncIterator[Stack]:
    async with running_stack(mosquitto, tmp_path, "cx/cx1", "cx/cx2", "recv/recv1") as running:
        yield running


@asynccontextmanager
async def in_a_pipe(*arguments: str, broker: Mosquitto) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        CONCHE,
        "status",
        "--watch",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment_of(broker),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line_of(process: asyncio.subprocess.Process, *words: str) -> str:
    """The next line with all these words."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        while line := (await process.stdout.readline()).decode():
            if all(word in line for word in words):
                return line
    raise AssertionError(f"it ended without a line with {words}")


async def test_on_a_terminal_changes_are_seen_keys_work_and_all_is_restored(stack: Stack):
    async with on_terminal("status", "--watch", broker=stack.broker) as seen:
        screen = await seen.until(lambda s: "cx/cx1" in s and "recv/recv1" in s)
        assert "3 nodes in 2 groups" in screen
        assert all(len(line) <= 80 for line in screen.splitlines())
        await stack.conche("maintenance", "off", "cx")
        stack.fault("cx/cx2", "refuse")
        screen = await seen.until(lambda s: "down" in s and "1 to look at" in s)
        assert ">cx/cx2" in screen  # what is wrong comes first
        seen.type("w")
        await seen.until(lambda s: "only what is wrong" in s and "recv/recv1" not in s)
        seen.resize(60, 12)
        seen.type("\r")
        await seen.until(lambda s: "── cx/cx2 ─" in s and " 1-" in s.splitlines()[-1])

        stack.broker.stop()
        await seen.until(lambda s: "broker away since" in s and "was down" in s)
        await stack.broker.start()
        await seen.until(lambda s: "broker away" not in s and "was down" not in s and "cx/cx2" in s)
        assert seen.other_screen
        seen.type("q")
        async with asyncio.timeout(PATIENCE_S):
            assert await seen.process.wait() == 0
        await asyncio.sleep(0)
        assert seen.is_as_it_was


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)], ids=["int", "term"]
)
async def test_a_signal_leaves_the_terminal_as_it_was(mosquitto: Mosquitto, number: int, code: int):
    async with on_terminal("status", "--watch", broker=mosquitto) as seen:
        await seen.until(lambda s: "there is no registry" in s)
        if number == signal.SIGINT:
            seen.type("\x03")
        else:
            seen.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            assert await seen.process.wait() == code
        assert seen.process.stderr is not None
        assert await seen.process.stderr.read() == b""
        assert seen.is_as_it_was


async def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(mosquitto: Mosquitto):
    async with on_terminal("status", "--watch", broker=mosquitto) as seen:
        await seen.until(lambda s: "there is no registry" in s)
        seen.type("\x1a")
        async with asyncio.timeout(PATIENCE_S):
            while not seen.is_as_it_was:
                await asyncio.sleep(0.02)
        seen.process.send_signal(signal.SIGCONT)
        await seen.until(lambda s: seen.other_screen and "there is no registry" in s)
        seen.type("q")
        async with asyncio.timeout(PATIENCE_S):
            assert await seen.process.wait() == 0


async def test_in_a_pipe_there_is_a_line_for_each_change_and_ctrl_c_ends_it(stack: Stack):
    async with in_a_pipe("cx", broker=stack.broker) as watch:
        line = await line_of(watch, "  cx  ", "in maintenance")
        assert line[4] == "-"
        assert line[19:20] == "Z"
        assert (await stack.conche("maintenance", "on", "cx/cx1", "--reason", "new GPU")).code == 0
        line = await line_of(watch, "cx/cx1")
        assert line.rstrip().endswith("maintenance by operator: new GPU")
        await stack.end("sync")
        await line_of(watch, "  cx  ", "no worker serves it: sync/cx was stopped")
        watch.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE_S):
            assert await watch.wait() == 130
        assert watch.stderr is not None
        assert await watch.stderr.read() == b""


async def test_for_programs_there_is_everything_and_then_every_change(stack: Stack):
    async with in_a_pipe("--json", broker=stack.broker) as watch:
        for name in ("cx/cx1", "recv/recv1"):
            told = json.loads(await line_of(watch, '"node"', f'"{name}"'))
            assert told["status"]["maintenance"]["on"]
        assert (await stack.conche("maintenance", "off", "cx/cx1")).code == 0
        told = json.loads(await line_of(watch, '"node"', '"cx/cx1"'))
        assert not told["status"]["maintenance"]["on"]


async def test_it_ends_when_nobody_reads_any_more(stack: Stack):
    script = f"{CONCHE} status --watch | head -n 1"
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", f"set -o pipefail; {script}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment_of(stack.broker),
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        out, err = await shell.communicate()
    assert (shell.returncode, err) == (0, b"")
    assert out.count(b"\n") == 1


async def test_without_a_broker_it_does_not_begin(mosquitto: Mosquitto):
    mosquitto.stop()
    async with in_a_pipe(broker=mosquitto) as watch:
        out, err = await watch.communicate()
        assert watch.returncode == 1
        assert (out, err.count(b"\n")) == (b"", 1)
        assert b"Connection refused" in err


async def test_an_unknown_target_is_told_at_once(stack: Stack):
    async with in_a_pipe("cx/cx3", broker=stack.broker) as watch:
        _, err = await watch.communicate()
        assert watch.returncode == 2
        assert b"cx/cx1" in err
