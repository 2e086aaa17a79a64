"""Whether everything is online: what the services themselves say on the broker."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from conche.bus.client import BusUnavailable, Client
from conche.contract import (
    BIRTHS,
    NODE_STATUS,
    REGISTRY,
    NodeState,
    Payload,
    Registry,
    Service,
    ServiceBirth,
    ServiceState,
)
from conche.settings import Settings

from .broker import OPERATOR
from .ports import LOCALHOST
from .supervisor import Program

LOOK_EVERY_S: Final = 0.3
FIRST_SWEEP_S: Final = 5.0
"""Once all are online: how long it is worth waiting until every node is known [s]. A guess, two sweeps of the poller;
a command that comes earlier is answered that nobody knows the node."""


@dataclass(frozen=True, slots=True)
class Lack:
    """What is not there yet.

    Parameters
    ----------
    program
        Whose log tells more.
    words
        What is missing.
    """

    program: str
    words: str


class StackEnded(Exception):
    """The supervisor is gone, so there is nothing to wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Looks whether a stack is complete.

    Parameters
    ----------
    settings
        Of the stack.
    programs
        What was started.
    since
        When; who was online before that is an earlier stack's.
    alive
        Whether the supervisor is there.
    sim_control_port, influx_port
        Of the simulator and of the database, if there are such.
    """

    settings: Settings
    programs: Sequence[Program]
    since: datetime
    alive: Callable[[], bool]
    sim_control_port: int | None = None
    influx_port: int | None = None

    async def wait(self, *, patience_s: float) -> list[Lack]:
        """Wait until every program works; return what is still missing after so many seconds.

        Raises
        ------
        StackEnded
            It never will.
        """
        missing = await self._until_nothing(self._missing, patience_s)
        if not missing:
            await self._until_nothing(self._unknown, FIRST_SWEEP_S)
        return missing

    async def _until_nothing(
        self, look: Callable[[], Awaitable[list[Lack]]], patience_s: float
    ) -> list[Lack]:
        clock = asyncio.get_running_loop().time
        deadline = clock() + patience_s
        while self.alive():
            lacking = await look()
            if not lacking or clock() > deadline:
                return lacking
            await asyncio.sleep(LOOK_EVERY_S)
        raise StackEnded

    async def _missing(self) -> list[Lack]:
        others = [
            Lack(program, f"{program} does not listen on port {port}")
            for program, port in (("sim", self.sim_control_port), ("influxd", self.influx_port))
            if port is not None and not _listens(port)
        ]
        try:
            async with Client(self.settings.broker, account=OPERATOR) as client:
                states = await client.read(*BIRTHS, REGISTRY)
        except BusUnavailable as error:
            return [Lack("mosquitto", f"mosquitto: {error}"), *others]
        births = {
            "/".join(params.values()): birth
            for params, birth in states
            if isinstance(birth, ServiceBirth)
            and birth.state is ServiceState.ONLINE
            and birth.since >= self.since
        }
        groups = self.settings.sync.groups or _groups(states, births.get(Service.RENDERER))
        poller = self.settings.poller.instance
        return others + missing_births(self.programs, online=set(births), groups=groups, poller=poller)

    async def _unknown(self) -> list[Lack]:
        try:
            async with Client(self.settings.broker, account=OPERATOR) as client:
                statuses = await client.read(NODE_STATUS)
        except BusUnavailable:
            return []  # it was there a moment ago: no reason to wait longer
        return [
            Lack(Service.SYNC, "/".join(params.values()))
            for params, status in statuses
            if status.state is NodeState.UNKNOWN
        ]


def missing_births(
    programs: Iterable[Program], *, online: set[str], groups: Iterable[str] | None, poller: str
) -> list[Lack]:
    """Return what is not online.

    Parameters
    ----------
    programs
        What was started.
    online
        Who is online: ``renderer``, ``sync/cx``.
    groups
        Groups that sync serves; None while nobody knows.
    poller
        Name of the poller.
    """
    missing = []
    for program in programs:
        for birth in program.births:
            if "{group}" not in birth:
                wanted = [birth.format(poller=poller)]
            elif groups is not None:
                wanted = [birth.format(group=group) for group in groups]
            else:
                missing.append(Lack(program.name, f"{program.name} has no registry to serve"))
                continue
            missing += [Lack(program.name, f"{name} is not online") for name in wanted if name not in online]
    return missing


def _groups(
    states: Iterable[tuple[dict[str, str], Payload]], renderer: ServiceBirth | None
) -> list[str] | None:
    """Return the groups of the registry, if it is that of the renderer which runs now."""
    for _, payload in states:
        if isinstance(payload, Registry) and renderer is not None and payload.boot == renderer.boot:
            return list(payload.groups)
    return None


def _listens(port: int) -> bool:
    try:
        socket.create_connection((LOCALHOST, port), timeout=1).close()
    except OSError:
        return False
    return True
