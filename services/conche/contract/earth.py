"""The Earth's orientation, as kotekans are given it, and how the service that gives it fares."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, field

from .payloads import Outcome, Payload, Time


class EopState(StrEnum):
    """The Earth-orientation table in one word."""

    FRESH = "fresh"
    """Every node that it concerns has it, or gets it when it is back, since less than 25 h."""
    STALE = "stale"
    """That was longer ago."""
    FAILED = "failed"
    """The last run failed; nodes go on with the table that they have."""
    NEVER = "never"
    """No run has succeeded yet."""


class EopEntry(Payload, frozen=True, kw_only=True):
    """The Earth's orientation at one UTC midnight."""

    t_inst_ns: Annotated[
        int, Meta(description="instrument time: frame0 as UNIX time plus the TAI elapsed since then [ns]")
    ]
    delta_UT1_inst: Annotated[
        float,
        Meta(description="UT1 - UTC minus the leap seconds since frame0 [s]: continuous at a leap second"),
    ]
    xp_as: Annotated[float, Meta(description="x of the pole [arcsec]")]
    yp_as: Annotated[float, Meta(description="y of the pole [arcsec]")]
    predicted: Annotated[
        bool | None,
        Meta(
            description="whether it was a prediction when it was made; null: not known; kotekan is not told"
        ),
    ] = None


class EopData(Payload, frozen=True, kw_only=True):
    """The IERS data that a table is made of."""

    source: Annotated[str, Meta(description="which data, of which version or file")]
    measured_to: Annotated[Time, Meta(description="the last day that was measured")]
    age_days: Annotated[int, Meta(description="days since the last one that was measured")]
    predicted_from: Annotated[
        Time | None,
        Meta(description="the first day that these data predict; entries were made of earlier ones"),
    ] = None
    runs_out_at: Annotated[Time, Meta(description="the last day that there is")]


class EopTarget(Payload, frozen=True, kw_only=True):
    """What became of a table at one node."""

    outcome: Outcome
    error: str | None = None
    concerned: Annotated[bool, Meta(description="whether its config has the block")] = True


class EopStatus(Payload, frozen=True, kw_only=True):
    """The Earth-orientation table, who has it, and how good it is."""

    state: EopState
    last_success_at: Time | None = None
    first: Annotated[Time | None, Meta(description="UTC of the first entry")] = None
    last: Annotated[Time | None, Meta(description="UTC of the last entry")] = None
    entries: Annotated[list[EopEntry], Meta(description="the table of the last run that succeeded")] = field(
        default_factory=list
    )
    frame0_ns: Annotated[int | None, Meta(description="time base of the table, UNIX time [ns]")] = None
    iers: EopData | None = None
    targets: Annotated[
        dict[str, EopTarget],
        Meta(
            description="group/node: what became of the last run there; group/all: a group in which no node has "
            "the block, where these are many"
        ),
    ] = field(default_factory=dict)
    sent_frame0_ns: Annotated[
        int | None,
        Meta(
            description="time base of a table that was sent and is not stored, as it failed somewhere: nodes may "
            "have it, and not the entries that stand here [ns]"
        ),
    ] = None
    warning: str | None = None
    error: str | None = None
    next_run_at: Time | None = None
