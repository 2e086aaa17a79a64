"""One kotekan process: the config it runs, and what becomes of it."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from .config import MARKER, NoSuchPathError, RunningConfig, StartRefusedError, subscriber_failed
from .faults import Die, Drift, Fault, Finish, SelfRewrite, Unset
from .faultset import FaultSet
from .lifetime import ExitCode, Join, Lifetime, Phase, Timing
from .values import Json

JOIN_TIMEOUT_S: Final = 60.0
CORE_POSTS: Final = frozenset({"/start", "/baseband"})


class RunningGauge:
    """The metric `kotekan_running`: the main loop sets it once a second, so it lags."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._born = clock()
        self._changed = self._born
        self._before = self._now = False

    def set(self, running: bool) -> None:
        """Note a change that the main loop has yet to see."""
        now = self._clock()
        if self._changed <= self._tick(now):
            self._before = self._now
        self._changed, self._now = now, running

    def read(self) -> tuple[bool, int]:
        """Return the value and the time when it was set [ms]."""
        now = self._clock()
        tick = self._tick(now)
        value = self._before if self._changed > tick else self._now
        return value, int((time.time() - (now - tick)) * 1000)

    def age_s(self) -> float:
        """Return how long it has been as it is [s]."""
        return self._clock() - self._changed

    def _tick(self, now: float) -> float:
        return self._born + int(now - self._born)


class Process:
    """One process of a node; `rest.Routes` says what it answers.

    Parameters
    ----------
    number
        Counts the processes of the node.
    timing, faults, rng
        Of the node.
    on_running
        Called with the revision when a config was started.
    on_exit
        Called once, with the exit status and its cause.
    """

    def __init__(
        self,
        number: int,
        *,
        timing: Timing,
        faults: FaultSet,
        rng: random.Random,
        on_running: Callable[[str], None],
        on_exit: Callable[[int, str], None],
    ) -> None:
        self.number = number
        self.faults = faults
        self.rng = rng
        self.life = Lifetime(timing=timing, rng=rng, join=self._join, on_exit=on_exit)
        self.running = False
        self.config: RunningConfig | None = None
        self.dangling = False
        self.core_posts = set(CORE_POSTS)
        self.gauge = RunningGauge(asyncio.get_running_loop().time)
        self._on_running = on_running
        self._run_timers: list[asyncio.TimerHandle] = []
        self.registered = rng.random() >= timing.early_404
        if not self.registered:
            self.life.later(rng.uniform(0.001, 0.002), self._register)

    def start(self, posted: Json) -> None:
        """Start a config.

        Raises
        ------
        StartRefusedError
            When kotekan refuses it; the process then dies within a second.
        """
        try:
            config = RunningConfig(posted)
            self._ask_stages(config)
        except StartRefusedError:
            self.dangling = True
            self.life.exit_soon(ExitCode.FATAL, "refused config")
            raise
        self.config, self.dangling = config, False
        self.core_posts -= config.blocks.keys()
        self._set_running(True)
        self._on_running(config.revision)
        for fault in self.faults:
            self._arm(fault)

    def unload(self) -> None:
        """Drop the config, as /stop does once the stages are joined; the config hash dangles from now on."""
        self.config, self.dangling = None, True
        self._set_running(False)
        for timer in self._run_timers:
            timer.cancel()
        self._run_timers.clear()

    def add_fault(self, fault: Fault) -> None:
        """Take a new fault on at once.

        Raises
        ------
        NoSuchPathError
            For a drift of something that the running config does not have.
        """
        if isinstance(fault, Drift):
            self._drift(fault)
        elif isinstance(fault, Die) and fault.after_start_s is None:
            self.life.die(fault.rc, "fault")
        elif self.running:
            self._arm(fault)

    def clear_faults(self) -> None:
        """Forget what the faults would still do to the running config."""
        for timer in self._run_timers:
            timer.cancel()
        self._run_timers.clear()

    def _register(self) -> None:
        self.registered = True

    def _join(self) -> Join:
        if self.config is None:
            return Join(0.0, JOIN_TIMEOUT_S)
        limit = self.config.values.get("join_timeout")
        return Join(self.faults.stop_s(), float(limit) if isinstance(limit, int | float) else JOIN_TIMEOUT_S)

    def _ask_stages(self, config: RunningConfig) -> None:
        for endpoint in config.blocks:
            if self.faults.refuses_values(endpoint, config.block(endpoint)):
                raise StartRefusedError(subscriber_failed(endpoint))
        words = self.faults.refused_start(config)
        if words is not None:
            raise StartRefusedError(words)

    def _set_running(self, running: bool) -> None:
        self.running = running
        self.gauge.set(running)
        if self.life.phase in {Phase.IDLE, Phase.RUNNING}:
            self.life.phase = Phase.RUNNING if running else Phase.IDLE

    def _drift(self, fault: Drift) -> None:
        if self.config is None:
            raise NoSuchPathError("nothing runs, so nothing can drift")
        keys = fault.path.strip("/").split("/")
        if fault.marker is not None:
            self.config.change([*keys, MARKER], fault.marker)
        elif not isinstance(fault.value, Unset):
            self.config.change(keys, fault.value)

    def _arm(self, fault: Fault) -> None:
        if isinstance(fault, Die) and fault.after_start_s is not None:
            rc = fault.rc
            self._run_later(fault.after_start_s, lambda: self.life.die(rc, "fault"))
        elif isinstance(fault, Finish):
            self._run_later(fault.after_s, lambda: self.life.die(ExitCode.CLEAN, "finished"))
        elif isinstance(fault, SelfRewrite):
            rewrite = fault
            self._run_later(fault.after_s, lambda: self._rewrite(rewrite))

    def _run_later(self, seconds: float, action: Callable[[], None]) -> None:
        self._run_timers.append(self.life.later(seconds, action))

    def _rewrite(self, fault: SelfRewrite) -> None:
        if self.config is not None and self.config.has(fault.path.strip("/").split("/")[:-1]):
            self.config.change(fault.path.strip("/").split("/"), fault.value)
