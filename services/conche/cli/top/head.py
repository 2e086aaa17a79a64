"""What stands above and below the table: everything in one line, services, what is wrong with them, sums, keys."""

from datetime import datetime
from typing import Final

from rich.text import Text

from conche.cli.output import fitted
from conche.cli.watch.header import SHOWN_PROBLEMS, header, title
from conche.cli.watch.live import Live
from conche.cli.watch.table import Tally

from .view import Pane, View

_ENOUGH: Final = 3
"""With so many lines more than problems the services have one; see `conche.cli.watch.header`."""

_KEYS: Final = (
    "Enter open  Space mark  s start  x stop  m/M maintenance  r resync  p ping  w wrong  / find  o order  d e c panes"
    "  ? help  q quit",
    "Enter open  Space mark  s start  x stop  m/M maintenance  r resync  p ping  w wrong  / find  ? help  q quit",
    "Space mark  s start  x stop  m/M maint.  r resync  w wrong  / find  ? help  q",
    "s start  x stop  m/M maint.  r resync  w wrong  ? help",
    "w wrong  ? help  q quit",
    "? help",
)
"""As many as there is room for."""

_ZOOMED: Final = "Up Down PgUp PgDn scroll  Esc back  q quit"


def head(live: Live, *, where: str, columns: int, now: datetime) -> list[Text]:
    """Return what stands above the table.

    Parameters
    ----------
    live
        What is shown.
    where
        The broker, in words.
    columns
        Of the screen.
    now
        Wall clock.
    """
    above = int(live.lost is not None) + min(SHOWN_PROBLEMS, len(list(live.problems())))
    lines = [
        title(live, where=where, columns=columns, now=now),
        *header(live, room=above + _ENOUGH, now=now)[: above + 1],
        Text.assemble(("nodes ", "bold"), f"  {totals(live)}"),
    ]
    return [fitted(line, columns) for line in lines]


def totals(live: Live) -> str:
    """Return how many nodes of all groups are in each state."""
    total = Tally()
    for tally in live.tallies.values():
        total.nodes += tally.nodes
        total.differing += tally.differing
        total.maintenance += tally.maintenance
        total.states += tally.states
    return total.words


def foot(view: View, *, lines: int, news: str, columns: int) -> list[Text]:
    """Return what stands below everything: where one is, what is new, and the keys.

    Parameters
    ----------
    view
        What is wanted.
    lines
        Of the table.
    news
        What has become of the last command.
    columns
        Of the screen.
    """
    scroll = view.scroll
    last = min(lines, scroll.offset + scroll.page)
    place = f"{scroll.offset + 1}-{last} of {lines}" if lines else "0 of 0"
    state = Text(f" {place}  {view.words}")
    if news:
        state.append(f"  {news}", "bold")
    return [fitted(state, columns), _keys(view, columns)]


def _keys(view: View, columns: int) -> Text:
    if view.zoomed and view.pane is not Pane.NONE:
        words = _ZOOMED
    else:
        words = next((keys for keys in _KEYS if len(keys) + 2 <= columns), "")
    return fitted(Text(f" {words}".ljust(columns), "reverse"), columns)
