"""The screen with its keys, driven as a person drives it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from conche.cli.session import INTERRUPTED
from conche.cli.top import app as app_module
from conche.cli.top.dialogs import Confirm, Help, MaintenanceForm
from conche.cli.top.wishes import Kind
from tests.unit.cli.samples import NOW, status
from tests.unit.cli.watch.samples import tell_birth, tell_status, thousand

from .samples import FEW, Obedient, Shown, entry

PATIENCE_S = 20.0
"""Real time: Textual's timers know no other."""


@asynccontextmanager
async def shown(one: Shown, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[Any]]:
    async with one.app.run_test(size=size) as pilot:
        await pilot.pause()
        yield pilot


async def until(pilot: Pilot[Any], condition: Callable[[], object]) -> None:
    """Wait for something to be seen."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await pilot.pause(0.02)


async def told(one: Shown, pilot: Pilot[Any], condition: Callable[[str], bool]) -> None:
    """Wait until what was told to the picture is seen."""
    one.app.on_change()
    await until(pilot, lambda: condition(one.screen))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (60, 12), (40, 8), (20, 4)])
async def test_it_fits_on_screens_of_every_size(size: tuple[int, int]):
    one = Shown()
    async with shown(one, size):
        lines = one.screen.splitlines()
        assert len(lines) == size[1]
        assert max(map(len, lines)) <= size[0]
        assert lines[0].startswith("conche  error")
        assert lines[-1].strip()


async def test_groups_nodes_keys_and_events_stand_on_the_screen():
    one = Shown(telescope=Obedient([entry(1, "is down: refused")]))
    async with shown(one):
        for words in ("- cx ", "cx10  ", "leonie until 05:00Z", "is down: refused", "? help"):
            assert words in one.screen


async def test_the_cursor_stays_on_what_is_chosen():
    one = Shown()
    async with shown(one) as pilot:
        await pilot.press("j", "j", "j")
        assert "cx1 " in one.chosen
        tell_status(one.live, "cx/cx1", status("down", error="refused"))
        await told(one, pilot, lambda screen: "2 to look at" in screen)
        assert "cx1 " in one.chosen
        assert "down" in one.chosen


async def test_enter_folds_a_group_and_tells_all_of_a_node():
    one = Shown()
    async with shown(one) as pilot:
        await pilot.press("enter")
        assert "+ cx" in one.chosen
        assert "cx10" not in one.screen
        await pilot.press("right", "j", "enter")
        assert "── cx/cx2 ─" in one.screen
        assert "10.1.0.2:12048: refused" in one.screen
        await pilot.press("left")
        assert "+ cx" in one.chosen


async def test_a_thousand_nodes_begin_as_their_groups():
    one = Shown(thousand())
    async with shown(one) as pilot:
        assert "1-8 of 8" in one.screen
        await pilot.press("a", "G")
        assert "of 1008" in one.screen
        await pilot.press("w")
        assert "only what is wrong" in one.screen
        assert "n3 " in one.screen


async def test_words_are_looked_for_while_they_are_typed():
    one = Shown()
    async with shown(one) as pilot:
        await pilot.press("slash", *"gpu")
        assert "cx10" in one.screen
        assert "recv1" not in one.screen
        assert len(one.screen.splitlines()) == 24
        await pilot.press("enter")
        assert not one.app.query_one("#find", Input).display
        assert "only with 'gpu'" in one.screen
        await pilot.press("escape")
        assert "recv1" in one.screen


async def test_escape_ends_the_search():
    one = Shown()
    async with shown(one) as pilot:
        await pilot.press("slash", "x", "y", "escape")
        assert (one.view.needle, one.app.query_one("#find", Input).display) == ("", False)
        await pilot.press("j")  # keys are keys again
        assert "cx2" in one.chosen


async def test_the_order_is_changed_by_a_key():
    one = Shown()
    async with shown(one) as pilot:
        await pilot.press("o")
        assert "by name" in one.screen
        nodes = [line.split()[0] for line in one.screen.splitlines() if line.startswith("    cx")]
        assert nodes == ["cx1", "cx2", "cx10"]


async def test_a_stop_is_asked_for_and_its_outcome_told():
    one = Shown()
    async with shown(one) as pilot:
        await pilot.press("x")
        assert isinstance(one.app.screen, Confirm)
        assert "This stops 3 nodes (3 of cx); 1 of them is in maintenance" in " ".join(one.screen.split())
        await pilot.press("y")
        await until(pilot, lambda: "stop cx: 3 ok" in one.screen)
        assert [(wish.kind, wish.words) for wish in one.telescope.wishes] == [(Kind.STOP, ("cx",))]
        assert "cx/cx10  ok" in one.screen


@pytest.mark.parametrize("key", ["n", "escape", "q"])
async def test_no_is_no(key: str):
    one = Shown()
    async with shown(one) as pilot:
        await pilot.press("r", key)
        await pilot.pause()
        assert one.telescope.wishes == []
        assert not isinstance(one.app.screen, Confirm)
        assert one.app.is_running


async def test_marked_nodes_are_what_a_command_is_for():
    one = Shown()
    async with shown(one) as pilot:
        await pilot.press("j", "space", "space", "s")
        assert "2 marked" in one.screen
        assert "This starts 2 nodes (2 of cx)" in one.screen
        await pilot.press("y")
        await until(pilot, lambda: "start 2 nodes: 2 ok" in one.screen)
        assert set(one.telescope.wishes[0].keys) == {"cx/cx2", "cx/cx10"}
        await pilot.press("u")
        assert one.view.marked == set()


async def test_maintenance_asks_why_and_until_when():
    one = Shown()
    async with shown(one) as pilot:
        await pilot.press("j", "m")
        assert isinstance(one.app.screen, MaintenanceForm)
        await pilot.press(*"disk", "enter", *"soon", "enter")
        assert "'soon' is no time" in one.screen
        one.app.screen.query_one("#until", Input).value = "2h"
        await pilot.press("enter")
        await until(pilot, lambda: one.telescope.wishes)
        (wish,) = one.telescope.wishes
        assert (wish.kind, wish.words, wish.reason) == (Kind.MAINTENANCE_ON, ("cx/cx2",), "disk")
        assert wish.until is not None
        assert wish.until > NOW


async def test_maintenance_may_have_neither_reason_nor_end_and_may_be_left():
    one = Shown()
    async with shown(one) as pilot:
        await pilot.press("m", "escape")
        assert one.telescope.wishes == []
        await pilot.press("m", "enter", "enter")
        await until(pilot, lambda: one.telescope.wishes)
        (wish,) = one.telescope.wishes
        assert (wish.reason, wish.until) == (None, None)


async def test_what_the_role_does_not_allow_is_told():
    one = Shown(telescope=Obedient(error="the role 'viewer' may not do set_started"))
    async with shown(one) as pilot:
        await pilot.press("j", "j", "j", "s")
        await until(pilot, lambda: "start cx/cx1: the role 'viewer' may not do set_started" in one.screen)


async def test_while_it_is_awaited_a_command_tells_how_far_it_is():
    one = Shown()
    one.telescope.may.clear()
    async with shown(one) as pilot:
        await pilot.press("p")
        await until(pilot, lambda: "ping cx: waiting for cx, " in one.screen)
        assert one.app.is_waiting
        await pilot.press("e")  # another pane: the foot goes on telling
        assert "ping cx: waiting for cx, " in one.screen
        one.telescope.may.set()
        await until(pilot, lambda: "ping cx: 3 ok" in one.screen)
        assert not one.app.is_waiting


async def test_help_lists_the_keys_on_eighty_columns():
    one = Shown()
    async with shown(one) as pilot:
        await pilot.press("question_mark")
        assert isinstance(one.app.screen, Help)
        for words in ("resync: restart", "maintenance on, off", "leave"):
            assert words in one.screen
        await pilot.press("escape")
        assert not isinstance(one.app.screen, Help)


@pytest.mark.parametrize(("key", "code"), [("q", 0), ("ctrl+c", INTERRUPTED)])
async def test_it_is_left_by_a_key(key: str, code: int):
    one = Shown()
    async with shown(one) as pilot:
        await pilot.press(key)
        await pilot.pause()
        assert one.app.return_value == code


@pytest.mark.parametrize("opening", ["x", "m", "question_mark", "slash"])
async def test_ctrl_c_leaves_from_everywhere(opening: str):
    one = Shown()
    async with shown(one) as pilot:
        await pilot.press(opening, "ctrl+c")
        await pilot.pause()
        assert one.app.return_value == INTERRUPTED


async def test_a_broker_that_goes_and_comes_is_seen():
    one = Shown()
    async with shown(one) as pilot:
        one.live.on_lost("refused", NOW)
        await told(one, pilot, lambda screen: "broker away since" in screen)
        assert "was down" in one.screen
        one.live.on_complete(asyncio.get_running_loop().time())
        await told(one, pilot, lambda screen: "broker away" not in screen)
        assert "was down" not in one.screen


async def test_a_worker_that_goes_is_seen():
    one = Shown()
    async with shown(one) as pilot:
        tell_birth(one.live, "sync/recv", "lost")
        await told(one, pilot, lambda screen: "no worker serves it: sync/recv is lost" in screen)


async def test_another_size_is_drawn():
    one = Shown()
    async with shown(one) as pilot:
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: len(one.screen.splitlines()) == 40)
        await pilot.press("d")
        assert "── cx ─" in one.screen
        assert "── events ─" in one.screen
        await pilot.resize_terminal(60, 14)
        await until(pilot, lambda: "── events ─" not in one.screen)
        assert len(one.screen.splitlines()) == 14


async def test_a_pane_on_the_whole_screen_is_moved_by_the_keys():
    one = Shown(telescope=Obedient([entry(n % 60, f"event {n}") for n in range(60)]))
    async with shown(one) as pilot:
        assert "event 59" in one.screen
        await pilot.press("z")
        assert "cx10" not in one.screen
        assert "event 45" in one.screen
        await pilot.press("g")
        assert "event 0" in one.screen
        assert "event 59" not in one.screen
        await pilot.press("G", "escape")
        assert "cx10" in one.screen
        assert "event 59" in one.screen


async def test_a_storm_of_changes_is_drawn_five_times_a_second(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app_module, "TICK_S", 60.0)
    one = Shown(thousand())
    async with shown(one) as pilot:
        drawn = []
        draw = one.app._painting.draw
        monkeypatch.setattr(
            one.app._painting, "draw", lambda *a, **k: (drawn.append(k["now_s"]), draw(*a, **k))
        )
        for number in range(500):
            tell_status(one.live, "cx0/n7", status("down" if number % 2 else "started"))
            one.app.on_change()
            await asyncio.sleep(0.002)
        await pilot.pause(0.3)
        gaps = [after - before for before, after in itertools.pairwise(drawn)]
        assert 2 <= len(drawn) <= 10
        assert min(gaps) > app_module.PACE_S - 0.02


async def test_where_nothing_changes_nothing_but_the_clock_is_drawn():
    one = Shown(thousand())
    async with shown(one) as pilot:
        await pilot.pause(0.1)
        regions: list[tuple[str | None, int, int]] = []
        for surface in one.app.query("Surface"):
            surface.refresh = (  # type: ignore[method-assign]  # counts what is drawn
                lambda *found, id=surface.id, **_: regions.extend((id, r.y, r.height) for r in found)
            )
        await pilot.pause(2.2)
        assert regions
        assert set(regions) == {("head", 0, 1)}


async def test_the_clock_alone_makes_ages_grow():
    one = Shown(FEW)
    async with shown(one) as pilot:
        tell_status(one.live, "cx/cx1", status(since=datetime.now(UTC)))
        await told(one, pilot, lambda screen: " 0 s" in screen)
        await until(pilot, lambda: " 2 s" in one.screen)


async def test_what_is_heard_while_it_ends_is_passed_over():
    one = Shown()
    one.telescope.may.clear()
    async with shown(one) as pilot:
        await pilot.press("p")
        await until(pilot, lambda: one.app.is_waiting)
        one.app.exit(0)
        for _ in range(20):
            tell_status(one.live, "cx/cx1", status("down"))
            one.app.on_change()
            one.app._draw()
            await asyncio.sleep(0.005)
    one.app.on_change()
    one.app._draw()
