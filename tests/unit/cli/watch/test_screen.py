"""When the screen is drawn, and how it is left."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import pytest
from rich.text import Text

from conche.cli.watch.frame import Size
from conche.cli.watch.keys import View
from conche.cli.watch.screen import Screen
from tests.unit.cli.samples import status

from .samples import live_of, tell_status

pytestmark = pytest.mark.looptime


class Display:
    """Notes when it is drawn on; nothing can be typed."""

    keyboard = None

    def __init__(self) -> None:
        self.size = Size(80, 24)
        self.drawn: list[float] = []
        self.lines: list[str] = []
        self.entered = False

    def __enter__(self) -> Self:
        self.entered = True
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.entered = False

    def keys(self) -> bytes:
        return b""

    def draw(self, lines: Sequence[Text], size: Size) -> None:
        assert self.entered
        assert len(lines) == size.rows
        self.drawn.append(asyncio.get_running_loop().time())
        self.lines = [line.plain for line in lines]

    def forget(self) -> None: ...

    def suspend(self) -> None: ...


class Shown:
    """A screen that is shown."""

    def __init__(self) -> None:
        self.live = live_of({"cx/cx1": status()})
        self.display = Display()
        self.screen = Screen(self.live, View(), terminal=self.display, where="here")
        self.following = asyncio.ensure_future(asyncio.Event().wait())


@asynccontextmanager
async def shown() -> AsyncIterator[tuple[Shown, "asyncio.Task[int]"]]:
    one = Shown()
    running = asyncio.create_task(one.screen.run(one.following))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    try:
        yield one, running
    finally:
        one.following.cancel()
        running.cancel()
        await asyncio.wait([running, one.following])


async def test_where_nothing_changes_only_ages_are_drawn():
    async with shown() as (one, _):
        await asyncio.sleep(20.5)
        assert len(one.display.drawn) == 11


async def test_a_storm_of_changes_is_four_drawings_a_second():
    async with shown() as (one, _):
        for i in range(1000):
            tell_status(one.live, "cx/cx1", status("down" if i % 2 else "started"))
            one.screen.on_change()
            await asyncio.sleep(0.01)
        assert 35 <= len(one.display.drawn) <= 42
        gaps = [b - a for a, b in zip(one.display.drawn, one.display.drawn[1:], strict=False)]
        assert min(gaps) > 0.24


async def test_a_change_after_some_quiet_is_seen_at_once():
    async with shown() as (one, _):
        await asyncio.sleep(1.0)
        tell_status(one.live, "cx/cx1", status("down"))
        one.screen.on_change()
        await asyncio.sleep(0.01)
        assert "down" in "\n".join(one.display.lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_it(number: signal.Signals):
    async with shown() as (one, running):
        signal.raise_signal(number)
        async with asyncio.timeout(5):
            assert await running == 128 + number
        assert not one.display.entered


async def test_another_size_is_drawn_at_once():
    async with shown() as (one, _):
        one.display.size = Size(40, 10)
        signal.raise_signal(signal.SIGWINCH)
        await asyncio.sleep(0.1)
        assert len(one.display.lines) == 10


async def test_what_goes_wrong_leaves_the_terminal_too():
    async with shown() as (one, running):
        one.display.draw = None  # type: ignore[assignment,method-assign]
        one.screen.on_change()
        with pytest.raises(TypeError):
            await running
        assert not one.display.entered


async def test_the_end_of_what_brings_the_changes_is_the_end():
    async with shown() as (one, running):
        one.following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not one.display.entered
