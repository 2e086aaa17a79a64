"""What nodes were given, across restarts: what was stored, what was sent, and what was of another frame0.

The state file is written where a table failed nowhere. What was sent is written before it is sent: some node may have
it, whatever is heard of it, and it is not contradicted.
"""

from datetime import datetime
from typing import Final

from conche.contract import EopData

from .merge import Stored
from .state import Record, StateFile, StateUnavailable

SENT: Final = "sent"
"""Ending of the file with what was sent last."""


class Memory:
    """The files, and what is in them.

    Parameters
    ----------
    file
        The state file.
    """

    def __init__(self, file: StateFile) -> None:
        self._file = file
        self._sent_file = StateFile(file.path.with_name(f"{file.path.name}.{SENT}"))
        self.record: Record | None = None
        """What is stored."""
        self.sent: Record | None = None
        """What was sent last."""
        self.unread: str | None = None
        """Why the files can't be read: nothing is pushed that might contradict them, nor written over them."""
        self.trouble: str | None = None
        """What was wrong with them, in words, until a table is stored again."""

    def load(self, now: datetime) -> None:
        """Read the files, at a time by the wall clock; `unread` and `trouble` are what came of it."""
        self.unread = None
        try:
            self.record, stored = self._file.read(now)
            self.sent, sent = self._sent_file.read(now)
            self.trouble = "; ".join(words for words in (stored, sent) if words) or None
        except StateUnavailable as error:
            self.unread = self.trouble = str(error)

    @property
    def paths(self) -> str:
        """The two files, in words."""
        return f"{self._file.path} and {self._sent_file.path}"

    @property
    def latest(self) -> Record | None:
        """What was sent last, or, where that is not known, stored."""
        return self.sent or self.record

    @property
    def unstored(self) -> Record | None:
        """What was sent in the time of another frame0 than what is stored: nodes may have it."""
        stored = self.record.frame0_ns if self.record else None
        return self.sent if self.sent is not None and self.sent.frame0_ns != stored else None

    def given(self, frame0_ns: int) -> Stored | None:
        """Return what nodes were given in the time of a frame0, else what they were given last."""
        known = [one for one in (self.sent, self.record) if one is not None and one.frame0_ns == frame0_ns]
        if known:
            return max(known, key=lambda one: one.entries[-1].t_inst_ns).table
        aside = self._file.kept_beside(frame0_ns) or self.latest
        return aside.table if aside else None

    def send(self, table: Stored, *, iers: EopData, now: datetime) -> None:
        """Note a table that is about to be sent; what was sent in the time of another frame0 is kept beside.

        Raises
        ------
        StateUnavailable
            It can't be written: then nothing may be sent.
        """
        before = self.latest
        if before is not None and before.frame0_ns != table.frame0_ns:
            self._file.keep_beside(before)
        if self.sent is None or self.sent.table != table:
            record = Record(written_at=now, frame0_ns=table.frame0_ns, iers=iers, entries=list(table.entries))
            self._sent_file.write(record)
            self.sent = record

    def store(self, record: Record) -> None:
        """Store a table that failed nowhere.

        Raises
        ------
        StateUnavailable
            It can't be written.
        """
        self._file.write(record)
        self.record, self.trouble = record, None
