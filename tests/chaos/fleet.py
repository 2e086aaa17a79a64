"""The nodes that there are in a chaos run: which machine each one is, and edits of nodes.yaml."""

import json
import time
from typing import Final

from conche.contract import ALL
from conche.settings import RegistryChange
from conche.sim.control_client import SimControlError
from conche.sim.launch import free_ports
from tests.integration.dataplane import DataPlane, replace

from .plan import Edit, Plan
from .record import NEVER, Epoch, Record

FIRST_PORT: Final = 12048
"""What a node that was never moved has in nodes.yaml; each move takes the next one."""

TRIES: Final = 5
"""A port that was free may be taken by somebody else's test a moment later."""


class Fleet:
    """Keeps nodes.yaml, the addresses of a rehearsal, and the simulated machines in step.

    Parameters
    ----------
    stack
        Whose nodes they are.
    plan
        Says what nodes.yaml says of new nodes.
    record
        Takes which machine was whose, and which epochs are to be expected.
    policy
        Whom an edit concerns.
    """

    def __init__(self, stack: DataPlane, plan: Plan, record: Record, *, policy: RegistryChange) -> None:
        self.present = set(stack.nodes)
        self._stack = stack
        self._plan = plan
        self._record = record
        self._policy = policy
        self._ports = dict.fromkeys(self.present, FIRST_PORT)
        self._addresses: dict[str, str] = json.loads((stack.folder / "addresses.json").read_text())
        record.founders = frozenset(self.present)
        record.machine_of = {node: node for node in self.present}
        record.node_of = {node: node for node in self.present}

    def targets(self, target: str) -> list[str]:
        """Return the nodes that a command for ``group/node`` concerns."""
        return sorted(node for node in self.present if concerns(target, node))

    async def edit(self, edit: Edit) -> list[Epoch]:
        """Edit nodes.yaml; return the epochs that have to follow, one for each node that is concerned."""
        returned = [node for node in edit.add if node not in self.present]
        for node in (*edit.move, *(n for n in returned if n not in self._ports)):
            await self._give_machine(node)
        self.present = (self.present | set(edit.add)) - set(edit.remove)
        edited = time.time()
        for node in returned:
            self._end_retirement(self._record.machine_of[node], edited)
        entries = {
            node.partition("/")[2]: {"port": self._ports[node], "started": self._plan.registered(node)}
            for node in self.present
        }
        self._stack.write_nodes(sorted(self.present), **entries)
        return self._expect(edit, returned, edited)

    def retire(self, machines: list[str], at: float) -> None:
        """Take note that every worker knows by now that machines are not in the registry any more."""
        for machine in machines:
            self._record.retired[machine].append((at, NEVER))

    def _end_retirement(self, machine: str, at: float) -> None:
        times = self._record.retired[machine]
        if times and times[-1][1] == NEVER:
            times[-1] = (times[-1][0], at)

    def _expect(self, edit: Edit, returned: list[str], edited: float) -> list[Epoch]:
        everybody = self._policy is RegistryChange.ALL
        concerned = self.present if everybody else self.present & {*edit.add, *edit.move}
        epochs = [
            Epoch(
                node=node,
                edited=edited,
                machine=self._record.machine_of[node],
                registered=self._plan.registered(node),
                returned=node in returned,
            )
            for node in sorted(concerned)
        ]
        self._record.epochs += epochs
        return epochs

    async def _give_machine(self, node: str) -> None:
        """Have a new machine stand idle at an address that a node is about to get."""
        self._ports[node] = self._ports.get(node, FIRST_PORT - 1) + 1
        moves = self._ports[node] - FIRST_PORT
        machine = f"{node}.{moves}" if moves else node
        port = await self._add(machine)
        host = f"{node.partition('/')[2]}.example.org"
        self._addresses[f"{host}:{self._ports[node]}"] = f"127.0.0.1:{port}"
        replace(self._stack.folder / "addresses.json", json.dumps(self._addresses))
        self._record.machine_of[node] = machine
        self._record.node_of[machine] = node

    async def _add(self, machine: str) -> int:
        for _ in range(TRIES):
            port = free_ports(1)
            try:
                await self._stack.sim.add(machine, port=port)
            except SimControlError:
                continue
            return port
        raise AssertionError(f"no port for {machine}")


def concerns(target: str, node: str) -> bool:
    """Return whether a command for a target, such as ``cx/all``, is for a node too."""
    wanted = zip(target.split("/"), node.split("/"), strict=True)
    return all(part in {ALL, name} for part, name in wanted)
