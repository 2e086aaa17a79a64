"""What a worker must not forget when it is killed: one small file per group, replaced as a whole."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import DecodeError, Struct, ValidationError, field
from msgspec.json import decode, encode

from conche.contract import Maintenance, PushKind, Rejection
from conche.contract.payloads import Time
from conche.storage import write_atomic

logger = logging.getLogger(__name__)

FORMAT: Final = 1


RETRY_S: Final = 1.0
"""A write that failed is tried again after this: what nobody waited for must reach the disk too [s]."""


class RecordsLost(Exception):
    """The file could not be written: nothing may be begun that it would have to remember."""


class PushStep(Struct, frozen=True):
    """A push that was under way."""

    id: str
    kind: PushKind
    at: Time
    revision: str | None = None


class NodeRecord(Struct, frozen=True, kw_only=True):
    """What is remembered of one node."""

    epoch: str
    maintenance: Maintenance
    started: bool | None = None
    was_started: bool = False
    """Whether it was to run in the epoch before."""
    push: PushStep | None = None
    proven: str | None = None
    rejected: list[Rejection] = field(default_factory=list)
    attempts: int = 0
    attempted: str | None = None
    """Revision that the attempts were made for."""
    retry_at: Time | None = None
    next_epoch: str | None = None
    next_started: bool | None = None
    next_maintenance: Maintenance | None = None
    """Switches for an epoch that waits for the end of a push."""
    forced: bool = False
    forced_until: Time | None = None
    """A resync that is still to be done, or under way, and when its command expires."""
    exits: list[Time] = field(default_factory=list)
    """The latest ends of its processes."""
    cures: dict[str, Time] = field(default_factory=dict)
    """Path to when it was restarted for drift of it."""


class CarriedOut(Struct, frozen=True, kw_only=True, array_like=True):
    """A command that set or restarted something, known by account and id."""

    user: str
    id: str
    action: str
    group: str
    node: str
    by: str = ""
    value: bool | None = None
    """To what a switch was set."""
    digest: str = ""
    """Of its arguments; empty where an earlier conche kept it."""


class GroupRecord(Struct, frozen=True, kw_only=True):
    """What is remembered of a group."""

    format: int = FORMAT
    nodes: dict[str, NodeRecord] = field(default_factory=dict)
    restarts: list[tuple[str, str, str]] = field(default_factory=list)
    """Account, id and target of resyncs, as an earlier conche kept them: read, and not written any more."""
    carried: list[CarriedOut] = field(default_factory=list)
    cleared: list[str] = field(default_factory=list)
    """Revisions that were proven somewhere in the group, or with the batch that they were in."""
    held: dict[str, str] = field(default_factory=dict)
    """Revision to why it is given to nobody."""


def load(path: Path) -> GroupRecord:
    """Read a group's file; one that is absent or can't be read is empty, and the latter is said."""
    try:
        record = decode(path.read_bytes(), type=GroupRecord)
    except FileNotFoundError:
        return GroupRecord()
    except (OSError, ValidationError, DecodeError) as error:
        logger.warning("%s: can't be read, the broker's copy will do: %s", path, error)
        return GroupRecord()
    return record if record.format == FORMAT else GroupRecord()


class Recorder:
    """Writes a group's file; calls that come together share one write.

    Parameters
    ----------
    path
        The file.
    current
        Returns what to write.
    """

    def __init__(self, path: Path, current: Callable[[], GroupRecord]) -> None:
        self.path = path
        self._current = current
        self._asked: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._retry: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Write whenever somebody asks, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._retry is not None:  # one at a time, however many have asked in vain
                self._retry.cancel()
            asked, self._asked = self._asked, []
            data = encode(self._current())
            error: OSError | None = None
            try:
                await asyncio.to_thread(self._write, data)
            except OSError as caught:
                error = caught
                self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._wake.set)
                logger.error("%s: can't be written: %s", self.path, caught)
            for future in asked:
                if not future.done():
                    future.set_result(None) if error is None else future.set_exception(
                        RecordsLost(f"{self.path}: can't be written: {error.strerror}")
                    )

    def ask(self) -> None:
        """Have it written without waiting."""
        self._wake.set()

    async def save(self) -> None:
        """Return when all that holds now is on disk.

        Raises
        ------
        RecordsLost
            It could not be written.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked.append(future)
        self._wake.set()
        await future

    def _write(self, data: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, data, mode=0o600)
