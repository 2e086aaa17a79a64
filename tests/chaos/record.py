"""What a chaos run wished for, and when: the other half of the simulator's books.

Times are UNIX times of this machine, as in the books [s].
"""

import math
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

NEVER: Final = math.inf


class Switch(StrEnum):
    """The two switches that operators have on each node; the names are the fields of a status."""

    STARTED = "started"
    MAINTENANCE = "maintenance"


@dataclass(slots=True, kw_only=True)
class Order:
    """A command that sets one switch of one node, repeated with the same id until it was answered.

    It is carried out somewhere between `sent` and `answered`, and perhaps more than once: a worker that was
    killed before its answer knows nothing of it.
    """

    node: str
    switch: Switch
    value: bool
    sent: float
    answered: float = NEVER
    lost: bool = False
    """Its node left before anybody answered: it was carried out, or it was not."""


@dataclass(slots=True, kw_only=True)
class Restart:
    """A `resync` of one node, repeated with the same id: however often it is sent, it restarts once."""

    node: str
    sent: float
    answered: float = NEVER


@dataclass(slots=True, kw_only=True)
class Epoch:
    """An epoch that concerns one node: it begins somewhere between the edit and the first status that has it."""

    node: str
    edited: float
    machine: str
    """The simulated machine at the node's address from now on."""
    registered: bool
    """``started`` of nodes.yaml."""
    returned: bool = False
    """The node was not there before: nobody need remember whether it was to run."""
    seen: float = NEVER
    """When the first status with the new epoch was read."""
    adopted: float = NEVER
    """When the first one was read in which ``started`` is known."""
    seen_in_maintenance: bool | None = None
    adopted_as: bool | None = None


@dataclass(slots=True)
class Record:
    """Everything that was wished for.

    A desired revision is never wished for again once another has taken its place, so a process that runs
    the newest one runs what is desired, whatever a worker may still believe.
    """

    desired: list[tuple[float, str]] = field(default_factory=list)
    """When it stood in the config directory, and revision."""
    orders: list[Order] = field(default_factory=list)
    restarts: list[Restart] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    founders: frozenset[str] = frozenset()
    """Nodes that were there when the stack started, which began their first epoch."""
    node_of: dict[str, str] = field(default_factory=dict)
    """Simulated machine to the node that has, or had, its address."""
    machine_of: dict[str, str] = field(default_factory=dict)
    """Node of nodes.yaml, at the end, to machine."""
    retired: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """Machine to the times in which no entry of nodes.yaml, as the workers know it, has its address."""
    not_kept: set[str] = field(default_factory=set)
    """Switches that were found otherwise on disk than they were answered."""
    epochs_seen: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Node to the epochs that were read in its status, in order."""

    def newest(self, at: float = NEVER) -> str | None:
        """Return the desired revision at a time."""
        return next((revision for when, revision in reversed(self.desired) if when <= at), None)

    def unanswered(self) -> list[Order | Restart]:
        """Return the commands that nobody has answered."""
        commands: list[Order | Restart] = [*self.orders, *self.restarts]
        return [command for command in commands if command.answered == NEVER]
