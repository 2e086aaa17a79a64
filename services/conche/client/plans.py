"""Changes of the config directory that are wished for, and what they would do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from msgspec import Raw
from msgspec.json import encode
from msgspec.structs import replace

from conche.contract import Change, Edit, EditAction, Planned, PlannedNode
from conche.contract import Plan as PlanArguments

from .sending import Order
from .words import natural


@dataclass(frozen=True)
class Wish:
    """A change that was not sent yet.

    Parameters
    ----------
    action
        What is wished for.
    parcels
        Its messages: mostly one; where nodes of a group were picked, one for each. Each is carried out as a whole
        or not at all.
    """

    action: EditAction
    parcels: tuple[tuple[Order, Edit], ...]

    def questions(self) -> list[tuple[Order, PlanArguments]]:
        """Return the messages that ask what it would do."""
        return [
            (order, PlanArguments(action=self.action, arguments=Raw(encode(edit))))
            for order, edit in self.parcels
        ]


@dataclass(frozen=True)
class Plan:
    """What a change would do; nothing was changed.

    It holds for as long as the world stays as it was: `Conche.carry_out` is refused otherwise.

    Parameters
    ----------
    wish
        The change.
    parts
        What each of its messages would do.
    skipped
        Nodes that were named and that it does not concern, and why.
    broken
        Nodes that have a config now, and would have none: it would be refused.
    """

    wish: Wish
    parts: tuple[Planned, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    broken: tuple[str, ...] = ()

    @cached_property
    def nodes(self) -> dict[str, PlannedNode]:
        """What would happen to each node that it concerns, by ``group/node``."""
        found = {key: node for part in self.parts for key, node in part.nodes.items()}
        return {key: found[key] for key in sorted(found, key=natural)}

    @property
    def files(self) -> list[str]:
        """Files that would be written or removed."""
        return sorted({name for part in self.parts for name in part.files})

    @property
    def new_epoch(self) -> list[str]:
        """Nodes that would go into maintenance."""
        return sorted({key for part in self.parts for key in part.new_epoch})

    @property
    def untouched(self) -> int:
        """Number of all other nodes."""
        first = self.parts[0]
        there = first.untouched + sum(node.change is not Change.JOIN for node in first.nodes.values())
        return there - sum(node.change is not Change.JOIN for node in self.nodes.values())

    def of(self, *changes: Change) -> list[str]:
        """Return the nodes to which one of these would happen."""
        return [key for key, node in self.nodes.items() if node.change in changes]

    @property
    def named(self) -> Wish:
        """The change, to be carried out as it was planned and not otherwise."""
        return Wish(self.wish.action, tuple(self._named()))

    def _named(self) -> Iterator[tuple[Order, Edit]]:
        for (order, edit), part in zip(self.wish.parcels, self.parts, strict=True):
            yield order, replace(edit, plan=part.name)
