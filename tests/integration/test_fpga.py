"""The fpga service with a real broker and a simulated FPGA master, as the command line shows it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conche.bus.client import Client
from conche.contract import FPGA, FpgaStatus
from conche.sim.fpga import ROLLOVER_NS, FpgaFault, FpgaMaster
from conche.sim.launch import simulated_cluster, simulated_fpga

from .harness import Mosquitto, free_port
from .stack import CONCHE, Stack, conche, environment_of, running_stack
from .test_cli_events import following, until_line

HOUR_NS = 3600 * 10**9


@asynccontextmanager
async def observatory(broker: Mosquitto, folder: Path) -> AsyncIterator[tuple[Stack, FpgaMaster]]:
    """A stack with one node and an FPGA master, which has been looked at once."""
    async with (
        simulated_fpga() as (master, url),
        running_stack(broker, folder, "cx/cx1", fpga_url=url) as stack,
    ):
        await stack.begin("fpga")
        await refreshed(stack)
        yield stack, master


async def refreshed(stack: Stack) -> dict[str, Any]:
    """What the FPGA master answers now, from the command line."""
    ran = await stack.conche("fpga", "--refresh", "--json")
    assert ran.code in (0, 1), ran
    return ran.json


async def held(stack: Stack) -> FpgaStatus:
    """What stands on the broker."""
    async with Client(stack.broker.settings, account="operator") as client:
        ((_, status),) = await client.read(FPGA)
    return status


async def line_of_status(stack: Stack) -> str:
    out = (await stack.conche("status")).out
    assert max(map(len, out.splitlines())) <= 80
    begin = out.find("\nfpga ")
    return " ".join(out[begin : out.find("\n\n", begin)].split()) if begin >= 0 else ""


# --- every state, and how it is shown


async def test_a_good_master_is_shown_with_frame0_to_the_nanosecond(mosquitto: Mosquitto, tmp_path: Path):
    async with observatory(mosquitto, tmp_path) as (stack, master):
        ran = await stack.conche("fpga")
        assert ran.code == 0
        assert max(map(len, ran.out.splitlines())) <= 80
        assert f"{master.frame0_ns} ns" in ran.out
        assert f".{str(master.frame0_ns)[-9:]}Z, " in ran.out
        assert stack.settings.fpga.url is not None
        assert stack.settings.fpga.url in ran.out
        assert (await line_of_status(stack)).startswith("fpga good frame0 20")
        status = (await stack.conche("status", "--json")).json
        assert (status["fpga"]["state"], status["fpga"]["frame0_ns"]) == ("good", master.frame0_ns)
        assert status["health"] == "normal"


@pytest.mark.parametrize(
    ("fault", "state", "words"),
    [
        (FpgaFault.SICK, "degraded", "GET /status: HTTP 500"),
        (FpgaFault.ERROR, "degraded", "GET /get-frame0-time: HTTP 500"),
        (FpgaFault.HTML, "degraded", "not JSON: a page, HTML or XML"),
        (FpgaFault.NULL, "degraded", "null where there should be an object"),
        (FpgaFault.EMPTY, "degraded", "there is no frame0_nano in the answer"),
        (FpgaFault.HALF, "degraded", "the answer ends in the middle"),
        (FpgaFault.FLOOD, "degraded", "an answer of more than 64 KiB"),
        (FpgaFault.REDIRECT, "degraded", "HTTP 302, leads to '/elsewhere'"),
        (FpgaFault.BABBLE, "degraded", "does not speak HTTP"),
        (FpgaFault.MUTE, "degraded", "GET /get-frame0-time: no whole answer within 1 s"),
        (FpgaFault.SILENT, "down", "GET /status: no whole answer within 1 s"),
        (FpgaFault.GONE, "down", "closed before there was an answer"),
    ],
)
async def test_each_fault_of_the_master_has_a_state_and_words_on_the_broker(
    mosquitto: Mosquitto, tmp_path: Path, fault: FpgaFault, state: str, words: str
):
    async with observatory(mosquitto, tmp_path) as (stack, master):
        master.fault = fault
        told = await refreshed(stack)
        assert told["state"] == state
        assert words in told["error"]
        assert (await held(stack)).error == told["error"]
        master.fault = None
        assert (await refreshed(stack))["state"] == "good"


@pytest.mark.parametrize(
    ("frame0", "words"),
    [
        (1.5e18, "has lost nanoseconds"),
        ("1795230000000000000", "frame0_nano is a string"),
        (True, "frame0_nano is true"),
        (None, "frame0_nano is null"),
        (-5, "negative, before GPS began"),
        (300_000_000 * 10**9, "before GPS began in 1980"),
        (2**64, "beyond 64 bits"),
        (9 * 10**18, "in the future"),
    ],
)
async def test_a_frame0_that_is_none_is_degraded_and_nobody_is_given_a_number(
    mosquitto: Mosquitto, tmp_path: Path, frame0: Any, words: str
):
    async with observatory(mosquitto, tmp_path) as (stack, master):
        before = master.frame0_ns
        master.frame0_ns = frame0
        told = await refreshed(stack)
        assert (told["state"], told["frame0_ns"], told["last_frame0_ns"]) == ("degraded", None, before)
        assert words in told["error"]


async def test_a_degraded_master_is_a_warning_in_the_status(mosquitto: Mosquitto, tmp_path: Path):
    async with observatory(mosquitto, tmp_path) as (stack, master):
        master.fault = FpgaFault.HTML
        await refreshed(stack)
        assert (await stack.conche("fpga")).code == 1
        assert (await line_of_status(stack)).startswith("fpga degraded GET /get-frame0-time: not JSON")
        assert (await stack.conche("status", "--json")).json["health"] == "warning"
        assert (await stack.conche("status", "--check")).code == 0


async def test_a_master_that_is_down_is_an_error_in_the_status(mosquitto: Mosquitto, tmp_path: Path):
    url = f"http://127.0.0.1:{free_port()}"
    async with running_stack(mosquitto, tmp_path, "cx/cx1", fpga_url=url) as stack:
        await stack.begin("fpga")
        await refreshed(stack)
        ran = await stack.conche("fpga")
        assert ran.code == 1
        assert "down" in ran.out
        assert "GET /status: refused: nobody listens there" in ran.out
        assert await line_of_status(stack) == "fpga down GET /status: refused: nobody listens there"
        assert (await stack.conche("status", "--check")).code == 1


async def test_without_a_master_the_status_says_so_and_it_is_nobody_s_trouble(
    mosquitto: Mosquitto, tmp_path: Path
):
    async with running_stack(mosquitto, tmp_path, "cx/cx1") as stack:
        await stack.begin("fpga")
        assert (await refreshed(stack))["state"] == "unconfigured"
        ran = await stack.conche("fpga")
        assert (ran.code, "fpga.url" in ran.out) == (1, True)
        line = await line_of_status(stack)
        assert line == "fpga unconfigured no FPGA master: the setting fpga.url names it"
        status = (await stack.conche("status", "--json")).json
        assert (status["fpga"]["state"], status["health"]) == ("unconfigured", "normal")


async def test_a_receiver_behind_by_a_rollover_is_corrected_and_shown_with_what_it_said(
    mosquitto: Mosquitto, tmp_path: Path
):
    async with observatory(mosquitto, tmp_path) as (stack, master):
        master.rollovers = 1
        told = await refreshed(stack)
        assert (told["state"], told["frame0_ns"], told["rollovers"]) == ("good", master.frame0_ns, 1)
        assert isinstance(master.frame0_ns, int)
        assert told["reported_frame0_ns"] == master.frame0_ns - ROLLOVER_NS
        assert "1 rollover of GPS behind" in (await stack.conche("fpga")).out


async def test_a_clock_that_is_an_hour_off_is_degraded_with_both_times(mosquitto: Mosquitto, tmp_path: Path):
    async with observatory(mosquitto, tmp_path) as (stack, master):
        assert isinstance(master.frame0_ns, int)
        master.frame0_ns -= HOUR_NS
        told = await refreshed(stack)
        assert (told["state"], told["frame0_ns"]) == ("degraded", None)
        assert "before it; its clock or its GPS receiver is wrong" in told["error"]


# --- changes


async def test_an_engine_that_is_started_anew_is_an_event_and_told_by_follow(
    mosquitto: Mosquitto, tmp_path: Path
):
    async with observatory(mosquitto, tmp_path) as (stack, master):
        await stack.begin("journal")
        before = master.frame0_ns
        async with following(stack, "--kind", "fpga") as process:
            master.restart()
            told = await refreshed(stack)
            assert (told["frame0_ns"], told["previous_frame0_ns"]) == (master.frame0_ns, before)
            (line,) = await until_line(process, "the F-engine was started anew")
            assert "  fpga  " in line
        shown = (await stack.conche("fpga")).out
        assert f"ago: frame0 was {before} ns" in shown


async def test_a_restart_of_the_service_keeps_what_it_knew_and_tells_what_changed_meanwhile(
    mosquitto: Mosquitto, tmp_path: Path
):
    async with observatory(mosquitto, tmp_path) as (stack, master):
        before = master.frame0_ns
        known = await held(stack)
        await stack.end("fpga")
        await stack.begin("fpga")
        await refreshed(stack)
        assert await held(stack) == known
        await stack.end("fpga")
        master.restart()
        async with following(stack, "--kind", "fpga") as process:
            await until_nothing_is_past(process)
            await stack.begin("fpga")
            await until_line(process, "the F-engine was started anew")
        assert (await held(stack)).previous_frame0_ns == before


async def until_nothing_is_past(process: asyncio.subprocess.Process) -> None:
    """Without a journal it says so on its standard error when it listens."""
    assert process.stderr is not None
    assert b"nothing that is past" in await process.stderr.readline()


async def test_a_broker_that_comes_back_empty_is_told_again(mosquitto: Mosquitto, tmp_path: Path):
    async with observatory(mosquitto, tmp_path) as (stack, _):
        known = await held(stack)
        mosquitto.stop()
        for file in (mosquitto.folder / "data").iterdir():
            file.unlink()
        await mosquitto.start()
        await stack.until_settled()
        assert await held(stack) == known


async def test_watch_tells_each_change_of_the_master_in_a_line(mosquitto: Mosquitto, tmp_path: Path):
    async with observatory(mosquitto, tmp_path) as (stack, master):
        async with watching(stack) as process:
            await until_line(process, "  fpga    good     frame0 ")
            master.fault = FpgaFault.GONE
            await refreshed(stack)
            (line,) = (await until_line(process, "  fpga "))[-1:]
            assert "down     GET /status: the connection was closed" in line
        async with watching(stack, "--json") as process:
            line = (await until_line(process, '"kind":"fpga"'))[-1]
            assert json.loads(line)["status"]["state"] == "down"


@asynccontextmanager
async def watching(stack: Stack, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        CONCHE,
        "status",
        "--watch",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment_of(stack.broker),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


# --- nobody there


async def test_a_service_that_was_stopped_is_named_with_the_last_that_it_said(
    mosquitto: Mosquitto, tmp_path: Path
):
    async with observatory(mosquitto, tmp_path) as (stack, _):
        await stack.end("fpga")
        for more in ((), ("--refresh",), ("--json",)):
            ran = await stack.conche("fpga", *more)
            assert (ran.code, ran.out) == (3, "")
            assert "fpga was stopped" in ran.err
            assert "conche fpga-service" in ran.err
            assert "the last that it said: good frame0 20" in " ".join(ran.err.split())
        line = await line_of_status(stack)
        assert line.startswith("fpga fpga was stopped, it ran on ")
        assert "the last that it said: good" in line


async def test_a_service_that_never_was_and_a_broker_that_is_away_are_named(mosquitto: Mosquitto):
    ran = await conche("fpga", broker=mosquitto)
    assert (ran.code, "fpga has never been online" in ran.err) == (3, True)
    mosquitto.stop()
    ran = await conche("fpga", broker=mosquitto)
    assert (ran.code, f"127.0.0.1:{mosquitto.port}" in ran.err) == (3, True)


# --- the simulator's command line


async def test_the_simulators_master_is_ordered_about_on_the_command_line(
    mosquitto: Mosquitto, tmp_path: Path
):
    port = free_port()
    async with simulated_cluster("--nodes", "0", "--fpga-port", str(port)) as sim:

        async def order(*words: str) -> Any:
            return await conche("sim", "fpga", *words, broker=mosquitto, CONCHE_SIM_CONTROL=sim.url)

        began = datetime.now(UTC)
        ran = await order("--restart", "fault=html", "rollovers=2")
        assert ran.code == 0, ran
        told = await sim.fpga()
        assert (told["fault"], told["rollovers"]) == ("html", 2)
        assert told["frame0_ns"] >= began.timestamp() * 10**9
        assert 'fault        "html"' in ran.out
        assert (await order("fault=null", "frame0_ns=1.5e18")).code == 0
        assert await sim.fpga() == {**told, "fault": None, "frame0_ns": 1.5e18}
        for wrong in ("fault=flut", "rollovers=x", "frame=3", "restart=1"):
            ran = await order(wrong)
            assert ran.code == 1
            assert "is" in ran.err
        assert (await sim.fpga())["fault"] is None


async def test_a_simulator_without_a_master_says_how_to_have_one(mosquitto: Mosquitto):
    async with simulated_cluster("--nodes", "0") as sim:
        ran = await conche("sim", "fpga", broker=mosquitto, CONCHE_SIM_CONTROL=sim.url)
        assert (ran.code, "--fpga-port" in ran.err) == (1, True)
