"""What is too large for the broker, or for a state: it is refused or cut, and the worker goes on."""

import pytest
from msgspec.json import decode, encode
from msgspec.structs import replace

from conche.contract import (
    GROUP_SUMMARY,
    Drift,
    GroupSummary,
    LastPush,
    Maintenance,
    NodeState,
    NodeStatus,
    PushKind,
    Rejection,
)
from conche.sync.status import TOO_LARGE, shortened

from .world import World
from .world.speakers import GROUP, ROOT
from .world.world import EPOCH

LONG = "x" * 20_000


def test_a_reason_of_16_megabytes_is_refused_in_words_and_sets_nothing(pair: World) -> None:
    sent = pair.do(pair.operator.send, "set_maintenance", "cx1", maintenance=True, reason="x" * 16_100_000)
    pair.run(5.0)
    assert str(sent.reply.error).startswith(
        "set_maintenance: Expected `str` of length <= 1000 - at `$.reason`"
    )
    status = pair.status("cx1")
    assert status is not None
    assert not status.maintenance.on


def test_a_reason_with_a_nul_is_refused_in_words(pair: World) -> None:
    sent = pair.do(pair.operator.send, "set_maintenance", "cx1", maintenance=True, reason="a\0b")
    pair.run(5.0)
    assert "control character" in str(sent.reply.error)


def test_a_status_that_no_broker_would_take_is_published_without_its_long_texts(
    pair: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of a node that an earlier conche put into maintenance for a reason without end."""
    pair.kill_worker()
    monkeypatch.setattr("conche.bus.encoding.MAX_PAYLOAD", 10_000)
    record = pair.record()
    held = replace(record.nodes["cx1"], maintenance=Maintenance(on=True, by="bob", reason=LONG))
    pair.file.write_bytes(encode(replace(record, nodes={**record.nodes, "cx1": held})))
    pair.start_worker()
    pair.run(10.0)
    status = pair.status("cx1")
    assert status is not None
    assert (status.maintenance.on, status.maintenance.by) == (True, "bob")
    assert len(status.maintenance.reason or "") == 1000
    assert status.error == TOO_LARGE
    assert pair.runs("cx2")
    assert pair.broker.retained[f"{ROOT}/{GROUP_SUMMARY.topic(group=GROUP)}"]


def test_a_status_that_was_cut_is_small_whatever_made_it_large() -> None:
    status = NodeStatus(
        state=NodeState.FAILED,
        started=True,
        maintenance=Maintenance(on=True, reason=LONG),
        epoch="e1",
        drift=Drift(base=True, endpoints=[LONG], paths=[LONG]),
        held=LONG,
        rejected=[Rejection(error=LONG, at=EPOCH)],
        error=LONG,
        last_push=LastPush(kind=PushKind.START, at=EPOCH, error=LONG),
    )
    cut = shortened(status)
    assert len(encode(cut)) < 6_000
    assert (cut.state, cut.drift.base, cut.maintenance.on) == (NodeState.FAILED, True, True)
    assert str(cut.error).startswith(f"{TOO_LARGE}: xxx")


def test_a_summary_that_no_broker_would_take_is_published_without_its_holds(
    trio: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conche.bus.encoding.MAX_PAYLOAD", 2_000)
    for number in (1, 2, 3):
        trio.do(
            trio.operator.send, "set_maintenance", f"cx{number}", maintenance=True, reason=f"{number}" * 600
        )
    trio.run(5.0)
    summary = decode(trio.broker.retained[f"{ROOT}/{GROUP_SUMMARY.topic(group=GROUP)}"], type=GroupSummary)
    assert (summary.maintenance, summary.holds) == (3, [])


def test_a_state_that_is_too_large_even_when_cut_does_not_end_the_worker(
    pair: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.run(5.0)
    monkeypatch.setattr("conche.bus.encoding.MAX_PAYLOAD", 300)
    pair.do(pair.operator.send, "set_maintenance", "cx1", maintenance=True)
    pair.run(5.0)
    assert pair.node("cx1").maintenance.on
    monkeypatch.undo()
    pair.do(pair.operator.send, "set_maintenance", "cx1", maintenance=False)
    pair.run(5.0)
    assert pair.runs("cx1")
