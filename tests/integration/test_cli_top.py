"""`conche top` as the program that it is, on a terminal, against a whole conche."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conche.contract import Role
from conche.local.broker import ACCOUNTS

from .harness import Mosquitto
from .stack import PATIENCE_S, Stack, conche, running_stack
from .watched import painting


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    broker = Mosquitto(tmp_path / "mosquitto", accounts={**ACCOUNTS, "guest": Role.VIEWER})
    await broker.start()
    async with running_stack(broker, tmp_path, "cx/cx1", "cx/cx2", "recv/recv1") as running:
        yield running
    broker.stop()


async def test_an_operator_sees_acts_and_leaves_the_terminal_as_it_was(stack: Stack):
    async with painting("top", broker=stack.broker) as seen:
        screen = await seen.until(lambda s: "cx2" in s and "recv1" in s and "? help" in s)
        assert "3 nodes in 2 groups" in screen
        assert all(len(line) <= 80 for line in screen.splitlines())
        seen.type("M")  # the group cx is chosen
        await seen.until(lambda s: "This gives conche 2 nodes (2 of cx). Go on?" in s)
        seen.type("y")
        await seen.until(lambda s: "maintenance off cx: 2 ok" in s)
        seen.type("s")
        await seen.until(lambda s: "This starts 2 nodes (2 of cx)" in s)
        seen.type("y")
        await seen.until(lambda s: "start cx: 2 ok" in s)
        seen.type("e")
        await seen.until(lambda s: "start, by operator: 2 ok" in s)

        stack.fault("cx/cx2", "refuse")
        await seen.until(lambda s: "down     run" in s and "1 to look at" in s)
        seen.resize(60, 16)
        await seen.until(lambda s: "cx2    down" in s and all(len(line) <= 60 for line in s.splitlines()))
        stack.broker.stop()
        await seen.until(lambda s: "broker away since" in s and "was down" in s)
        await stack.broker.start()
        await seen.until(lambda s: "broker away" not in s and "was down" not in s and "cx2" in s)
        assert seen.other_screen
        seen.type("q")
        async with asyncio.timeout(PATIENCE_S):
            assert await seen.process.wait() == 0
        await asyncio.sleep(0.05)
        assert seen.is_as_it_was


async def test_a_viewer_is_told_what_his_role_lacks(stack: Stack):
    async with painting("top", "--account", "guest", broker=stack.broker) as seen:
        await seen.until(lambda s: "recv1" in s and "? help" in s)
        seen.type("j")
        seen.type("x")
        await seen.until(lambda s: "This stops 1 node (cx/cx1)" in s)
        seen.type("y")
        await seen.until(lambda s: "operator" in s and "guest" in s)
        seen.type("\x03")
        async with asyncio.timeout(PATIENCE_S):
            assert await seen.process.wait() == 130
        await asyncio.sleep(0.05)
        assert seen.is_as_it_was


async def test_without_colour_there_is_none(mosquitto: Mosquitto):
    async with painting("top", broker=mosquitto, NO_COLOR="1") as seen:
        await seen.until(lambda s: "there is no registry" in s and "? help" in s)
        codes = {code for found in re.findall(r"\x1b\[([\d;]*)m", seen.written) for code in found.split(";")}
        assert "7" in codes  # what is chosen stands out all the same
        assert not {code for code in codes if re.fullmatch("[349][0-8]|10[0-7]", code)}
        seen.type("q")
        async with asyncio.timeout(PATIENCE_S):
            assert await seen.process.wait() == 0


async def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(mosquitto: Mosquitto):
    async with painting("top", broker=mosquitto) as seen:
        await seen.until(lambda s: "there is no registry" in s and "? help" in s)
        seen.type("\x1a")
        async with asyncio.timeout(PATIENCE_S):
            while not seen.is_as_it_was:
                await asyncio.sleep(0.02)
        seen.process.send_signal(signal.SIGCONT)
        await seen.until(lambda s: seen.other_screen and "there is no registry" in s)
        seen.type("q")
        async with asyncio.timeout(PATIENCE_S):
            assert await seen.process.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["term", "hup"])
async def test_a_signal_leaves_the_terminal_as_it_was(mosquitto: Mosquitto, number: signal.Signals):
    async with painting("top", broker=mosquitto) as seen:
        await seen.until(lambda s: "there is no registry" in s and "? help" in s)
        seen.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            assert await seen.process.wait() == 128 + number
        await asyncio.sleep(0.05)
        assert seen.is_as_it_was


async def test_without_a_terminal_it_points_to_the_status(mosquitto: Mosquitto):
    ran = await conche("top", broker=mosquitto)
    assert (ran.code, ran.out) == (2, "")
    assert "conche status --watch" in ran.err
