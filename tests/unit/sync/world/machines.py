"""Machines with a kotekan: the simulated ones of the project, on ports in memory."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from conche.contract import Reach
from conche.kotekan.revision import FingerprintCache
from conche.sim.books import What
from conche.sim.config import StartRefusedError
from conche.sim.faults import Drift, Hang, Http, RejectStart, RejectValue
from conche.sim.lifetime import ExitCode, Timing
from conche.sim.process import Process
from conche.sim.systemd import Order
from conche.sim.unit import Address, Unit
from conche.sim.values import Json, parse

from .configs import DIES_AT_ONCE_S, DIES_LATER_S, REFUSED_COEFF, REWRITTEN_AFTER_S, Fate
from .network import Network


@dataclass(frozen=True)
class Event:
    """Something that happened at a machine, by its own books."""

    at: float
    machine: str
    process: int
    what: What
    told: dict[str, Json]


class Machine:
    """One machine: a unit of systemd with a kotekan, which does what its configs say.

    Parameters
    ----------
    host
        Its name; it listens on port 12048.
    network
        Where it listens.
    book
        Takes what happens.
    seed
        Of its own randomness.
    """

    def __init__(self, host: str, *, network: Network, book: Callable[[Event], None], seed: int) -> None:
        self.address = f"{host}:12048"
        self._network = network
        self._book = book
        self._cache = FingerprintCache()
        self.unit = Unit(
            host,
            address=Address(host, 12048),
            timing=Timing(),
            rng=random.Random(f"{seed} {host}"),
            book=self._note,
        )
        self.unit.open()
        self.task = asyncio.get_running_loop().create_task(self.unit.run())
        self.number = 0
        """Counts its processes."""
        self.given_up = False
        """Whether systemd has given it up: too many starts within ten seconds."""
        self._obey_configs()

    def _obey_configs(self) -> None:
        """Configs bring their fates along: have its kotekans do what any kotekan does with them."""
        self.unit.faults.add(RejectValue(endpoint="gains", key="coeff", equals=REFUSED_COEFF))
        self.unit.faults.add(RejectStart(stage=Fate.REJECTED))

    def _note(
        self, node: str, what: What, *, process: int, connection: int | None = None, **told: Json
    ) -> None:
        event = Event(asyncio.get_running_loop().time(), self.address, process, what, told)
        if what is What.LISTENING:
            self.number, self.given_up = process, False
        elif what is What.FAILED:
            self.given_up = True
        self._book(event)
        if what is What.RUNNING and self.process is not None:
            self._begin_fate(self.process)

    def _begin_fate(self, process: Process) -> None:
        stage = process.config.values.get("stage") if process.config is not None else None
        fate = stage.get("kotekan_stage") if isinstance(stage, dict) else None
        if fate == Fate.DIES_AT_ONCE:
            process.life.later(DIES_AT_ONCE_S, lambda: process.life.die(ExitCode.FATAL, "its fate"))
        elif fate == Fate.DIES_LATER:
            process.life.later(DIES_LATER_S, lambda: process.life.die(ExitCode.FATAL, "its fate"))
        elif fate == Fate.REWRITTEN:
            process.life.later(REWRITTEN_AFTER_S, lambda: self.drift("depth", 99))

    # --- what is so

    @property
    def process(self) -> Process | None:
        return self.unit.process

    @property
    def running(self) -> str | None:
        """The revision that it runs."""
        process = self.process
        return process.config.revision if process is not None and process.config is not None else None

    @property
    def up(self) -> bool:
        """Whether it listens."""
        return self.process is not None

    @property
    def hangs(self) -> bool:
        process = self.process
        return (process is not None and process.life.thread.busy) or any(self.unit.faults.of(Hang))

    def observed(self) -> dict[str, Any]:
        """Return what a poll shows."""
        if self.address in self._network.silent:
            return {"reach": Reach.UNREACHABLE}
        process = self.process
        if process is None:
            return {"reach": Reach.REFUSED}
        if self.hangs:
            return {"reach": Reach.BUSY}
        if any(self.unit.faults.of(Http)):
            return {"reach": Reach.HTTP_ERROR, "error": "Simulated fault"}
        if process.config is None:
            return {"reach": Reach.OK, "running": False}
        found = self._cache.of(process.config.printed)
        return {
            "reach": Reach.OK,
            "running": True,
            "revision": found.revision,
            "base": found.base,
            "updatable": found.updatable,
        }

    # --- what befalls it

    def crash(self) -> None:
        self.unit.order(Order.SIGKILL)

    def drift(self, path: str, value: Json) -> None:
        """Change a value of what runs, if anything does."""
        if self.running is not None:
            self.unit.add_fault(Drift(path=path, value=value))

    def fault(self, fault: Any) -> None:
        self.unit.add_fault(fault)

    def start_by_hand(self, config: bytes) -> None:
        """Be started by somebody who is not conche, if it is idle."""
        process = self.process
        if process is not None and process.config is None and process.life.lock is None:
            with suppress(StartRefusedError):
                process.start(parse(config))

    def mend(self) -> None:
        """Take all faults from it, and have systemd try again."""
        self._network.silent.discard(self.address)
        self.unit.clear_faults()
        self._obey_configs()
        self.unit.order(Order.START)
