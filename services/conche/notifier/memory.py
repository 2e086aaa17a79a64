"""What a successor must know so as to repeat nothing, and to tell the end of what was told: a small file."""

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import DecodeError, ValidationError, field
from msgspec.json import Decoder, encode

from conche.contract import Payload, Time
from conche.contract.alerts import AlertKind
from conche.storage import write_atomic

from .conditions import Standing
from .picture import Drops
from .records import Record, Told
from .times import Now

logger = logging.getLogger(__name__)

FORMAT: Final = 1


class RememberedTold(Payload, frozen=True, kw_only=True):
    """That an alert was told on a channel."""

    at: Time
    heard: bool = True


class RememberedAlert(Payload, frozen=True, kw_only=True):
    """An alert that stood, or was told."""

    kind: AlertKind
    subject: str
    words: str = ""
    group: str | None = None
    since: Time | None = None
    begun_at: Time
    gone_at: Time | None = None
    ended: str = ""
    told: dict[str, RememberedTold] = field(default_factory=dict)
    ends: list[Time] = field(default_factory=list)


class RememberedDrops(Payload, frozen=True, kw_only=True):
    """The broker's count of messages that it threw away."""

    count: int
    before: int
    risen_at: Time | None = None


class Memory(Payload, frozen=True, kw_only=True):
    """The content of the file."""

    format: int = FORMAT
    alerts: list[RememberedAlert] = field(default_factory=list)
    drops: RememberedDrops | None = None


class _Versioned(Payload, frozen=True, kw_only=True):
    """What every version of the file has."""

    format: int = 0


class MemoryUnavailable(Exception):
    """The file can't be written now; says why."""


class MemoryFile:
    """The file.

    Parameters
    ----------
    path
        Of the file; its folder is made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[Memory, str | None]:
        """Return what is remembered, and in words why that is nothing although there is a file; it is set aside."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return Memory(), None
        except OSError as error:
            return Memory(), self._anew(f"can't be read: {error.strerror or error}")
        try:
            found = Decoder(_Versioned).decode(data).format
            if found != FORMAT:
                return Memory(), self._anew(f"is of format {found}, this version writes {FORMAT}")
            return Decoder(Memory).decode(data), None
        except (ValidationError, DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Memory(), self._anew(f"makes no sense ({error})")

    def write(self, memory: Memory) -> None:
        """Store what is to be remembered.

        Raises
        ------
        MemoryUnavailable
            The file system says no; what was stored before still stands there.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, encode(memory))
        except OSError as error:
            raise MemoryUnavailable(f"{self.path}: can't be written: {error.strerror or error}") from None

    def _anew(self, why: str) -> str:
        # Where it can't even be renamed, it can't be read or written either: that is said.
        with suppress(OSError):
            os.replace(self.path, self.path.with_name(f"{self.path.name}.bad"))
        words = (
            f"{self.path.name} {why}: what was told before is not known, and what still lasts is told again"
        )
        logger.warning("notifier: %s", words)
        return words


def remembered(records: Iterable[Record], drops: Drops | None, now: Now) -> Memory:
    """Return what is to be stored: times by the wall clock, for the other one begins anew with the machine."""
    count = None
    if drops is not None:
        risen_at = None if drops.risen_s is None else now.wall(drops.risen_s)
        count = RememberedDrops(count=drops.count, before=drops.before, risen_at=risen_at)
    return Memory(alerts=[_remembered(record, now) for record in records], drops=count)


def _remembered(record: Record, now: Now) -> RememberedAlert:
    alert = record.alert
    return RememberedAlert(
        kind=alert.kind,
        subject=alert.subject,
        words=alert.words,
        group=alert.group,
        since=alert.since,
        begun_at=now.wall(record.since_s),
        gone_at=None if record.gone_s is None else now.wall(record.gone_s),
        ended=record.ended,
        told={
            name: RememberedTold(at=now.wall(told.s), heard=told.heard) for name, told in record.told.items()
        },
        ends=[now.wall(end) for end in record.ends],
    )


def records_of(memory: Memory, channels: Iterable[str], now: Now) -> list[Record]:
    """Return what is known from before; channels that there are no more were told nothing."""
    there = set(channels)
    return [
        Record(
            Standing(one.kind, one.subject, one.words, one.group, one.since),
            now.seconds(one.begun_at),
            gone_s=None if one.gone_at is None else now.seconds(one.gone_at),
            ended=one.ended,
            told={
                name: Told(now.seconds(told.at), told.heard)
                for name, told in one.told.items()
                if name in there
            },
            ends=[now.seconds(end) for end in one.ends],
        )
        for one in memory.alerts
    ]


def drops_of(memory: Memory, now: Now) -> Drops | None:
    """Return what the broker's count was."""
    drops = memory.drops
    if drops is None:
        return None
    risen_s = None if drops.risen_at is None else now.seconds(drops.risen_at)
    return Drops(drops.count, drops.before, risen_s)
