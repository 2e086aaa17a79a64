"""The Earth-orientation table on the live screen and in its lines."""

from datetime import datetime

from msgspec.structs import replace

from conche.cli.watch.changes import JsonChanges, TextChanges
from conche.cli.watch.header import header
from conche.cli.watch.live import Live
from conche.contract import EOP, EopState, EopStatus, EopTarget, Health, Outcome
from tests.unit.cli.samples import NOW, ago, status

from .samples import live_of, news, tell_birth

FRESH = EopStatus(
    state=EopState.FRESH,
    last_success_at=ago(hours=3),
    last=NOW,
    targets={"cx/cx1": EopTarget(outcome=Outcome.OK)},
)


def told(eop: EopStatus | None, live: Live | None = None) -> Live:
    live = live or live_of({"cx/cx1": status()}, renderer="online", eop="online")
    live.take(news(EOP, eop), 0.0)
    return live


def lines(live: Live, now: datetime = NOW) -> list[str]:
    return [line.plain for line in header(live, room=10, now=now)]


def test_the_header_has_a_line_for_it_wherever_its_service_has_spoken():
    assert any(line.startswith("eop     fresh  built 3 h ago") for line in lines(told(FRESH)))
    never = told(EopStatus(state=EopState.NEVER))
    assert any(line.startswith("eop     never  none was pushed yet") for line in lines(never))
    assert never.eop is not None
    assert never.eop.health is Health.NORMAL
    assert not any(line.startswith("eop ") for line in lines(told(None)))


def test_a_failed_run_is_an_error_of_the_whole():
    assert told(FRESH).health is not Health.ERROR
    assert told(replace(FRESH, state=EopState.FAILED, error="cx/cx1: refused")).health is Health.ERROR


def test_its_service_lost_is_told_in_its_line():
    live = told(FRESH)
    tell_birth(live, "eop", "lost")
    assert any("eop is lost" in line and "last it was fresh" in line for line in lines(live))


def said(live: Live, changes: TextChanges) -> list[str]:
    moved = live.settle(0.0)
    found = [" ".join(line.split()[1:]) for line in changes.lines(moved, NOW)] if moved else []
    return [line for line in found if line.startswith("eop ")]


def test_changes_of_it_are_told_once_each():
    live = told(FRESH)
    changes = TextChanges(live)
    assert said(live, changes) == ["eop fresh"]
    told(replace(FRESH, next_run_at=NOW), live)
    assert said(live, changes) == []
    told(replace(FRESH, state=EopState.FAILED, error="cx/cx1: refused"), live)
    assert said(live, changes) == ["eop failed cx/cx1: refused"]
    told(None, live)
    assert said(live, changes) == ["eop gone"]


def test_programs_get_it_as_it_is():
    live = told(FRESH)
    assert any(
        '"eop"' in line and '"fresh"' in line for line in JsonChanges(live).lines(live.settle(0.0), NOW)
    )
