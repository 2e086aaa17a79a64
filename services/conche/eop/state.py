"""The state file: the table that was pushed last, with its time base, its data, and what became of it.

Two more stand beside it: what was sent last, to whomever, and what was stored of another frame0.
"""

import logging
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import DecodeError, ValidationError, field
from msgspec.json import Decoder, encode, format

from conche.contract import EopData, EopEntry, EopTarget, Payload, Time
from conche.storage import write_atomic

from .iers import read_leap_seconds
from .merge import Stored, is_sorted
from .times import NS_PER_DAY, NS_PER_S, TimeBase, mjd_of

logger = logging.getLogger(__name__)

FORMAT: Final = 1

KEPT: Final = 5
"""Files of a kind that are kept when they are set aside; a guess."""

_BEGIN_NS: Final = 63_072_000_000_000_000
_END_NS: Final = 7_258_118_400_000_000_000
"""1972, and the year 2200: other times are no times of a telescope [ns]."""


class Record(Payload, frozen=True, kw_only=True):
    """A table that was pushed, and failed nowhere."""

    format: int = FORMAT
    written_at: Time
    frame0_ns: int
    iers: EopData
    entries: list[EopEntry]
    targets: dict[str, EopTarget] = field(default_factory=dict)

    @property
    def table(self) -> Stored:
        """The table, as `merge` takes it."""
        return Stored(self.frame0_ns, tuple(self.entries))


class _Versioned(Payload, frozen=True, kw_only=True):
    """What every version of the file has."""

    format: int = 0


class StateUnavailable(Exception):
    """The file can't be read or written now; says why."""


class StateFile:
    """The file; what is in it can be believed.

    Parameters
    ----------
    path
        Of the file; its folder is made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, now: datetime) -> tuple[Record | None, str | None]:
        """Return what is stored, and what was wrong with it, in words; what is wrong is set aside.

        Raises
        ------
        StateUnavailable
            It is there and can't be read, or not be set aside: to go on would write over it.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None, None
        except OSError as error:
            raise StateUnavailable(f"{self.path}: can't be read: {error.strerror or error}") from None
        why, record = _judged(data)
        return record, self.set_aside(why, suffix=f"bad-{now:%Y%m%dT%H%M%SZ}") if why else None

    def write(self, record: Record) -> None:
        """Store a table.

        Raises
        ------
        StateUnavailable
            The file system says no; what was stored before still stands there.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, format(encode(record), indent=2) + b"\n")
        except OSError as error:
            raise StateUnavailable(f"{self.path}: can't be written: {error.strerror or error}") from None

    def set_aside(self, why: str, *, suffix: str) -> str:
        """Give the file another name; return what was done, in words.

        Raises
        ------
        StateUnavailable
            That is not possible.
        """
        aside = self.path.with_name(f"{self.path.name}.{suffix}")
        try:
            with suppress(FileNotFoundError):
                os.replace(self.path, aside)
        except OSError as error:
            raise StateUnavailable(
                f"{self.path}: {why}, and it can't be set aside: {error.strerror or error}"
            ) from None
        self._forget_old("bad-")
        words = f"{self.path.name} {why}: it is set aside as {aside.name}"
        logger.warning("eop: %s", words)
        return words

    def keep_beside(self, record: Record) -> None:
        """Keep a copy of a table in the time of another frame0, for when that comes back.

        Raises
        ------
        StateUnavailable
            It can't be written.
        """
        self._beside(record.frame0_ns).write(record)
        self._forget_old("frame0-")

    def kept_beside(self, frame0_ns: int) -> Record | None:
        """Return the table that is kept for a frame0; None where there is none that can be believed."""
        try:
            return look(self._beside(frame0_ns).path)
        except StateUnavailable:
            return None

    def _beside(self, frame0_ns: int) -> "StateFile":
        return StateFile(self.path.with_name(f"{self.path.name}.frame0-{frame0_ns}"))

    def _forget_old(self, kind: str) -> None:
        """Remove the oldest of the files of a kind that were set aside, but for the last few."""
        with suppress(OSError):
            found = self.path.parent.glob(f"{self.path.name}.{kind}*")
            for old in sorted(found, key=lambda path: path.stat().st_mtime_ns)[:-KEPT]:
                old.unlink()


def look(path: Path) -> Record:
    """Return what is in a state file, and leave it as it is.

    Raises
    ------
    StateUnavailable
        It can't be read, or not be believed; says why.
    """
    try:
        why, record = _judged(path.read_bytes())
    except OSError as error:
        why, record = f"can't be read: {error.strerror or error}", None
    if record is None:
        raise StateUnavailable(f"{path}: {why}")
    return record


def _judged(data: bytes) -> tuple[str | None, Record | None]:
    """Return what is wrong with the content of a state file, or the record."""
    try:
        found = Decoder(_Versioned).decode(data).format
        if found != FORMAT:
            return f"is of format {found}, this version writes {FORMAT}", None
        record = Decoder(Record).decode(data)
    except (ValidationError, DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"makes no sense ({error})", None
    if not is_sorted(record.entries):
        return "has entries out of order", None
    times = [record.frame0_ns, *(entry.t_inst_ns for entry in record.entries)]
    if not all(_BEGIN_NS <= one < _END_NS for one in times):
        return "has times that can't be", None
    if not _is_on_grid(record):
        return "has entries that are at no midnight of its frame0's time", None
    return (None, record) if record.entries else ("has no entries", None)


def _is_on_grid(record: Record) -> bool:
    """Return whether each entry is at a midnight, but for a leap second that was not known when it was made."""
    base = TimeBase(record.frame0_ns, read_leap_seconds())
    offs = (
        entry.t_inst_ns - base.midnight_ns(mjd_of(entry.t_inst_ns + NS_PER_DAY // 2))
        for entry in record.entries
    )
    return all(off in (-NS_PER_S, 0, NS_PER_S) for off in offs)
