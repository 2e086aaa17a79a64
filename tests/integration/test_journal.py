"""The journal beside a whole data plane: what people and conche did is there, also after it was killed."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conche.bus.client import Client
from conche.cli.asking import JournalAway, ask, check_journal
from conche.contract import (
    EventKind,
    Events,
    JournalEntry,
    Outcome,
    Resync,
    SetMaintenance,
    SetStarted,
)
from conche.journal.service import OWNERS_S

from .dataplane import DataPlane, Process, running_data_plane

QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}
PATIENCE_S = 20.0


class Journal:
    """The journal's process, and what it tells."""

    def __init__(self, stack: DataPlane, process: Process) -> None:
        self.stack = stack
        self.process = process

    async def events(self, **wish: Any) -> list[JournalEntry]:
        """Ask; the oldest first."""
        async with self.stack.connect() as client:
            return (await ask(client, Events(limit=1000, **wish))).events[::-1]

    async def until_told(self, fits: Callable[[JournalEntry], bool], **wish: Any) -> JournalEntry:
        """Wait for an entry, and return the newest that fits."""
        found: list[JournalEntry] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    found = await self.events(**wish)
                    fitting = [entry for entry in found if fits(entry)]
                    if fitting:
                        return fitting[-1]
                    await asyncio.sleep(0.1)
        raise AssertionError([entry.event.text for entry in found])

    async def online(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(JournalAway):
                    async with self.stack.connect() as client:
                        return await check_journal(client)
                await asyncio.sleep(0.1)

    async def away(self) -> None:
        """Wait until the broker says that it is lost."""
        async with asyncio.timeout(PATIENCE_S), self.stack.connect() as client:
            with contextlib.suppress(JournalAway):
                while True:
                    await check_journal(client)
                    await asyncio.sleep(0.1)


@asynccontextmanager
async def with_journal(folder: Path, nodes: int = 1) -> AsyncIterator[Journal]:
    settings = {**QUICK, "journal": {"database": "journal/journal.db"}}
    async with running_data_plane(folder, {"cx": nodes}, speed=3, **settings) as stack:
        process = Process("journal", folder / "conche.yaml", folder / "journal.log")
        supervising = asyncio.create_task(process.supervise())
        process.start()
        try:
            journal = Journal(stack, process)
            await journal.online()
            yield journal
        finally:
            supervising.cancel()
            await asyncio.wait([supervising])


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with with_journal(tmp_path, nodes=2) as running:
        yield running


async def test_what_a_person_wanted_is_there_with_who_what_why_and_how_it_ended(journal: Journal):
    await journal.stack.start_all()
    wish = SetStarted(started=False, reason="lightning", id="stop-1")
    await journal.stack.command("set_started", wish, "cx/cx1")
    await journal.until_told(
        lambda e: e.event.kind is EventKind.STATE and e.event.after == "stopped", targets=["cx/cx1"]
    )
    told = await journal.events(targets=["cx/cx1"])
    mine = [entry.event for entry in told if entry.event.command == "stop-1"]
    taken, switch, answered = mine
    assert (taken.kind, taken.user, taken.action, taken.reason, taken.text) == (
        EventKind.COMMAND,
        "operator",
        "set_started",
        "lightning",
        "stop, by operator: lightning",
    )
    assert (switch.kind, switch.user, switch.reason, switch.before, switch.after) == (
        EventKind.SWITCH,
        "operator",
        "lightning",
        "run",
        "stop",
    )
    assert (answered.kind, answered.ok, answered.text) == (EventKind.REPLY, True, "stop, by operator: ok")
    assert (answered.took_s or 0) > 0
    (push,) = [e.event for e in told if e.event.action == "stop" and e.event.kind is EventKind.PUSH]
    assert (push.ok, push.before, push.after) == (True, journal.stack.revision(depth=4, coeff=1.0), None)
    assert (push.took_s or 0) > 0
    assert {entry.service for entry in told} == {"sync"}


async def test_a_push_is_there_with_what_ran_before_and_after_it(journal: Journal):
    stack = journal.stack
    await stack.start_all()
    stack.write_vars(depth=5, coeff=1.0)
    await stack.until_all_run(depth=5, coeff=1.0)
    old, new = stack.revision(depth=4, coeff=1.0), stack.revision(depth=5, coeff=1.0)
    for node in stack.nodes:
        entry = await journal.until_told(lambda e: e.event.after == new, targets=[node], kinds=["push"])
        assert (entry.event.before, entry.event.ok, entry.event.action) == (old, True, "restart")


async def test_a_config_that_is_no_good_is_there_with_who_rejected_it_and_whom_it_is_held_from(
    journal: Journal,
):
    stack = journal.stack
    await stack.start_all()
    bad = stack.revision(depth=7, coeff=1.0)
    await stack.sim.fault("cx/*", "reject_start", words="no such stage", revision=bad)
    stack.write_vars(depth=7, coeff=1.0)
    for node in stack.nodes:
        hold = await journal.until_told(
            lambda e: "no such stage" in e.event.text, targets=[node], kinds=["hold"]
        )
        assert (hold.event.ok, hold.event.after) == (False, bad)
        rejections = await journal.events(targets=[node], kinds=["rejection"])
        assert [e.event.after for e in rejections] == [bad]
        assert "no such stage" in rejections[0].event.text
    stack.write_vars(depth=8, coeff=1.0)
    await stack.until_all_run(depth=8, coeff=1.0)
    for node in stack.nodes:
        await journal.until_told(
            lambda e: e.event.text == "its desired config is held no longer", targets=[node]
        )


async def test_a_maintenance_that_ended_by_itself_is_told(journal: Journal):
    until = datetime.now(UTC) + timedelta(seconds=2)
    hold = SetMaintenance(maintenance=True, until=until, reason="a look")
    await journal.stack.command("set_maintenance", hold, "cx/cx1")
    ended = await journal.until_told(lambda e: "ended by itself" in e.event.text, kinds=["switch"])
    assert ended.event.text == "maintenance by operator ended by itself: its time was over"


async def test_a_steady_cluster_is_silent(journal: Journal):
    await journal.stack.start_all()
    await asyncio.sleep(OWNERS_S)
    before = await journal.events()
    await asyncio.sleep(4)
    assert await journal.events(after=before[-1].number) == []


async def test_after_a_kill_it_knows_all_that_it_knew_and_tells_what_changed_meanwhile(journal: Journal):
    stack = journal.stack
    await stack.start_all()
    await asyncio.sleep(OWNERS_S + 1)
    before = await journal.events()
    journal.process.stop(signal.SIGKILL)
    await journal.away()
    hold = SetMaintenance(maintenance=True, reason="new GPU")
    await stack.command("set_maintenance", hold, "cx/cx1")
    await stack.sim.fault("cx/cx2", "refuse")
    await stack.until(lambda s: s["cx/cx2"].state == "down")
    journal.process.start()
    await journal.online()
    switch = await journal.until_told(lambda e: e.service == "journal", targets=["cx/cx1"], kinds=["switch"])
    assert switch.event.text == "in maintenance by operator: new GPU (found so: the journal was away)"
    assert (switch.event.user, switch.event.reason) == ("operator", "new GPU")
    state = await journal.until_told(lambda e: e.service == "journal", targets=["cx/cx2"], kinds=["state"])
    assert (state.event.before, state.event.after) == ("started", "down")
    after = await journal.events()
    assert after[: len(before)] == before
    (begun,) = [e.event.text for e in after[len(before) :] if e.event.text.startswith("journal came online")]
    assert "the last that it heard before was at" in begun


async def test_what_was_heard_is_not_told_again_after_a_kill(journal: Journal):
    await journal.stack.start_all()
    await asyncio.sleep(OWNERS_S + 1)
    journal.process.send(signal.SIGKILL)
    await asyncio.sleep(OWNERS_S + 4)
    told = [e.event.text for e in await journal.events() if e.event.text.startswith("journal came online")]
    assert len(told) == 2
    assert [e.event.text for e in await journal.events() if "found so" in e.event.text] == []


async def test_services_that_come_and_go_are_told(journal: Journal):
    await asyncio.sleep(OWNERS_S + 1)
    journal.stack.processes["poller"].stop(signal.SIGKILL)
    lost = await journal.until_told(lambda e: "poller/main is lost" in e.event.text, kinds=["service"])
    assert lost.event.ok is False
    journal.stack.processes["poller"].start()
    await journal.until_told(
        lambda e: e.number > lost.number and "poller/main came online" in e.event.text, kinds=["service"]
    )


async def test_questions_leave_no_trace_and_wrong_commands_do(journal: Journal):
    stack = journal.stack
    await asyncio.sleep(OWNERS_S + 1)
    last = (await journal.events())[-1].number
    for action in ("ping", "inspect"):
        await stack.command(action, Resync(), "cx/cx1")
    replies = await stack.command("set_started", Resync(), "cx/cx1")
    assert not replies["cx"].ok
    entry = await journal.until_told(lambda e: e.event.kind is EventKind.REPLY, after=last)
    assert entry.event.text.startswith("set_started, by operator: refused: ")
    assert len(await journal.events(after=last)) == 1


async def test_a_question_that_makes_no_sense_is_refused_in_words(journal: Journal):
    async with Client(journal.stack.mosquitto.settings, account="operator") as client:
        for identity, wish, words in (
            ("1", Events(id="1", kinds=["pish"]), "there is no kind 'pish'"),
            ("2", Events(id="2", limit=5000), "<= 1000"),
        ):
            await client.send("events", wish, group="-", node="journal")
            reply = await client.reply(timeout=10)
            assert reply is not None
            assert (reply.id, reply.ok) == (identity, False)
            assert words in str(reply.error)


async def test_a_restart_of_the_broker_costs_no_memory(journal: Journal):
    stack = journal.stack
    await stack.start_all()
    before = await journal.events()
    stack.mosquitto.stop(signal.SIGKILL)
    await stack.mosquitto.start()
    await stack.until(lambda s: all(x.state == "started" for x in s.values()))
    replies = await stack.command("set_maintenance", SetMaintenance(maintenance=True), "cx/cx2")
    assert replies["cx"].results["cx/cx2"].outcome is Outcome.OK
    entry = await journal.until_told(
        lambda e: e.number > before[-1].number and e.event.kind is EventKind.SWITCH, targets=["cx/cx2"]
    )
    assert entry.event.text == "in maintenance by operator"
    assert (await journal.events())[: len(before)] == before
