"""Lines on a screen, of which only those are drawn that have changed."""

from collections.abc import Sequence

from rich.segment import Segment
from rich.text import Text
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from conche.cli.output import fitted


class Surface(Widget):
    """Shows lines; what is too long is cut."""

    DEFAULT_CSS = "Surface { height: 1fr; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._lines: list[list[Segment]] = []

    def show(self, lines: Sequence[Text], *, columns: int) -> None:
        """Show lines, cut to so many columns; draw those that are others than before."""
        before = [self.render_line(y) for y in range(self.size.height)]
        # Assembled, because a text of one style alone would be rendered without it.
        shown = (fitted(Text.assemble(line), columns) for line in lines)
        self._lines = [list(line.render(self.app.console, end="")) for line in shown]
        for y, old in enumerate(before):
            if self.render_line(y) != old:
                self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """Return what stands on a line of the screen."""
        segments = self._lines[y] if y < len(self._lines) else []
        return Strip(segments).adjust_cell_length(self.size.width)


class Scrolling(Surface):
    """Shows as many lines as there is room for, and can be moved.

    Parameters
    ----------
    at_end
        Whether the last lines are what is looked at, as long as nobody moves.
    """

    def __init__(self, *, id: str, at_end: bool = False) -> None:
        super().__init__(id=id)
        self._at_end = at_end
        self._moved: int | None = None
        self._about: object = None
        self._first = 0
        self._room = 1

    def tell(self, lines: Sequence[Text], *, rows: int, columns: int, about: object = None) -> None:
        """Show lines below a heading, which stays; where they are about something else, from their begin.

        Parameters
        ----------
        lines
            The heading first.
        rows
            How many there is room for.
        columns
            And how long they may be.
        about
            What they are about.
        """
        if about != self._about:
            self._about, self._moved = about, None
        heading, body = lines[:1], lines[1:]
        self._room = room = max(1, rows - 1)
        last = max(0, len(body) - room)
        if self._moved is not None:
            self._moved = max(0, min(self._moved, last))
            self._moved = None if self._at_end and self._moved == last else self._moved
        first = (last if self._at_end else 0) if self._moved is None else self._moved
        self._first, shown = first, list(body[first : first + room])
        if (left := len(body) - first - room) > 0 and shown and not self._at_end:
            shown[-1] = Text(f" and {left + 1} lines more: z", "bright_black")
        self.show([*heading, *shown], columns=columns)

    def move(self, by: int) -> None:
        """Look at other lines the next time."""
        self._moved = max(0, self._first + by)

    def turn(self, pages: int) -> None:
        """Look at another page the next time."""
        self.move(pages * self._room)
