"""One run: from what is known to a table and the commands that push it; then to the state file."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from conche.contract import EopTarget, Outcome
from conche.settings import Eop

from .fetching import read_as_set
from .iers import read_leap_seconds
from .known import Known
from .making import Impossible, Made, make
from .merge import Begun, Stored, merge
from .reporting import Run
from .state import Record, StateFile, StateUnavailable
from .targets import Addressed, Parcel, address
from .times import TimeBase, unix_ns

NAMED: Final = 3
"""Nodes without a config that a warning names."""


NO_NODE: Final = "no node has an updatable block {}"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run, and what is to be sent in it."""

    run: Run
    parcels: Sequence[Parcel] = ()


class Runner:
    """Builds tables and stores what was pushed.

    Parameters
    ----------
    settings
        Of the service.
    file
        Where the table is stored.
    """

    def __init__(self, settings: Eop, *, file: StateFile) -> None:
        self._settings = settings
        self._file = file
        self._pushed: Stored | None = None
        """What some nodes have, though others failed: not truth enough for the file, and not to be contradicted."""
        self._unread: str | None = None
        """Why what is stored can't be read: nothing is pushed that might contradict it, nor written over it."""
        self.record: Record | None = None
        """What is stored."""

    def load(self, now: datetime) -> str | None:
        """Read what is stored; return what was wrong with it, in words."""
        self._unread = None
        try:
            self.record, trouble = self._file.read(now)
        except StateUnavailable as error:
            self._unread = trouble = str(error)
        return trouble

    def base(self) -> TimeBase | None:
        """Return the time base of what is stored."""
        return None if self.record is None else TimeBase(self.record.frame0_ns, read_leap_seconds())

    async def prepare(self, known: Known, *, why: str, now: datetime) -> Prepared:
        """Return a run with its table, and what is to be sent; nothing is changed.

        Parameters
        ----------
        known
            What others have said.
        why
            Why it is made, in words.
        now
            Wall clock.
        """
        frame0_ns, trouble = known.frame0_ns, known.frame0_trouble
        if frame0_ns is None:
            return Prepared(_without_frame0(known, why=why, words=trouble or ""))
        if self._unread and self._is_unread(now):
            return Prepared(Run(why, frame0_ns, error=self._unread, targets=_unsent(known)))
        try:
            made, remark = await asyncio.to_thread(self._make, frame0_ns, now)
        except Impossible as error:
            return Prepared(Run(why, frame0_ns, error=str(error), targets=_unsent(known)))
        warnings = tuple(words for words in (trouble, remark, made.warning) if words)
        return self._joined(made, known, why=why, now=now, warnings=warnings)

    def _is_unread(self, now: datetime) -> bool:
        """Try once more to read what is stored; return whether that is still not possible."""
        self.load(now)
        return self._unread is not None

    def _make(self, frame0_ns: int, now: datetime) -> tuple[Made, str | None]:
        iers, remark = read_as_set(self._settings)
        made = make(
            frame0_ns,
            iers=iers,
            now=now,
            before=self._settings.intervals_before,
            after=self._settings.intervals_after,
            warn_days=self._settings.warn_days,
        )
        return made, remark

    def _joined(
        self, made: Made, known: Known, *, why: str, now: datetime, warnings: tuple[str, ...]
    ) -> Prepared:
        """Return the run that continues what was pushed before."""
        stored = self._pushed or (self.record.table if self.record else None)
        merged = merge(stored, made.table, now_ns=made.base.t_inst_ns(unix_ns(now)))
        run = Run(why, made.table.frame0_ns, merged, made.iers, made.base, warnings=warnings)
        if stored is not None and merged.begun is Begun.TIME_BASE:
            anew = f"frame0 was {stored.frame0_ns} and is {run.frame0_ns}: the table begins anew"
            run = replace(run, warnings=(*run.warnings, anew))
        if not merged.covers_now:
            words = self._beside(merged.table, made.base, now)
            return Prepared(replace(run, error=words, targets=_unsent(known)))
        if known.registry is None:
            return Prepared(replace(run, error="there is no registry yet: the renderer has published none"))
        addressed = address(
            known.registry,
            known.desired,
            endpoint=self._settings.endpoint,
            key=self._settings.key,
            entries=merged.table.entries,
        )
        return Prepared(_with_targets(run, addressed, self._settings.endpoint), addressed.parcels)

    def _beside(self, table: Stored, base: TimeBase, now: datetime) -> str:
        first, last = (base.utc_of(table.entries[index].t_inst_ns) for index in (0, -1))
        return (
            f"the table that was pushed before, {first:%Y-%m-%d} to {last:%Y-%m-%d}, lies beside the time that it is "
            f"here, {now:%Y-%m-%d %H:%M} UTC: this clock is wrong, or was when it was made; if it was then, remove "
            f"{self._file.path} and start the service again"
        )

    def store(self, run: Run, *, now: datetime) -> Run:
        """Store what was pushed, if it failed nowhere; return the run, with an error where that is not possible."""
        if run.merged is None or run.iers is None:
            return run
        if run.problem is not None:
            if any(target.outcome is not Outcome.FAILED for target in run.targets.values()):
                self._pushed = run.merged.table
            return run
        table = run.merged.table
        record = Record(
            written_at=now,
            frame0_ns=table.frame0_ns,
            iers=run.iers,
            entries=list(table.entries),
            targets=dict(run.targets),
        )
        try:
            if self.record is not None and self.record.frame0_ns != table.frame0_ns:
                old = self.record.frame0_ns
                self._file.set_aside(f"is in the time of frame0 {old}", suffix=f"frame0-{old}")
            self._file.write(record)
        except StateUnavailable as error:
            self._pushed = table
            return replace(run, error=f"the table was pushed, and is not stored: {error}")
        self.record, self._pushed = record, None
        return run


def _without_frame0(known: Known, *, why: str, words: str) -> Run:
    """Return a run without a table: a failure where a node has the block."""
    targets = _unsent(known)
    if known.registry is not None and not targets:
        return Run(why, warnings=(words, NO_NODE.format(known.settings.endpoint)))
    return Run(why, error=words, targets=targets)


def _unsent(known: Known) -> dict[str, EopTarget]:
    return {key: EopTarget(outcome=Outcome.SKIPPED, error="nothing was sent") for key in known.concerned()}


def _with_targets(run: Run, addressed: Addressed, endpoint: str) -> Run:
    targets = {
        key: EopTarget(outcome=Outcome.FAILED, error=f"{endpoint} {why}")
        for key, why in addressed.wrong.items()
    }
    warnings = list(run.warnings)
    if addressed.without_config:
        names = sorted(addressed.without_config)
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        first = addressed.without_config[names[0]]
        warnings.append(f"no config, so no table, for {', '.join(names[:NAMED])}{more}: {first}")
    if not (addressed.parcels or targets):
        warnings.append(NO_NODE.format(endpoint))
    return replace(run, targets=targets, warnings=tuple(warnings))
