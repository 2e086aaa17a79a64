"""The service's loop in virtual time, with a broker in memory."""

import asyncio
from datetime import datetime, timedelta

import pytest
from msgspec import structs

from conche.contract import (
    EopState,
    FpgaState,
    FpgaStatus,
    Outcome,
)
from conche.eop.service import START_S

from .desk import GOOD, Desk, hours, until
from .samples import FRAME0, NEW, NOW, WITHOUT, desired, record

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("iers")]


async def test_before_the_first_run_it_says_never(desk: Desk):
    await desk.start()
    assert desk.status.state is EopState.NEVER
    assert desk.status.next_run_at == datetime.fromisoformat("2026-11-22T12:00Z")


async def test_it_runs_as_soon_as_all_is_known_and_says_what_it_did(desk: Desk):
    await desk.start()
    desk.know()
    await until(desk, 1)
    assert desk.reasons == ["at the start"]
    status = desk.status
    assert (status.state, len(status.entries), status.frame0_ns) == (EopState.FRESH, 6, FRAME0)
    assert status.first == datetime.fromisoformat("2026-11-19T00:00Z")
    assert status.last == datetime.fromisoformat("2026-11-24T00:00Z")
    assert status.targets["cx/cx1"].outcome is Outcome.OK
    assert (status.error, status.warning) == (None, None)
    (event,) = desk.events
    assert event.text == ("Earth orientation, 6 entries, 2026-11-19 to 2026-11-24 (at the start): 1 ok")
    found, _ = desk.file.read(NOW)
    assert found is not None
    assert found.entries == status.entries


async def test_it_runs_every_day_at_noon(desk: Desk):
    await desk.start()
    desk.know()
    await asyncio.sleep(hours(3 * 24))
    assert desk.reasons == ["at the start", *["as every day"] * 3]
    assert desk.status.state is EopState.FRESH
    assert len(desk.events) == 4


async def test_it_waits_for_the_others_and_then_says_what_it_lacks(desk: Desk):
    await desk.start()
    await asyncio.sleep(START_S - 1)
    assert desk.status.state is EopState.NEVER
    assert desk.status.error is None
    await asyncio.sleep(2)
    assert desk.status.state is EopState.FAILED
    assert "frame0 is not known: the fpga service has said nothing" in (desk.status.error or "")
    desk.know()
    await until(desk, 1)
    assert desk.status.state is EopState.FRESH


async def test_another_frame0_is_pushed_at_once(desk: Desk):
    await desk.start()
    desk.know()
    await until(desk, 1)
    desk.service.on_fpga({}, structs.replace(GOOD, frame0_ns=FRAME0 + 1))
    await asyncio.sleep(1)
    assert desk.reasons[1:] == ["frame0 has changed"]
    assert desk.status.frame0_ns == FRAME0 + 1
    desk.service.on_fpga({}, FpgaStatus(state=FpgaState.DOWN, last_frame0_ns=FRAME0 + 1))
    await asyncio.sleep(100)
    assert len(desk.sent) == 2


async def test_a_run_that_failed_is_tried_again_and_told_once(desk: Desk):
    await desk.start()
    desk.outcome = Outcome.FAILED
    desk.know()
    await asyncio.sleep(hours(1))
    assert desk.status.state is EopState.FAILED
    assert desk.status.error == "cx/cx1: in its words"
    assert desk.status.entries == []
    assert 5 <= len(desk.sent) <= 7
    assert [event.ok for event in desk.events] == [False]
    assert "frame0" in (desk.status.warning or "")
    assert desk.status.sent_frame0_ns == FRAME0
    assert desk.file.read(NOW) == (None, None)
    desk.outcome = Outcome.OK
    await asyncio.sleep(hours(1.1))
    assert desk.status.state is EopState.FRESH
    assert [event.ok for event in desk.events] == [False, True]
    number = len(desk.sent)
    await asyncio.sleep(hours(4))
    assert len(desk.sent) == number


async def test_nodes_that_are_held_are_listed_and_get_it_without_another_run(desk: Desk):
    await desk.start()
    desk.outcome = Outcome.HELD
    desk.know()
    await asyncio.sleep(hours(5))
    assert desk.status.state is EopState.FRESH
    assert desk.status.targets["cx/cx1"].outcome is Outcome.HELD
    assert len(desk.sent) == 1


async def test_a_broker_that_is_away_over_noon_makes_it_late_and_not_lost(desk: Desk):
    await desk.start()
    desk.know()
    await until(desk, 1)
    desk.connected = False
    await asyncio.sleep(hours(30))
    assert desk.status.state is EopState.STALE
    desk.connected = True
    await asyncio.sleep(5)
    assert desk.reasons == ["at the start", "as every day"]
    assert desk.status.state is EopState.FRESH


async def test_a_wall_clock_that_is_set_back_is_noticed_and_changes_no_value(desk: Desk):
    await desk.start()
    desk.know()
    await until(desk, 1)
    before = desk.status.entries
    desk.begin -= timedelta(hours=20)
    await asyncio.sleep(20)
    assert "the clock was set by -7" in desk.reasons[-1]
    assert len(desk.sent) == 2
    assert desk.status.entries == before
    await asyncio.sleep(hours(4))
    assert len(desk.sent) == 2


async def test_a_node_that_gets_the_block_is_told_soon_and_once(desk: Desk):
    await desk.start()
    desk.know(cx1=desired(NEW), cx2=WITHOUT)
    await until(desk, 1)
    desk.service.on_desired({"group": "cx", "node": "cx2"}, desired(NEW))
    await asyncio.sleep(60)
    assert desk.reasons[1:] == ["cx/cx2 is new"]


async def test_a_command_is_answered_with_what_became_of_it_and_once_carried_out(desk: Desk):
    await desk.start()
    desk.know()
    await until(desk, 1)
    desk.command()
    await asyncio.sleep(1)
    desk.command()
    await asyncio.sleep(1)
    assert desk.reasons[1:] == ["wished for by oscar"]
    assert [(r.id, r.ok, r.action) for r in desk.replies] == [("c1", True, "run")] * 2
    assert desk.replies[0].results["cx/cx1"].outcome is Outcome.OK
    assert desk.replies[0].eop == desk.status
    assert (desk.events[-1].user, desk.events[-1].command) == ("oscar", "c1")


async def test_a_dry_run_tells_and_changes_nothing(desk: Desk):
    await desk.start()
    desk.know()
    await until(desk, 1)
    before = desk.status
    desk.service.on_fpga({}, None)
    desk.command(dry_run=True)
    await asyncio.sleep(1)
    desk.service.on_fpga({}, GOOD)
    assert desk.replies[0].error is not None
    desk.command(dry_run=True, identity="c2")
    await asyncio.sleep(1)
    reply = desk.replies[1]
    assert reply.ok
    assert reply.results["cx/cx1"].error == "would get it; nothing was sent"
    assert reply.eop is not None
    assert reply.eop.entries == before.entries
    assert len(desk.sent) == 1
    assert desk.status == before


async def test_an_action_that_there_is_not_is_refused_with_those_that_there_are(desk: Desk):
    await desk.start()
    desk.command(action="push")
    assert desk.replies[0].error == "there is no action 'push'; there are run"


async def test_what_was_stored_is_shown_at_the_start(desk: Desk):
    old = record(-2, -1, 0, 1, written_at=NOW - timedelta(hours=24))
    desk.file.write(old)
    await desk.start()
    assert desk.status.state is EopState.FRESH
    assert desk.status.entries == old.entries
    assert desk.status.last_success_at == old.written_at


async def test_what_was_stored_more_than_25_hours_ago_is_stale(desk: Desk):
    desk.file.write(record(-2, -1, 0, 1, written_at=NOW - timedelta(hours=25.1)))
    await desk.start()
    assert desk.status.state is EopState.STALE
