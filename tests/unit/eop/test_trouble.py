"""What goes wrong around the service, and how it is over again."""

import asyncio
from datetime import datetime, timedelta

import pytest

from conche.contract import (
    EopState,
    FpgaState,
    FpgaStatus,
    Outcome,
    ServiceState,
)

from .desk import GOOD, Desk, hours, until
from .samples import FRAME0, NEW, NOW, WITHOUT, desired, record

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("iers")]


async def test_a_state_file_that_was_set_aside_is_a_warning_until_a_table_is_stored_and_an_event(desk: Desk):
    desk.file.path.write_text("{")
    await desk.start()
    assert "is set aside" in (desk.status.warning or "")
    desk.know()
    await until(desk, 1)
    assert (desk.status.state, desk.status.warning) == (EopState.FRESH, None)
    assert ["is set aside" in event.text for event in desk.events] == [True, False]


async def test_a_state_file_that_can_be_read_again_heals_the_service(desk: Desk):
    desk.file.path.mkdir()
    await desk.start()
    desk.know()
    await asyncio.sleep(30)
    assert desk.status.state is EopState.FAILED
    assert "can't be read" in (desk.status.error or "")
    desk.file.path.rmdir()
    await until(desk, 1)
    assert (desk.status.state, desk.status.warning, desk.status.error) == (EopState.FRESH, None, None)


async def test_a_renderer_that_returns_is_given_what_failed_without_it(desk: Desk):
    await desk.start()
    desk.outcome = Outcome.FAILED
    desk.know()
    await asyncio.sleep(hours(3))
    number = len(desk.sent)
    desk.outcome = Outcome.OK
    desk.birth(ServiceState.LOST)
    await asyncio.sleep(60)
    assert len(desk.sent) == number
    desk.birth(ServiceState.ONLINE)
    await asyncio.sleep(1)
    assert desk.reasons[number:] == ["again, because the renderer is back"]
    assert desk.status.state is EopState.FRESH
    desk.birth(ServiceState.LOST)
    desk.birth(ServiceState.ONLINE)
    await asyncio.sleep(60)
    assert len(desk.sent) == number + 1


async def test_a_clock_that_is_ahead_and_then_right_needs_nobody(desk: Desk):
    await desk.start()
    desk.know()
    await until(desk, 1)
    for days in (5, -5):
        desk.begin += timedelta(days=days)
        await asyncio.sleep(20)
        assert desk.status.state is EopState.FRESH
    assert desk.status.first == datetime.fromisoformat("2026-11-19T00:00Z")
    await asyncio.sleep(hours(24))
    assert desk.status.state is EopState.FRESH
    assert desk.status.first == datetime.fromisoformat("2026-11-20T00:00Z")


async def test_a_frame0_that_is_not_believed_any_more_fails_at_once_and_one_that_is_again_mends_it(
    desk: Desk,
):
    await desk.start()
    desk.know()
    await until(desk, 1)
    rejected = FpgaStatus(
        state=FpgaState.DEGRADED, error="far off", reported_frame0_ns=5, last_frame0_ns=FRAME0
    )
    desk.service.on_fpga({}, rejected)
    await asyncio.sleep(1)
    assert desk.status.state is EopState.FAILED
    assert "not believed (far off)" in (desk.status.error or "")
    desk.service.on_fpga({}, GOOD)
    await asyncio.sleep(1)
    assert desk.status.state is EopState.FRESH


async def test_a_long_push_does_not_keep_the_table_from_getting_stale(desk: Desk):
    desk.file.write(record(-2, -1, 0, 1, 2, 3, written_at=NOW - timedelta(hours=24.9)))
    desk.connected = False
    await desk.start()
    desk.know()
    await asyncio.sleep(60)
    assert desk.status.state is EopState.FRESH
    await asyncio.sleep(hours(0.1))
    assert desk.status.state is EopState.STALE
    assert desk.sent == []
    desk.connected = True
    await until(desk, 1)
    assert desk.status.state is EopState.FRESH


async def test_a_node_that_was_skipped_and_gets_the_block_is_new(desk: Desk):
    await desk.start()
    desk.know(cx1=desired(NEW), cx2=WITHOUT)
    await until(desk, 1)
    assert desk.status.targets["cx/cx2"].outcome is Outcome.SKIPPED
    assert desk.events[-1].text.endswith(": 1 ok")
