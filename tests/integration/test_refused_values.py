"""Values that a kotekan refuses, in a group of twelve: one node learns it, and eleven never notice."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conche.cli.asking import ask
from conche.contract import EventKind, Events, JournalEntry, Log, Outcome, Reply, Show

from .dataplane import Process, converged, running_data_plane
from .wisher import START_TIME, Wisher

QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}


@pytest.fixture
async def twelve(tmp_path: Path) -> AsyncIterator[Wisher]:
    settings = {**QUICK, "journal": {"database": "journal/journal.db"}}
    async with running_data_plane(tmp_path, {"cx": 12}, speed=3, **settings) as running:
        running.__class__ = Wisher
        assert isinstance(running, Wisher)
        process = Process("journal", tmp_path / "conche.yaml", tmp_path / "journal.log")
        supervising = asyncio.create_task(process.supervise())
        process.start()
        try:
            await running.start_all()
            assert (await running.gains(2.0, id="good")).ok
            yield running
        finally:
            supervising.cancel()
            await asyncio.wait([supervising])


async def test_refused_values_restart_one_of_twelve_once_and_eleven_never_notice(twelve: Wisher):
    good = twelve.revision(depth=4, coeff=2.0)
    await twelve.sim.fault("cx/*", "reject_value", endpoint="gains", key="coeff", equals=9.0)
    before = await twelve.last_entry()
    reply = await twelve.gains(9.0, id="bad")
    assert not reply.ok
    (who,) = [key for key, one in reply.results.items() if one.outcome is Outcome.FAILED]
    held = [key for key, one in reply.results.items() if one.outcome is Outcome.HELD]
    assert len(held) == 11
    assert "its kotekan refused these values of gains" in (reply.results[who].error or "")
    assert all(f"{who} refused these values of gains" in (reply.results[key].error or "") for key in held)

    found = await twelve.until(lambda found: all(converged(s) and s.live == good for s in found.values()))
    assert [one.endpoint for one in found[who].rejected] == ["gains"]
    assert not any(found[key].rejected for key in held)
    assert await twelve.writes(who, since=before) == ["update", "start"]
    assert {key: await twelve.writes(key, since=before) for key in held} == {key: [] for key in held}
    await is_put_back(twelve, who)
    await is_told(twelve, who, reply)


async def is_put_back(stack: Wisher, who: str) -> None:
    """Assert that the values from before are in the files and in the history, and why."""
    stored = [json.loads(stack.text(f".updatable/cx/cx{i}.json")) for i in range(1, 13)]
    assert stored == [{"gains": {"coeff": 2.0, "start_time": START_TIME}}] * 12
    back, bad = (await stack.wish("log", Log(limit=2), "-/renderer")).commits
    assert (back.author, bad.trailers["Command-Id"]) == ("conche", "operator/bad")
    assert back.trailers.keys() == {"Rejected-Endpoint", "Rejected-Values", "Change"}
    assert f"{who} refused the values" in back.subject
    shown = await stack.wish("show", Show(commit=back.id), "-/renderer")
    assert (shown.patch or "").count('+    "coeff": 2.0') == 12


async def is_told(stack: Wisher, who: str, reply: Reply) -> None:
    """Assert what the journal tells."""
    kinds = [EventKind.COMMAND, EventKind.REPLY, EventKind.CONFIG, EventKind.REJECTION]
    told: dict[EventKind, list[JournalEntry]] = {}
    async with asyncio.timeout(20), stack.connect() as client:
        while not told.get(EventKind.REJECTION):
            entries = (await ask(client, Events(kinds=kinds, limit=1000))).events
            told = {kind: [one for one in entries if one.event.kind is kind] for kind in kinds}
            await asyncio.sleep(0.1)
    (rejection,) = told[EventKind.REJECTION]
    assert f"{rejection.group}/{rejection.node}" == who
    (command,) = [one.event for one in told[EventKind.COMMAND] if one.event.command == "bad"]
    (answer,) = [one.event for one in told[EventKind.REPLY] if one.event.command == "bad"]
    assert (command.user, answer.ok, answer.commit) == ("operator", False, reply.commit)
    back, bad = [one.event for one in told[EventKind.CONFIG]][:2]
    assert (back.user, bad.user, bad.commit) == ("conche", "operator", reply.commit)
