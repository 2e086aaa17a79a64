"""The screen of `conche top`: what is drawn where and when, and what the keys do."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Input

from conche.cli.session import INTERRUPTED
from conche.cli.watch.keys import Scroll
from conche.cli.watch.live import Live

from .dialogs import Help
from .dispatch import Dispatch
from .eventlog import EventLog
from .items import Item
from .painting import Painting, Parts
from .surfaces import Scrolling
from .telescope import Telescope
from .view import Pane, View
from .wishes import Kind, entries_for

PACE_S: Final = 0.2
"""What comes from the broker is drawn at most so often [s]."""

TICK_S: Final = 1.0
"""Ages, and the time of day [s]."""

_TO_THE_END: Final = 10**9
"""Lines; more than there ever are."""


def _keys(key: str, action: str, description: str = "") -> Binding:
    return Binding(key, action, description, show=False)


class Top(App[int]):
    """Everything on one screen; what it returns is the exit code.

    Parameters
    ----------
    live
        The picture, kept up to date by somebody else, who tells of changes with `on_change`.
    log
        Events, in the same way.
    telescope
        Carries commands out.
    view
        What is wanted at first.
    where
        The broker, in words.
    words
        TARGETs; none for everything.
    """

    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    CSS = """
    Screen { overflow: hidden; }
    #panes { height: auto; }
    #find { display: none; height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        _keys("up,k", "move(-1)"),
        _keys("down,j", "move(1)"),
        _keys("pageup,b", "turn(-1)"),
        _keys("pagedown", "turn(1)"),
        _keys("home,g", f"move({-_TO_THE_END})"),
        _keys("end,G", f"move({_TO_THE_END})"),
        _keys("enter", "open"),
        _keys("left", "fold(True)"),
        _keys("right", "fold(False)"),
        _keys("a", "fold_all"),
        _keys("w", "wrong"),
        _keys("slash", "find"),
        _keys("o", "order"),
        _keys("space", "mark"),
        _keys("u", "unmark"),
        *(_keys(kind_key, f"wish('{kind}')") for kind_key, kind in (
            ("s", Kind.START), ("x", Kind.STOP), ("m", Kind.MAINTENANCE_ON),
            ("M", Kind.MAINTENANCE_OFF), ("r", Kind.RESYNC), ("p", Kind.PING),
        )),
        *(_keys(pane[0], f"pane('{pane}')") for pane in (Pane.DETAIL, Pane.EVENTS, Pane.COMMANDS)),
        _keys("z", "zoom"),
        _keys("escape", "undo"),
        _keys("question_mark", "help"),
        _keys("ctrl+l", "redraw"),
        _keys("ctrl+z", "suspend_process"),
        _keys("q", "leave(0)"),
        Binding("ctrl+c", f"leave({INTERRUPTED})", show=False, priority=True),
    ]  # fmt: skip

    def __init__(
        self,
        live: Live,
        log: EventLog,
        *,
        telescope: Telescope,
        view: View,
        where: str,
        words: Sequence[str] = (),
    ) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self._live = live
        self._events = log
        self._telescope = telescope
        self._view = view
        self._words = words
        self._stale = True
        self._later: Timer | None = None
        self._drawn_s = 0.0
        self._shown = False
        self._dispatch = Dispatch(self, live, telescope=telescope, began=self._on_sent, heard=self.on_change)
        self._parts = Parts()
        self._painting = Painting(live, log, history=self._dispatch.history, view=view, where=where)

    @property
    def is_waiting(self) -> bool:
        """Whether something is still to be heard of a command."""
        return self._dispatch.history.is_waiting

    def compose(self) -> ComposeResult:
        """Make the parts of the screen."""
        parts = self._parts
        yield parts.head
        yield parts.table
        with Horizontal(id="panes"):
            yield parts.pane
            yield parts.events
        yield parts.find
        yield parts.foot

    def on_mount(self) -> None:
        """Begin to draw."""
        self._view.begin(self._live.tallies, nodes=len(self._live.entries))
        self.set_interval(TICK_S, self._draw)
        self.remember()
        self._shown = True
        self._draw()

    def remember(self) -> None:
        """Find out what happened before, or while the broker was away."""
        if self.is_running:
            self.run_worker(self._past(), group="past", exclusive=True)

    async def _past(self) -> None:
        if self._events.remember(await self._telescope.past(self._words)):
            self._draw()

    # --- when

    def on_change(self) -> None:
        """Take that something may have changed; several changes share a drawing."""
        if self._shown and self.is_running and self._later is None:
            wait = self._drawn_s + PACE_S - asyncio.get_running_loop().time()
            self._later = self.set_timer(max(wait, 0.001), self._draw)

    def on_resize(self, _event: events.Resize) -> None:
        """Adapt to another size."""
        self._stale = True
        if self._shown:
            self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        """Draw what has changed."""
        if not self._parts.are_there:
            return
        self._drawn_s = asyncio.get_running_loop().time()
        if self._later is not None:
            self._later.stop()
            self._later = None
        anew, self._stale = self._stale, False
        self._painting.draw(
            self._parts, size=self.size, now=datetime.now(UTC), now_s=self._drawn_s, anew=anew
        )

    # --- keys that change what is seen

    def _again(self) -> None:
        self._stale = True
        self._draw()

    @property
    def _movable(self) -> Scrolling | Scroll:
        """What the keys move: the table, or a pane that has the whole screen."""
        return self._painting.moved(self._parts) or self._view.scroll

    @property
    def _chosen(self) -> Item | None:
        return self._painting.chosen

    def action_move(self, by: int) -> None:
        """Choose another line, or move a pane."""
        self._movable.move(by)
        self._draw()

    def action_turn(self, pages: int) -> None:
        """Go to another page, of the table or of a pane."""
        self._movable.turn(pages)
        self._draw()

    def action_open(self) -> None:
        """Fold or unfold a group; show all that there is to say of a node."""
        item = self._chosen
        if item is None or self._view.zoomed:
            return
        if item.is_node:
            self._view.toggle(Pane.DETAIL)
        else:
            self._view.fold(item.group)
        self._again()

    def action_fold(self, folded: bool) -> None:
        """Fold the group of the chosen line, or unfold it."""
        item = self._chosen
        if item is not None and (item.group in self._view.folded) is not folded:
            self._view.fold(item.group)
            if folded:
                self._view.scroll.move(-self._into_group(item))
            self._again()

    def _into_group(self, item: Item) -> int:
        """Return how many lines a line is below that of its group."""
        index = self._view.scroll.index
        above = [one.group == item.group and not one.is_node for one in self._painting.items[: index + 1]]
        return index - above.index(True)

    def action_fold_all(self) -> None:
        """Fold all groups, or unfold them."""
        self._view.fold_all(item.group for item in self._painting.items)
        self._again()

    def action_wrong(self) -> None:
        """Show only what is wrong, or everything."""
        self._view.wrong = not self._view.wrong
        self._again()

    def action_order(self) -> None:
        """Take the next order."""
        self._view.next_order()
        self._again()

    def action_mark(self) -> None:
        """Mark what is chosen, and go on to the next line."""
        if (item := self._chosen) is not None:
            self._view.mark(item.keys)
            self._view.scroll.move(1)
            self._draw()

    def action_unmark(self) -> None:
        """Take all marks away."""
        self._view.marked = set()
        self._draw()

    def action_pane(self, pane: str) -> None:
        """Show a pane, or hide it."""
        self._view.toggle(Pane(pane))
        self._draw()

    def action_zoom(self) -> None:
        """Give a pane the whole screen, or take it back."""
        self._view.zoomed = not self._view.zoomed and self._view.pane is not Pane.NONE
        self._draw()

    def action_undo(self) -> None:
        """Undo one thing."""
        finder = self._parts.find
        if finder.display:
            finder.value = ""
            self._view.needle = ""
            self._hide(finder)
        else:
            self._view.back()
        self._again()

    def action_redraw(self) -> None:
        """Draw everything anew."""
        self.refresh(repaint=True, layout=True)
        self.screen.refresh(repaint=True, layout=True)

    def action_help(self) -> None:
        """Say what the keys do."""
        self.push_screen(Help())

    def action_leave(self, code: int) -> None:
        """Leave."""
        self.exit(code)

    # --- words that are looked for

    def action_find(self) -> None:
        """Ask for words."""
        finder = self._parts.find
        finder.value = self._view.needle
        finder.display = True
        finder.focus()
        self._draw()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Look for words while they are typed."""
        if event.input.id == "find" and event.value != self._view.needle:
            self._view.needle = event.value
            self._again()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the words."""
        if event.input.id == "find":
            self._hide(event.input)

    def _hide(self, finder: Input) -> None:
        finder.display = False
        self.screen.set_focus(None)
        self._again()

    # --- commands

    def action_wish(self, kind: str) -> None:
        """Have something done with the marked nodes, else with the chosen one or its group."""
        entries = entries_for(self._live, self._chosen, self._view.marked)
        if entries:
            self._dispatch.ask(Kind(kind), entries)

    def _on_sent(self) -> None:
        self._view.pane = Pane.COMMANDS
        self._draw()
