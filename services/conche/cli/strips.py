"""States over time as strips of characters, as `conche history` draws them; each state has a sign beside its colour."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Final

from rich.text import Text

from conche.contract import NodeState
from conche.contract.measurements import NODE_STATE_CODES

from .output import STATE_STYLES

SIGNS: Final[Mapping[NodeState, str]] = {
    NodeState.STARTED: "█",
    NodeState.STOPPED: "▁",
    NodeState.SYNCING: "~",
    NodeState.DOWN: "x",
    NodeState.UNKNOWN: "?",
    NodeState.FAILED: "!",
}
NOTHING: Final = " "
"""Sign where nothing is known."""

MISSED: Final = 3
"""A state that was not written again for so many refresh periods is not known any more."""

LABEL_EVERY: Final = 14
"""Columns from one time on the axis to the next."""

_STATES: Final = {code: state for state, code in NODE_STATE_CODES.items()}


@dataclass(frozen=True, slots=True)
class Scale:
    """The time axis.

    Parameters
    ----------
    begin
        UNIX time of the first column, a whole number of columns since 1970 [s].
    bucket_s
        Length of a column [s].
    columns
        How many there are; the last one contains now.
    """

    begin: int
    bucket_s: int
    columns: int

    @property
    def end(self) -> int:
        """End of the last column, UNIX time [s]."""
        return self.begin + self.columns * self.bucket_s

    def column(self, at_ns: int) -> int:
        """Return the column of a time [ns]."""
        return (at_ns // 1_000_000_000 - self.begin) // self.bucket_s


@dataclass(frozen=True, slots=True)
class Sample:
    """The states that were written within one column.

    Parameters
    ----------
    worst, last
        Codes of the worst and of the last one.
    """

    worst: int
    last: int


def scale_of(since: datetime, now: datetime, *, width: int) -> Scale:
    """Return an axis that reaches from a time to now in at most so many columns."""
    span = max(1.0, (now - since).total_seconds())
    bucket_s = max(1, ceil(span / max(1, width - 1)))
    begin = int(since.timestamp()) // bucket_s * bucket_s
    return Scale(begin, bucket_s, int(now.timestamp() - begin) // bucket_s + 1)


def states(samples: Mapping[int, Sample], scale: Scale, *, refresh_s: float) -> list[NodeState | None]:
    """Return the worst state in each column; None where nothing is known.

    A state holds until the next one is written, and at most a few refresh periods.

    Parameters
    ----------
    samples
        By column.
    scale
        The time axis.
    refresh_s
        A state that does not change is written again after this [s].
    """
    holds = ceil(MISSED * refresh_s / scale.bucket_s)
    found: list[NodeState | None] = []
    held: int | None = None
    age = 0
    for column in range(scale.columns):
        sample = samples.get(column)
        age = 0 if sample else age + 1
        if age > holds:
            held = None
        worst = held if sample is None else max(sample.worst, -1 if held is None else held)
        found.append(None if worst is None else _STATES.get(worst, NodeState.UNKNOWN))
        held = held if sample is None else sample.last
    return found


def strip(found: Sequence[NodeState | None]) -> Text:
    """Return states as a line."""
    line = Text()
    for state in found:
        line.append(NOTHING if state is None else SIGNS[state], "" if state is None else STATE_STYLES[state])
    return line


def axis(scale: Scale) -> Text:
    """Return the times below a strip, in UTC; with the day where it spans more than one."""
    days = scale.end - scale.begin > 86_400
    minutes = scale.bucket_s * LABEL_EVERY >= 60
    shape = "|%m-%d %H:%M" if days else "|%H:%MZ" if minutes else "|%H:%M:%SZ"
    line = ""
    for column in range(0, scale.columns, LABEL_EVERY):
        at = datetime.fromtimestamp(scale.begin + column * scale.bucket_s, UTC)
        label = f"{at:{shape}}"
        if column + len(label) <= scale.columns:
            line = f"{line:<{column}}{label}"
    return Text(line, "bright_black")


def legend(shown: Iterator[NodeState | None]) -> Text:
    """Return what the signs mean, for the states that are shown."""
    seen = set(shown)
    line = Text()
    for state, sign in SIGNS.items():
        if state in seen:
            line.append("  " if line else "").append(sign, STATE_STYLES[state]).append(f" {state}")
    if None in seen:
        line.append("  " if line else "").append("blank: not known", "bright_black")
    return line
