"""The check of the journal finds what is wrong with it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from conche.contract import (
    Event,
    EventKind,
    JournalEntry,
    LastPush,
    Maintenance,
    NodeState,
    NodeStatus,
    PushKind,
    Reply,
)
from conche.renderer.commits import Commit

from .telling import miscounted, untold_commands, untold_pushes, untrue

AT = datetime(2026, 11, 21, tzinfo=UTC)
COMMIT = Commit("c1", AT, "ann", "s", trailers={"Command-Id": "operator/ann-1"})
REPLY = Reply(id="ann-1", action="updatable_config", group="cx", ok=True, commit="c1")
STATUS = NodeStatus(
    state=NodeState.STARTED,
    started=True,
    maintenance=Maintenance(on=False),
    epoch="e",
    live="r",
    last_push=LastPush(kind=PushKind.UPDATE, at=AT, ok=True),
)


def entry(number: int, kind: str, *, service: str = "renderer", **fields: Any) -> JournalEntry:
    event = Event(at=AT, kind=EventKind(kind), text="x", **fields)
    return JournalEntry(number=number, service=service, group="cx", node="cx1", event=event)


COMMAND = entry(1, "command", command="ann-1")
CONFIG = entry(2, "config", command="ann-1", commit="c1")
ANSWER = entry(3, "reply", command="ann-1", commit="c1", ok=True)
PUSH = entry(4, "push", service="sync", action="update", ok=True, after="r")
ALL = [COMMAND, CONFIG, ANSWER, PUSH]


def wrong(*entries: JournalEntry, updates: int = 1) -> list[str]:
    return untrue(entries, sent=["ann-1"], commits=[COMMIT], updates={"cx/cx1": updates})


def test_what_happened_is_found_right():
    assert wrong(*ALL) == []
    assert untold_commands(ALL, {"ann-1": REPLY}) == []
    assert untold_pushes(ALL, {"cx/cx1": STATUS}) == []
    assert miscounted(ALL, {"cx/cx1": 1}) == []


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([entry(5, "command", command="bob-7")], "nobody sent"),
        ([entry(5, "config", command="ann-1", commit="c2")], "not its own"),
        ([CONFIG, entry(5, "config", command="ann-1", commit="c1")], "told 2 times"),
        ([PUSH, entry(5, "push", service="sync", action="update", ok=True)], "2 updates told, 1 made"),
        ([ANSWER, COMMAND], "1 after 3"),
    ],
)
def test_what_did_not_happen_is_found(entries: list[JournalEntry], words: str):
    (found,) = wrong(*entries)
    assert words in found


@pytest.mark.parametrize("missing", [COMMAND, CONFIG, ANSWER])
def test_what_was_not_told_of_a_command_is_found(missing: JournalEntry):
    assert untold_commands([one for one in ALL if one is not missing], {"ann-1": REPLY})


def test_a_push_that_was_not_told_is_found():
    assert untold_pushes(ALL[:3], {"cx/cx1": STATUS})
    assert untold_pushes([*ALL, entry(5, "push", action="start", ok=True, after="r")], {"cx/cx1": STATUS})
    assert miscounted(ALL[:3], {"cx/cx1": 1})
    assert miscounted(ALL, {})
