"""Who takes over from whom, how it is noticed, and what births and last wills tell of it."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.json import decode

from conche import contract
from conche.bus import BusTakenOver
from conche.bus import bus as bus_module
from conche.bus import link as link_module
from conche.bus.intake import Intake

from .bus_support import BIRTH, ended, listening, publish, running, sync, trying, until
from .harness import Mosquitto, child

PROGRAM = Path(__file__).with_name("bus_process.py")


def states(messages: list[Any]) -> list[str]:
    return [decode(message.payload, type=contract.ServiceBirth).state for message in messages]


# --- successors, and the way they are noticed


async def test_of_two_that_start_together_one_works_and_the_other_ends(mosquitto: Mosquitto) -> None:
    buses = [sync(mosquitto.settings) for _ in range(2)]
    tasks = [asyncio.create_task(ended(bus)) for bus in buses]
    done, (left,) = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert isinstance(done.pop().result(), BusTakenOver)
    await until(lambda: any(bus.connected for bus in buses))
    await asyncio.sleep(0.3)
    assert not left.done()
    left.cancel()
    await asyncio.wait([left])


async def test_predecessor_that_comes_back_while_its_successor_still_reads_gives_way(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mosquitto 2.0.11 tells nobody that he was taken over; else the two would evict each other without end."""
    first, second = sync(mosquitto.settings), sync(mosquitto.settings)
    read = second._await_sentinel

    async def read_long(link: Any) -> None:
        await asyncio.wait([link.closed], timeout=0.5)
        await read(link)

    monkeypatch.setattr(second, "_await_sentinel", read_long)
    task = asyncio.create_task(ended(first))
    await first.picture_complete()
    async with running(second):
        assert isinstance(await asyncio.wait_for(task, 3), BusTakenOver)
        await until(lambda: second.connected)


async def test_successor_is_noticed_at_the_next_connection(mosquitto: Mosquitto) -> None:
    first = sync(mosquitto.settings)
    task = asyncio.create_task(ended(first))
    await first.picture_complete()
    assert first._link is not None
    mosquitto.send(signal.SIGSTOP)
    first._link.give_up()
    mosquitto.send(signal.SIGCONT)
    publish(
        mosquitto,
        BIRTH,
        '{"state":"online","boot":"x","since":"2026-01-01T00:00:00Z","host":"far"}',
        "-r",
        account="sync",
    )
    error = await task
    assert isinstance(error, BusTakenOver)
    assert "(far)" in str(error)


async def test_process_that_stood_still_takes_no_step_before_it_has_asked_who_else_is_there(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bus_module, "FRESH_S", 0.3)
    async with running(sync(mosquitto.settings)) as bus:
        await until(lambda: bus.connected)
        before = bus._link
        seen: list[tuple[bool, bool]] = []

        async def watch() -> None:
            while True:
                seen.append((bus.connected, bus._link is before))
                await asyncio.sleep(0)

        await asyncio.sleep(0.1)
        time.sleep(0.5)  # noqa: ASYNC251  # as a process that is frozen
        watching = asyncio.create_task(watch())
        await until(lambda: bus.connected)
        watching.cancel()
    assert (True, True) not in seen
    assert "stood still for 0." in caplog.text


async def test_lost_connection_is_seen_at_once_while_looking_around(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Intake, "_on_mark", lambda *_: None)
    async with trying(sync(mosquitto.settings)):
        await asyncio.sleep(0.3)
        mosquitto.stop(signal.SIGKILL)
        await until(lambda: caplog.records, timeout=2)


# --- births and last wills


@asynccontextmanager
async def process(
    mosquitto: Mosquitto, *, keepalive_s: int = 5, will_delay_s: int = 3
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Path]]:
    """A service in a process of its own, once it writes; and the file that it writes to."""
    file = mosquitto.folder / "written"
    arguments = (PROGRAM, mosquitto.port, mosquitto.folder / "secrets", keepalive_s, will_delay_s, file)
    async with child(sys.executable, *map(str, arguments)) as service:
        await until(lambda: file.exists() and file.stat().st_size)
        yield service, file


async def test_killed_process_is_lost_after_the_will_s_delay(mosquitto: Mosquitto) -> None:
    async with process(mosquitto) as (service, _), listening(mosquitto.settings, BIRTH) as got:
        await until(lambda: states(got)[-1:] == ["online"])
        service.kill()
        began = time.monotonic()
        await until(lambda: states(got)[-1] != "online")
        assert states(got)[-1] == "lost"
        assert 2 < time.monotonic() - began < 8


async def test_frozen_process_is_lost_and_wakes_to_find_that_it_was_replaced(mosquitto: Mosquitto) -> None:
    async with (
        process(mosquitto, keepalive_s=2, will_delay_s=0) as (service, file),
        listening(mosquitto.settings, BIRTH) as got,
    ):
        service.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        await until(lambda: states(got)[-1:] == ["lost"])
        assert (
            time.monotonic() - began < 8
        )  # one and a half keepalives, and the broker looks every few seconds
        written = file.stat().st_size
        async with running(sync(mosquitto.settings)) as successor:
            service.send_signal(signal.SIGCONT)
            _, log = await asyncio.wait_for(service.communicate(), 5)
            assert service.returncode == 1
            assert b"took over" in log or b"taken over" in log
            assert file.stat().st_size == written
            await until(lambda: successor.connected)  # the other's return has cost it its connection
        assert states(got)[-2:] == ["online", "offline"]


async def test_quick_reconnect_and_a_stop_in_good_order_show_no_loss(mosquitto: Mosquitto) -> None:
    async with listening(mosquitto.settings, BIRTH) as got:
        async with running(sync(mosquitto.settings)) as bus:
            await bus.settled()
            assert bus._link is not None
            bus._link.give_up()  # as by a network that fails for a moment
            await until(lambda: not bus.connected)
            await until(lambda: bus.connected)
            await bus.settled()
        await asyncio.sleep(link_module.WILL_DELAY_S + 0.5)
        assert states(got) == ["offline", "online", "offline"]  # the first announces its boot
