"""One run: from what is known to a table and the commands that push it; then to the state file."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from conche.contract import EopTarget, Outcome
from conche.settings import Eop

from .fetching import read_as_set, refresh
from .iers import read_leap_seconds
from .known import Known
from .making import Impossible, Made, make
from .memory import Memory
from .merge import Begun, Stored, check_join, merge
from .reporting import Run
from .smooth import Jump
from .state import Record, StateFile, StateUnavailable
from .targets import Addressed, Parcel, address, skipped
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
        self.memory = Memory(file)

    @property
    def record(self) -> Record | None:
        """What is stored."""
        return self.memory.record

    def base(self) -> TimeBase | None:
        """Return the time base of what is stored."""
        return None if self.record is None else TimeBase(self.record.frame0_ns, read_leap_seconds())

    def standing(self) -> list[str]:
        """Return what somebody should know until a table is stored, in words."""
        words = [self.memory.trouble] if self.memory.trouble else []
        if (sent := self.memory.unstored) is not None:
            shown = (
                f"what is stored is of frame0 {self.record.frame0_ns}" if self.record else "none is stored"
            )
            words.append(
                f"a table for frame0 {sent.frame0_ns} was sent on {sent.written_at:%Y-%m-%d %H:%M} UTC and did not "
                f"succeed everywhere: some nodes may have it, and {shown}"
            )
        return words

    async def prepare(self, known: Known, *, why: str, now: datetime, may_drop: bool = True) -> Prepared:
        """Return a run with its table, and what is to be sent; nothing is changed.

        Parameters
        ----------
        known
            What others have said.
        why
            Why it is made, in words.
        now
            Wall clock.
        may_drop
            Whether old entries may be left out.
        """
        frame0_ns, trouble = known.frame0_ns, known.frame0_trouble
        if frame0_ns is None:
            return Prepared(_without_frame0(known, why=why, words=trouble or ""))
        if self.memory.unread:
            self.memory.load(now)
        if self.memory.unread:
            return Prepared(Run(why, frame0_ns, error=self.memory.unread, targets=_unsent(known)))
        try:
            remark = await refresh(self._settings)
            made = await asyncio.to_thread(self._make, frame0_ns, now)
        except Impossible as error:
            return Prepared(Run(why, frame0_ns, error=str(error), targets=_unsent(known)))
        warnings = tuple(words for words in (trouble, remark, made.warning) if words)
        run = Run(why, frame0_ns, None, made.iers, made.base, warnings=warnings)
        return self._joined(run, made, known, now=now, may_drop=may_drop)

    def _make(self, frame0_ns: int, now: datetime) -> Made:
        return make(
            frame0_ns,
            iers=read_as_set(self._settings),
            now=now,
            before=self._settings.intervals_before,
            after=self._settings.intervals_after,
            warn_days=self._settings.warn_days,
        )

    def _joined(self, run: Run, made: Made, known: Known, *, now: datetime, may_drop: bool) -> Prepared:
        """Return the run that continues what was pushed before."""
        given = self.memory.given(made.table.frame0_ns)
        now_ns = made.base.t_inst_ns(unix_ns(now))
        merged = merge(given, made.table, now_ns=now_ns, may_drop=may_drop)
        run = replace(run, merged=merged, warnings=(*run.warnings, *self._anew(run, merged.begun)))
        if not merged.covers_now:
            words = self._beside(merged.table, made.base, now)
            return Prepared(replace(run, error=words, targets=_unsent(known)))
        try:
            if given is not None and merged.begun is Begun.CONTINUED:
                check_join(given, made.table, now_ns=now_ns)
        except Jump as jump:
            return Prepared(replace(run, error=self._contradiction(jump), targets=_unsent(known)))
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

    def _anew(self, run: Run, begun: Begun) -> list[str]:
        """Return in words that the time base is another than that of what is stored."""
        before = self.record or self.memory.latest
        if before is None or before.frame0_ns == run.frame0_ns:
            return []
        moved = f"frame0 was {before.frame0_ns} and is {run.frame0_ns}"
        is_known = begun is Begun.CONTINUED and self.memory.unstored is None
        how = "the table that was pushed for it before is continued" if is_known else "the table begins anew"
        return [f"{moved}: {how}"]

    def _beside(self, table: Stored, base: TimeBase, now: datetime) -> str:
        first, last = (base.utc_of(table.entries[index].t_inst_ns) for index in (0, -1))
        return (
            f"the table that was pushed before, {first:%Y-%m-%d} to {last:%Y-%m-%d}, lies beside the time that it is "
            f"here, {now:%Y-%m-%d %H:%M} UTC: this clock is wrong, or was when it was made; if it was then, "
            f"{self._remove}"
        )

    def _contradiction(self, jump: Jump) -> str:
        return (
            f"{jump} between the table that was pushed before and that of today's IERS data: one of them is wrong; "
            f"bring the data and the leap seconds up to date, or, if it is the one before, {self._remove}"
        )

    @property
    def _remove(self) -> str:
        return f"remove {self.memory.paths} and start the service again"

    def send(self, run: Run, *, now: datetime) -> Run:
        """Note what is about to be sent; return the run, with an error where it may not be sent: it can't be noted."""
        if run.merged is None or run.iers is None:
            return run
        try:
            self.memory.send(run.merged.table, iers=run.iers, now=now)
        except StateUnavailable as error:
            return replace(run, error=f"nothing was sent: {error}")
        return run

    def store(self, run: Run, *, now: datetime) -> Run:
        """Store what was pushed, if it failed nowhere; return the run, with an error where that is not possible."""
        if run.merged is None or run.iers is None or run.problem is not None:
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
            self.memory.store(record)
        except StateUnavailable as error:
            return replace(run, error=f"the table was pushed, and is not stored: {error}")
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
    return replace(run, targets=targets | skipped(addressed, endpoint=endpoint), warnings=tuple(warnings))
