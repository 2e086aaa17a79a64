"""What is asked before a command, and what the keys do: small screens above the large one."""

from datetime import UTC, datetime
from typing import ClassVar, Final

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from conche.cli.output import ERROR_STYLE
from conche.cli.times import TimeInvalid, parse_until

_BOX: Final = """
{name} {{ align: center middle; }}
{name} > .box {{ width: 78; max-width: 100%; height: auto; max-height: 100%; border: solid ansi_cyan; padding: 0 1; }}
{name} .keys {{ margin-top: 1; color: ansi_bright_black; }}
"""

HELP: Final = (
    ("j k PgUp PgDn g G", "choose a line; move in a pane that has the whole screen"),
    ("Enter", "fold a group, or unfold it; all the words about a node"),
    ("Left Right  a", "fold, unfold; all groups"),
    ("w", "only what somebody should look at"),
    ("/", "only lines with these words: names, people, errors"),
    ("o", "order: the worst, by name, or the latest change first"),
    ("Space  u", "mark a node, or those of a group; unmark all"),
    ("", "Commands: for the marked nodes, else the chosen line"),
    ("s", "start: have them run, now and from now on"),
    ("x", "stop: have them stop, and stay stopped"),
    ("m  M", "maintenance on, off: nothing is written there meanwhile"),
    ("r", "resync: restart with the desired config; lifts holds"),
    ("p", "ping: which answer, and how fast"),
    ("d  e  c", "below the table: detail, events, commands"),
    ("z", "give that the whole screen, and back"),
    ("Esc", "back: zoom, words, marks, filter, pane, one by one"),
    ("q  Ctrl-C", "leave"),
)
"""Keys, and what they do."""


class Confirm(ModalScreen[bool]):
    """Asks whether something is to be done.

    Parameters
    ----------
    what
        What that is.
    """

    CSS = _BOX.format(name="Confirm")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)"),
        Binding("n,escape,q", "dismiss(False)"),
    ]

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def compose(self) -> ComposeResult:
        """Show the question."""
        with Vertical(classes="box"):
            yield Static(Text(f"{self._what}. Go on?"), id="asked")
            yield Static("y yes   n no", classes="keys")


class MaintenanceForm(ModalScreen[tuple[str | None, datetime | None] | None]):
    """Asks why, and until when; what it returns is None where nothing is to be done.

    Parameters
    ----------
    whom
        For whom.
    """

    AUTO_FOCUS = "#reason"
    CSS = _BOX.format(name="MaintenanceForm")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)")]

    def __init__(self, whom: str) -> None:
        super().__init__()
        self._whom = whom

    def compose(self) -> ComposeResult:
        """Show the questions."""
        with Vertical(classes="box"):
            yield Static(
                Text(f"Maintenance on for {self._whom}: nothing is written there, by anyone."), id="asked"
            )
            yield Static("Why; it stands in the status:")
            yield Input(id="reason", compact=True, placeholder="new GPU")
            yield Static("Until when it ends by itself; nothing for until somebody says off:")
            yield Input(id="until", compact=True, placeholder="90m, 2h, 3d, 17:30Z")
            yield Static("", id="wrong")
            yield Static("Enter next, then done   Tab other field   Esc leave it", classes="keys")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on to the next question, or end with the answers."""
        until = self.query_one("#until", Input)
        if event.input is not until:
            until.focus()
            return
        try:
            at = parse_until(until.value, datetime.now(UTC)) if until.value.strip() else None
        except TimeInvalid as error:
            self.query_one("#wrong", Static).update(Text(str(error), ERROR_STYLE))
        else:
            self.dismiss((self.query_one("#reason", Input).value.strip() or None, at))


class Help(ModalScreen[None]):
    """Says what the keys do."""

    CSS = _BOX.format(name="Help")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "dismiss(None)")]

    def compose(self) -> ComposeResult:
        """Show the keys."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column()
        for keys, what in HELP:
            table.add_row(Text(keys, "bold"), Text(what))
        with VerticalScroll(classes="box"):
            yield Static(table)
