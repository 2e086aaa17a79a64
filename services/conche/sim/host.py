"""The nodes of one operating-system process, and the orders about them."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .books import Journal
from .config import NoSuchPathError
from .faults import FaultInvalidError, parse_fault
from .lifetime import Timing
from .systemd import Order
from .unit import Address, Unit
from .values import Json


class OrderRefusedError(Exception):
    """An order that cannot be carried out.

    Parameters
    ----------
    words
        What would have been right.
    status
        HTTP status of the control port: 400, or 404 for a node that is not there.
    """

    def __init__(self, words: str, *, status: int = 400) -> None:
        super().__init__(words)
        self.words = words
        self.status = status


@dataclass(frozen=True, slots=True)
class Machine:
    """What all nodes have in common: how fast they are, and where their randomness comes from."""

    timing: Timing
    seed: int


class NodeHost:
    """Nodes that share an event loop.

    Parameters
    ----------
    machine
        Common to all nodes.
    tasks
        Where each node's restart loop runs.
    """

    def __init__(self, machine: Machine, *, tasks: asyncio.TaskGroup) -> None:
        self.journal = Journal()
        self.closed = asyncio.Event()
        self._machine = machine
        self._tasks = tasks
        self._units: dict[str, tuple[Unit, asyncio.Task[None]]] = {}
        self._calls: dict[str, Callable[[dict[str, Json]], Json]] = {
            "add": self._add,
            "remove": self._remove,
            "list": self._list,
            "node": self._node,
            "books": self._books,
            "fault": self._fault,
            "clear": self._clear,
            "order": self._order,
        }

    def call(self, name: str, told: dict[str, Json]) -> Json:
        """Carry out a call of the parent.

        Raises
        ------
        OrderRefusedError
            With the words for whoever gave the order.
        """
        return self._calls[name](told)

    def open(self, nodes: Sequence[tuple[str, Address]]) -> None:
        """Bind the ports of all nodes, then run them; all or none.

        Raises
        ------
        OrderRefusedError
            If a port is taken.
        """
        units: list[Unit] = []
        for name, address in nodes:
            unit = self._unit(name, address)
            try:
                unit.open()
            except OSError as error:
                for opened in units:
                    opened.discard()
                raise OrderRefusedError(port_words(name, address, error)) from error
            units.append(unit)
        for unit in units:
            self._units[unit.name] = unit, self._tasks.create_task(unit.run(), name=f"run {unit.name}")

    def close(self) -> None:
        """End all nodes."""
        self.closed.set()
        for unit, task in self._units.values():
            task.cancel()
            unit.discard()

    def _unit(self, name: str, address: Address, *, speed: float | None = None) -> Unit:
        timing = self._machine.timing
        if speed is not None:
            timing = Timing(speed=speed, early_404=timing.early_404)
        rng = random.Random(f"{self._machine.seed} {name}")
        return Unit(name, address=address, timing=timing, rng=rng, book=self.journal.record)

    def _get(self, name: Json) -> Unit:
        found = self._units.get(str(name))
        if found is None:
            raise OrderRefusedError(f"there is no node {name}", status=404)
        return found[0]

    def _add(self, told: dict[str, Json]) -> Json:
        name, host, port, speed = (told[key] for key in ("node", "host", "port", "speed"))
        address = Address(str(host), int(str(port)))
        unit = self._unit(str(name), address, speed=speed if isinstance(speed, float) else None)
        try:
            unit.open()
        except OSError as error:
            raise OrderRefusedError(port_words(unit.name, address, error)) from error
        self._units[unit.name] = unit, self._tasks.create_task(unit.run(), name=f"run {unit.name}")
        return unit.describe()

    def _remove(self, told: dict[str, Json]) -> Json:
        unit = self._get(told["node"])
        _, task = self._units.pop(unit.name)
        task.cancel()
        unit.discard()
        return {"removed": unit.name}

    def _list(self, told: dict[str, Json]) -> Json:
        return [unit.describe() for unit, _ in self._units.values()]

    def _node(self, told: dict[str, Json]) -> Json:
        unit = self._get(told["node"])
        return {**unit.describe(), "reads": unit.reads()}

    def _books(self, told: dict[str, Json]) -> Json:
        entries, dropped = self.journal.take()
        return {"entries": [*entries], "dropped": dropped}

    def _fault(self, told: dict[str, Json]) -> Json:
        order, names = told["fault"], told["nodes"]
        try:
            fault = parse_fault(order if isinstance(order, dict) else {})
            for name in names if isinstance(names, list) else []:
                self._get(name).add_fault(fault)
        except (FaultInvalidError, NoSuchPathError) as error:
            raise OrderRefusedError(str(error)) from error
        return None

    def _clear(self, told: dict[str, Json]) -> Json:
        names = told["nodes"]
        for name in names if isinstance(names, list) else []:
            self._get(name).clear_faults()
        return None

    def _order(self, told: dict[str, Json]) -> Json:
        try:
            order = Order(str(told["order"]))
        except ValueError as error:
            words = f"there is no order {told['order']!r}: it is one of {', '.join(Order)}"
            raise OrderRefusedError(words) from error
        unit = self._get(told["node"])
        unit.order(order)
        return unit.describe()


def port_words(name: str, address: Address, error: OSError) -> str:
    """Say why a node cannot have its port, and what to do."""
    remedy = "end what uses it, or choose another --first-port (or another port in the map)"
    return f"{name} cannot listen on {address}: {error.strerror or error}; {remedy}"
