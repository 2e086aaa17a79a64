"""What is known of an alert, and what a channel is told of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from .conditions import Standing

FLAP_ENDS: Final = 3
"""An alert that was told and ended so often within `FLAP_WINDOW_S` comes and goes."""

FLAP_WINDOW_S: Final = 3600.0
CALM_S: Final = 900.0
"""Such a one has ended when it has stayed away for so long [s]; until then its returns are no news."""


@dataclass(slots=True)
class Told:
    """That an alert was told on a channel.

    Parameters
    ----------
    s
        When, last [s].
    heard
        Whether the channel took it; what it refused is not tried at once again, and its end is told to nobody.
    """

    s: float
    heard: bool = True


@dataclass(slots=True)
class Record:
    """What is known of one alert.

    Parameters
    ----------
    alert
        As it stood last.
    since_s
        When it was first seen [s].
    gone_s
        When it ended; None while it stands [s].
    ended
        How things were then, in words.
    told
        Where it was told and its end was not.
    ends
        When it ended although it had been told, the last few times [s].
    sure
        Whether it can be said just now whether it stands.
    """

    alert: Standing
    since_s: float
    gone_s: float | None = None
    ended: str = ""
    told: dict[str, Told] = field(default_factory=dict)
    ends: list[float] = field(default_factory=list)
    sure: bool = True

    def flaps(self, now_s: float, *, ends: int = FLAP_ENDS) -> bool:
        """Return whether it comes and goes: whether it ended so often within the last hour."""
        return len(self.ends) >= ends and now_s - self.ends[-ends] < FLAP_WINDOW_S

    def will_flap(self, now_s: float) -> bool:
        """Return whether its next end is one too many."""
        return self.flaps(now_s, ends=FLAP_ENDS - 1)


@dataclass(frozen=True, slots=True)
class Line:
    """One alert in a message.

    Parameters
    ----------
    alert
        As it stands, or stood.
    since
        When it began.
    lasted_s
        For how long it lasts, or lasted [s].
    ended
        How things are now that it has ended.
    flaps
        Whether it comes and goes, so that its end is told late.
    """

    alert: Standing
    since: datetime
    lasted_s: float
    ended: str = ""
    flaps: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """What a channel is told at once.

    Parameters
    ----------
    channel
        Its name.
    at
        When.
    raised, still, cleared
        What is new, what lasts, what has ended.
    missed
        Alerts that came and went while the channel could not be reached.
    """

    channel: str
    at: datetime
    raised: tuple[Line, ...] = ()
    still: tuple[Line, ...] = ()
    cleared: tuple[Line, ...] = ()
    missed: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be told."""
        return not (self.raised or self.still or self.cleared)
