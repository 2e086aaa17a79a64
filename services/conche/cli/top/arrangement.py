"""How much of the screen each part has."""

from dataclasses import dataclass
from typing import Final

from .view import Pane, View

WIDE: Final = 110
"""From so many columns on events stand beside the other panes."""

_SMALL: Final = 12
"""A screen of fewer lines has no room for a pane."""

_PANE_LINES: Final = 4
"""Lines of a pane, at least."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Lines and columns; what has none is not shown.

    Parameters
    ----------
    head, table, panes, foot
        Lines, from top to bottom.
    pane, events
        Columns: of what stands below the table, and of the events in the same place or beside it.
    """

    head: int
    table: int
    panes: int
    foot: int
    pane: int
    events: int

    @property
    def page(self) -> int:
        """Lines of the table without its headings."""
        return max(0, self.table - 1)


def arrange(view: View, *, columns: int, rows: int, head: int) -> Arrangement:
    """Return who has which part of a screen.

    Parameters
    ----------
    view
        What is wanted.
    columns, rows
        Of the screen.
    head
        Lines that the head would like to have.
    """
    foot = 2 if rows >= _SMALL else 1
    head = min(head, rows // 3 if rows >= _SMALL else 1)
    rest = max(0, rows - head - foot)
    if view.pane is Pane.NONE or (rows < _SMALL and not view.zoomed):
        panes = 0
    elif view.zoomed:
        panes = rest
    else:
        panes = max(_PANE_LINES, rest // 3 if view.pane is Pane.EVENTS else rest // 2)
    return Arrangement(head, rest - panes, panes, foot, *_widths(view, columns, panes))


def _widths(view: View, columns: int, panes: int) -> tuple[int, int]:
    if not panes:
        return 0, 0
    if view.pane is Pane.EVENTS:
        return 0, columns
    if columns < WIDE or view.zoomed:
        return columns, 0
    return columns // 2, columns - columns // 2
