"""What has become of a config at each node, by the statuses that the workers publish."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from conche.commands import ANSWER_WITHIN_S
from conche.contract import NodeState, NodeStatus, Observed, Outcome, Result


def outcome_of(status: NodeStatus, revision: str) -> Result | None:
    """Return how giving a node a config has ended, or None while that can't be told.

    Parameters
    ----------
    status
        Of the node.
    revision
        Of the config.
    """
    if status.desired != revision or status.pending or status.state is NodeState.SYNCING:
        return None
    if status.live == revision and status.state is NodeState.STARTED:
        return Result(ok=True, outcome=Outcome.OK)
    held = status.maintenance
    if held.on:
        why = f": {held.reason}" if held.reason else ""
        words = f"stored; in maintenance by {held.by or 'nobody known'}{why}; it gets this when taken out"
        return _not_ok(Outcome.HELD, words)
    if status.started is False:
        return _not_ok(Outcome.SKIPPED, "stored; it is stopped, and gets this when it is started")
    return _unless_as_wished(status)


def _unless_as_wished(status: NodeStatus) -> Result | None:
    error = f"stored; {status.held or status.error or f'it is {status.state}'}"
    if status.held is not None:
        return _not_ok(Outcome.HELD, error)
    match status.state:
        case NodeState.DOWN:
            return _not_ok(Outcome.UNREACHABLE, f"{error}; it gets this when it answers")
        case NodeState.UNKNOWN:
            return None
    if status.retry_at is not None:
        return None  # it is tried again, mostly in time
    if status.error is not None:
        return _not_ok(Outcome.FAILED, error)
    if status.state is NodeState.STARTED:  # as desired, but for drift that is to be ignored
        return Result(ok=True, outcome=Outcome.OK)
    return None


OVERTAKEN: Final = Result(
    ok=False, outcome=Outcome.FAILED, error="stored; something else is desired of it by now"
)
"""Of a node that somebody else gave another config before it took this one."""


def _not_ok(outcome: Outcome, error: str) -> Result:
    return Result(ok=False, outcome=outcome, error=error)


@dataclass(eq=False)
class _Wait:
    revision: str
    result: "asyncio.Future[Result]"


class Sightings:
    """The last word of workers and pollers on each node, by ``group/node``."""

    def __init__(self) -> None:
        self.statuses: dict[str, NodeStatus] = {}
        self.observed: dict[str, Observed] = {}
        self._waits: defaultdict[str, list[_Wait]] = defaultdict(list)
        self._on_status: Callable[[str, NodeStatus], None] = lambda key, status: None
        self._is_open: Callable[[str], bool] = lambda key: False

    def ask(self, *, on_status: Callable[[str, NodeStatus], None], is_open: Callable[[str], bool]) -> None:
        """Have somebody told of each status, and asked of each node whether it will be given something else.

        While it will, its status tells nothing.
        """
        self._on_status, self._is_open = on_status, is_open

    def on_status(self, params: Mapping[str, str], status: NodeStatus | None) -> None:
        """Take a node's status."""
        key = f"{params['group']}/{params['node']}"
        if status is None:
            self.statuses.pop(key, None)
            return
        self.statuses[key] = status
        self._on_status(key, status)
        self._settle_by(key, status)

    def look_again(self) -> None:
        """Tell what the statuses tell that had told nothing."""
        for key in list(self._waits):
            if (status := self.statuses.get(key)) is not None:
                self._settle_by(key, status)

    def _settle_by(self, key: str, status: NodeStatus) -> None:
        if not self._is_open(key):
            for wait in self._waits.get(key, ()):
                self._settle(wait, outcome_of(status, wait.revision))

    def on_observed(self, params: Mapping[str, str], observed: Observed | None) -> None:
        """Take what the poller saw of a node."""
        key = f"{params['group']}/{params['node']}"
        if observed is None:
            self.observed.pop(key, None)
        else:
            self.observed[key] = observed

    def expect(self, revisions: Mapping[str, str]) -> "Expectation":
        """Begin to wait for what becomes of configs, by ``group/node``; to be called before they are published."""
        loop = asyncio.get_running_loop()
        waits = {key: _Wait(revision, loop.create_future()) for key, revision in revisions.items()}
        for key, wait in waits.items():
            self._waits[key].append(wait)
        return Expectation(self, waits)

    def settle(self, key: str) -> None:
        """Tell what the status of a node tells, if it does by now."""
        if (status := self.statuses.get(key)) is not None:
            self._settle_by(key, status)

    def forget(self, key: str, wait: _Wait) -> None:
        """Wait no longer."""
        self._waits[key].remove(wait)
        if not self._waits[key]:
            del self._waits[key]

    def late(self, key: str, revision: str) -> Result:
        """Return what is known of a node of which it is not known yet whether it runs a config."""
        return _not_ok(Outcome.FAILED, self._late(key, revision))

    def _late(self, key: str, revision: str) -> str:
        status = self.statuses.get(key)
        late = f"stored; not known to run after {ANSWER_WITHIN_S:g} s, it goes on"
        if status is None or status.desired != revision:
            return f"{late}: its group's worker has not taken note of it"
        detail = status.held or status.error
        return f"{late}: {status.state}{f', {detail}' if detail else ''}"

    def supersede(self, key: str, revision: str | None, result: Result) -> None:
        """Take that a node is to run something else by now: who waits for another config is answered so."""
        for wait in self._waits.get(key, ()):
            if wait.revision != revision:
                self._settle(wait, result)

    @staticmethod
    def _settle(wait: _Wait, result: Result | None) -> None:
        if result is not None and not wait.result.done():
            wait.result.set_result(result)


class Expectation:
    """Waits for what becomes of configs at some nodes.

    Parameters
    ----------
    sightings
        Who hears of it.
    waits
        By ``group/node``.
    """

    def __init__(self, sightings: Sightings, waits: Mapping[str, _Wait]) -> None:
        self._sightings = sightings
        self._waits = waits

    def give_up(self) -> None:
        """Wait no longer."""
        for key, wait in self._waits.items():
            self._sightings.forget(key, wait)

    async def results(self, *, deadline: float) -> dict[str, Result]:
        """Wait, and return what has become of each.

        Parameters
        ----------
        deadline
            When to give up, by the loop's clock [s].
        """
        try:
            for key in self._waits:
                self._sightings.settle(key)
            if self._waits:
                futures = [wait.result for wait in self._waits.values()]
                await asyncio.wait(futures, timeout=deadline - asyncio.get_running_loop().time())
            return {
                key: wait.result.result() if wait.result.done() else self._sightings.late(key, wait.revision)
                for key, wait in self._waits.items()
            }
        finally:
            self.give_up()
