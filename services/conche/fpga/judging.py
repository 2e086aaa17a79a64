"""What follows from one look at the FPGA master: its status, and what of it is news."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from conche.contract import Event, EventKind, FpgaState, FpgaStatus

from .timing import Judgement, utc, utc_words


@dataclass(frozen=True, slots=True)
class Look:
    """What one look brought.

    Parameters
    ----------
    down
        Why nobody was reached; None where somebody answered.
    health
        What is wrong with the answer about its health; None for nothing.
    timing
        As it was judged; None where it could not be read.
    unread
        Why not.
    """

    down: str | None = None
    health: str | None = None
    timing: Judgement | None = None
    unread: str | None = None

    @property
    def state(self) -> FpgaState:
        """The FPGA master in one word."""
        if self.down is not None:
            return FpgaState.DOWN
        return FpgaState.DEGRADED if self.error is not None else FpgaState.GOOD

    @property
    def error(self) -> str | None:
        """All that is wrong, in words."""
        judged = self.timing.error if self.timing else None
        parts = [words for words in (self.down, self.health, self.unread, judged) if words]
        return "; ".join(parts) or None


def status_after(
    before: FpgaStatus | None, look: Look | None, *, url: str | None, at: datetime
) -> FpgaStatus:
    """Return the status after a look.

    Parameters
    ----------
    before
        What was published last, by an earlier process too; None for nothing.
    look
        None where no FPGA master is configured.
    url
        Where it is.
    at
        When.
    """
    known = before or FpgaStatus(state=FpgaState.UNCONFIGURED)
    state = look.state if look else FpgaState.UNCONFIGURED
    judged = look.timing if look else None
    frame0_ns = judged.frame0_ns if judged else None
    last_ns = known.last_frame0_ns
    changed = None not in (frame0_ns, last_ns) and frame0_ns != last_ns
    return FpgaStatus(
        state=state,
        frame0_ns=frame0_ns,
        error=look.error if look else None,
        since=known.since if before is not None and known.state is state else at,
        url=url,
        started_at=utc(judged.timing.start_ns) if judged else None,
        reported_frame0_ns=judged.timing.frame0_ns if judged else None,
        rollovers=judged.rollovers if judged else None,
        last_frame0_ns=last_ns if frame0_ns is None else frame0_ns,
        previous_frame0_ns=last_ns if changed else known.previous_frame0_ns,
        changed_at=at if changed else known.changed_at,
    )


def news(before: FpgaStatus | None, after: FpgaStatus, *, at: datetime) -> Iterator[Event]:
    """Yield what happened between two statuses.

    Parameters
    ----------
    before
        Of which it was told last; None for nothing: nothing has changed then.
    after
        As it is now.
    at
        When.
    """
    if before is None:
        return
    if change := frame0_change(before, after):
        yield Event(
            at=at,
            kind=EventKind.FPGA,
            text=change,
            before=str(before.last_frame0_ns),
            after=str(after.last_frame0_ns),
        )
    if after.state is not before.state:
        error = f", {after.error}" if after.error else ""
        yield Event(
            at=at,
            kind=EventKind.FPGA,
            text=f"{before.state} -> {after.state}{error}",
            before=before.state,
            after=after.state,
            ok=after.state is FpgaState.GOOD if after.state is not FpgaState.UNCONFIGURED else None,
        )


def frame0_change(before: FpgaStatus, after: FpgaStatus) -> str | None:
    """Return in words that frame0 is another, or None."""
    old, new = before.last_frame0_ns, after.last_frame0_ns
    if old is None or new is None or old == new:
        return None
    return (
        f"frame0 was {utc_words(old)} ({old}) and is {utc_words(new)} ({new}): the F-engine was started anew, "
        "what is timed from the old one is stale"
    )
