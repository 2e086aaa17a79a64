"""What the service says of itself: its state, and in one sentence what a run did."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from conche.contract import EopData, EopEntry, EopState, EopStatus, EopTarget, Outcome, Result

from .merge import Begun, Merged
from .state import Record
from .times import TimeBase

STALE_AFTER: Final = timedelta(hours=25)
"""A day and a little: the daily run was missed, as for choco's pill."""

NAMED: Final = 3
"""Nodes that one sentence names."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run has done, or would do.

    Parameters
    ----------
    why
        Why it was made, in words.
    frame0_ns
        Time base [ns]; None where none is known.
    merged
        The table; None where there is none.
    iers
        Its data.
    base
        Its time base.
    targets
        What became of it, by ``group/node``.
    warnings
        What somebody should see to.
    error
        Why it failed before or after the nodes were told, in words.
    """

    why: str
    frame0_ns: int | None = None
    merged: Merged | None = None
    iers: EopData | None = None
    base: TimeBase | None = None
    targets: Mapping[str, EopTarget] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    error: str | None = None

    @property
    def failed(self) -> dict[str, str]:
        """Nodes at which it failed, and why."""
        return {
            key: target.error or "it failed"
            for key, target in self.targets.items()
            if target.outcome is Outcome.FAILED
        }

    @property
    def problem(self) -> str | None:
        """Why it did not succeed, in one sentence."""
        if self.error is not None:
            return self.error
        failed = sorted(self.failed.items())
        if not failed:
            return None
        named = "; ".join(f"{key}: {why}" for key, why in failed[:NAMED])
        return named + (f"; and {len(failed) - NAMED} more" if len(failed) > NAMED else "")


def status_of(
    record: Record | None,
    run: Run | None,
    *,
    base: TimeBase | None,
    now: datetime,
    next_run_at: datetime,
    standing: Sequence[str] = (),
    sent_frame0_ns: int | None = None,
) -> EopStatus:
    """Return what is said.

    Parameters
    ----------
    record
        The table that is stored.
    run
        The last run of this process, if there was one.
    base
        Time base of the stored table, if there is one.
    now
        Wall clock.
    next_run_at
        When the table is built again.
    standing
        Warnings that are none of the run's.
    sent_frame0_ns
        Time base of a table that was sent and is not stored [ns].
    """
    warning = "; ".join((*standing, *(run.warnings if run else ()))) or None
    status = EopStatus(
        state=_state(record, run, now),
        next_run_at=next_run_at,
        warning=warning,
        sent_frame0_ns=sent_frame0_ns,
    )
    if record is not None:
        status = replace(status, last_success_at=record.written_at, iers=record.iers, targets=record.targets)
        if base is not None:
            status = with_table(status, record.entries, base)
    if run is not None:
        status = replace(
            status,
            iers=run.iers or status.iers,
            targets=dict(run.targets) or status.targets,
            error=run.problem,
        )
    if status.iers is not None:
        age_days = (now - status.iers.measured_to).days
        status = replace(status, iers=replace(status.iers, age_days=age_days))
    return status


def with_table(status: EopStatus, entries: Sequence[EopEntry], base: TimeBase) -> EopStatus:
    """Return a status with a table."""
    return replace(
        status,
        entries=list(entries),
        first=base.utc_of(entries[0].t_inst_ns),
        last=base.utc_of(entries[-1].t_inst_ns),
        frame0_ns=base.frame0_ns,
    )


def would_be(status: EopStatus, run: Run, *, standing: Sequence[str] = ()) -> EopStatus:
    """Return the status of a run that only looked."""
    if run.merged is not None and run.base is not None:
        status = with_table(status, run.merged.table.entries, run.base)
    return replace(
        status,
        iers=run.iers or status.iers,
        targets=dict(run.targets),
        warning="; ".join((*standing, *run.warnings)) or None,
        error=run.problem,
    )


def _state(record: Record | None, run: Run | None, now: datetime) -> EopState:
    if run is not None and run.problem is not None:
        return EopState.FAILED
    if record is None:
        return EopState.NEVER
    return EopState.STALE if now - record.written_at > STALE_AFTER else EopState.FRESH


def results_of(targets: Mapping[str, EopTarget]) -> dict[str, Result]:
    """Return outcomes as a reply has them."""
    return {
        key: Result(ok=one.outcome is Outcome.OK, outcome=one.outcome, error=one.error)
        for key, one in targets.items()
    }


def sentence(run: Run) -> str:
    """Return what a run did, for the event and the log."""
    if run.merged is None or run.base is None:
        return f"no Earth-orientation table ({run.why}): {run.problem or '; '.join(run.warnings)}"
    entries = run.merged.table.entries
    first, last = (run.base.utc_of(entries[i].t_inst_ns) for i in (0, -1))
    anew = ", begun anew for another frame0" if run.merged.begun is Begun.TIME_BASE else ""
    counts = Counter(target.outcome.value for target in run.targets.values() if target.concerned)
    whom = ", ".join(f"{number} {word}" for word, number in sorted(counts.items())) or "no node has the block"
    problem = f"; {run.problem}" if run.problem else ""
    span = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return f"Earth orientation, {len(entries)} entries, {span}{anew} ({run.why}): {whom}{problem}"
