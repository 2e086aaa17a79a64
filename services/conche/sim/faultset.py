"""The faults that a node has at present, and the requests that wait for their end."""

import asyncio
from collections.abc import Iterator
from typing import Final, TypeVar

from .config import RunningConfig
from .faults import (
    CallbackBlocks,
    Fault,
    Hang,
    HangIn,
    Http,
    RejectStart,
    RejectValue,
    SlowStart,
    SlowStop,
    Unset,
)
from .thread import Gate
from .values import Json

_F = TypeVar("_F", bound=Fault)

MOST_FAULTS: Final = 1000
"""Bound of the faults one node has at a time (a guess; a rehearsal has a handful)."""


class FaultSet:
    """The faults of one node; they outlive its processes."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._waiting: list[Gate] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(tuple(self._faults))

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(self, fault: Fault) -> None:
        """Take a fault on; one that hangs for a time goes by itself."""
        self._faults = [*self._faults[-(MOST_FAULTS - 1) :], fault]
        if isinstance(fault, Hang) and fault.seconds is not None:
            asyncio.get_running_loop().call_later(fault.seconds, self._end, fault)

    def clear(self) -> None:
        """Drop all faults and let go on what hangs in them."""
        self._faults.clear()
        self._release()

    def of(self, kind: type[_F]) -> Iterator[_F]:
        """Return the faults of one kind, oldest first."""
        return (fault for fault in self._faults if isinstance(fault, kind))

    def hang(self, path: str) -> tuple[Gate, bool] | None:
        """Return what a request to a path must wait for, and whether it must ask again afterwards."""
        if any(self.of(Hang)):
            return self._gate(None), True
        for fault in self.of(HangIn):
            if fault.path == path:
                return self._gate(fault.seconds), False
        return None

    def http(self, path: str) -> Http | None:
        """Return the fault that answers a request to a path wrongly."""
        return next((fault for fault in self.of(Http) if fault.path in {None, path}), None)

    def start_s(self) -> float:
        """Return how long /start takes [s]."""
        return max((fault.seconds for fault in self.of(SlowStart)), default=0.0)

    def stop_s(self) -> float:
        """Return how long joining the stages takes [s]."""
        return max((fault.seconds for fault in self.of(SlowStop)), default=0.0)

    def blocks_update(self, endpoint: str) -> bool:
        """Tell whether the stage never returns from an update."""
        return any(
            fault.endpoint is None or _is_same(fault.endpoint, endpoint) for fault in self.of(CallbackBlocks)
        )

    def refused_start(self, config: RunningConfig) -> str | None:
        """Return the words with which a config is refused, or None."""
        for fault in self.of(RejectStart):
            revision_fits = fault.revision in {None, config.revision}
            if revision_fits and (fault.stage is None or fault.stage in config.stages):
                return fault.words
        return None

    def refuses_values(self, endpoint: str, block: dict[str, Json]) -> bool:
        """Tell whether a stage refuses the values of a block."""
        return any(
            _is_same(fault.endpoint, endpoint) and _refused(fault, block) for fault in self.of(RejectValue)
        )

    def _gate(self, seconds: float | None) -> Gate:
        gate = Gate()
        self._waiting.append(gate)
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, gate.open)
        return gate

    def _end(self, fault: Fault) -> None:
        if any(fault is active for active in self._faults):
            self._faults = [active for active in self._faults if active is not fault]
            self._release()

    def _release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for gate in waiting:
            gate.open()


def _is_same(name: str, endpoint: str) -> bool:
    """Tell whether a fault names an endpoint, with or without the slash of a path."""
    return name.strip("/") == endpoint.strip("/")


def _refused(fault: RejectValue, block: dict[str, Json]) -> bool:
    if fault.values is not Unset.UNSET:
        given = fault.values if isinstance(fault.values, dict) else {}
        return all(key in block and block[key] == value for key, value in given.items())
    if fault.key is None:
        return True
    if fault.key not in block:
        return False
    value = block[fault.key]
    if fault.equals is not Unset.UNSET:
        return value == fault.equals
    number = value if isinstance(value, int | float) else 0.0
    over = fault.greater is not None and number > fault.greater
    under = fault.less is not None and number < fault.less
    return over or under or (fault.greater is None and fault.less is None)
