"""What somebody wants to see: filters, order, what is folded, what is marked."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from conche.cli.watch.keys import Scroll

UNFOLDED_NODES: Final = 60
"""Of more nodes only the groups are shown at first; a guess."""


class Order(StrEnum):
    """What comes first."""

    STATE = "state"
    """The worst."""
    NAME = "name"
    SINCE = "since"
    """The latest change."""


class Pane(StrEnum):
    """What stands below the table."""

    NONE = "nothing"
    DETAIL = "detail"
    EVENTS = "events"
    COMMANDS = "commands"


class Anchored(Scroll):
    """What is chosen stays so, the first line too: a command is for it. Who looks at the top goes on to do so."""

    def settle(self, keys: Sequence[Hashable], page: int) -> None:
        """Adapt to the lines that there are now; see `Scroll`."""
        at_top = self.offset == 0
        super().settle(keys, page)
        if at_top:
            self.offset = max(0, self.index - self.page + 1)
        self._anchor = keys[self.index] if keys else None


@dataclass
class View:
    """What is wanted.

    Parameters
    ----------
    wrong
        Only what somebody should look at.
    needle
        Only what contains these words.
    order
        What comes first.
    pane
        What stands below the table.
    zoomed
        The pane has the whole screen.
    marked
        Nodes that the next command is for.
    scroll
        Which line of the table is chosen.
    """

    wrong: bool = False
    needle: str = ""
    order: Order = Order.STATE
    pane: Pane = Pane.EVENTS
    zoomed: bool = False
    marked: set[str] = field(default_factory=set)
    scroll: Anchored = field(default_factory=Anchored)
    _folded: dict[bool, set[str]] = field(default_factory=lambda: {False: set(), True: set()})

    @property
    def filtered(self) -> bool:
        """Whether some nodes may be left out."""
        return self.wrong or bool(self.needle)

    @property
    def folded(self) -> set[str]:
        """Groups of which the nodes are not shown: among what a filter leaves, others than else."""
        return self._folded[self.filtered]

    def begin(self, groups: Iterable[str], *, nodes: int) -> None:
        """Fold what would not fit on a screen."""
        if nodes > UNFOLDED_NODES:
            self._folded[False] = set(groups)

    def fold(self, group: str) -> None:
        """Fold a group, or unfold it."""
        self.folded.symmetric_difference_update({group})

    def fold_all(self, groups: Iterable[str]) -> None:
        """Fold all groups; where all are, unfold them."""
        found = set(groups)
        self._folded[self.filtered] = set() if found <= self.folded else found

    def mark(self, keys: Iterable[str]) -> None:
        """Mark nodes; where all are, unmark them."""
        found = set(keys)
        self.marked = self.marked - found if found <= self.marked else self.marked | found

    def next_order(self) -> None:
        """Take the next order."""
        orders = list(Order)
        self.order = orders[(orders.index(self.order) + 1) % len(orders)]

    def toggle(self, pane: Pane) -> None:
        """Show a pane, or hide it."""
        self.zoomed = False
        self.pane = Pane.NONE if self.pane is pane else pane

    def back(self) -> None:
        """Undo one thing: the zoom, the words that are looked for, the marks, the filter, the pane."""
        if self.zoomed:
            self.zoomed = False
        elif self.needle:
            self.needle = ""
        elif self.marked:
            self.marked = set()
        elif self.wrong:
            self.wrong = False
        else:
            self.pane = Pane.NONE

    @property
    def words(self) -> str:
        """What differs from everything, in words."""
        parts = [f"by {self.order}"]
        parts += ["only what is wrong"] if self.wrong else []
        parts += [f"only with {self.needle!r}"] if self.needle else []
        parts += [f"{len(self.marked)} marked"] if self.marked else []
        return ", ".join(parts)
