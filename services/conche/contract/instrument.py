"""The payloads that concern the instrument itself: what the F-engine says about its time.

Instrument time is an integer in nanoseconds since 1970-01-01 UTC, without exception: a float would lose some of them.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from .payloads import Payload, Time

Nanoseconds = Annotated[int, Meta(description="since 1970-01-01 UTC [ns]")]


class FpgaState(StrEnum):
    """How the FPGA master is."""

    GOOD = "good"
    """It answers, and its timing makes sense."""
    DEGRADED = "degraded"
    """It answers, and something of what it answers can't be read or believed."""
    DOWN = "down"
    """It does not answer."""
    UNCONFIGURED = "unconfigured"
    """The settings name none."""


class FpgaStatus(Payload, frozen=True, kw_only=True):
    """The FPGA master's health, and frame0, from which everything that the F-engine sends is timed."""

    state: FpgaState
    frame0_ns: Annotated[
        Nanoseconds | None,
        Meta(description="when frame 0 was, corrected; null while it can't be read or believed"),
    ] = None
    error: str | None = None
    since: Annotated[Time | None, Meta(description="of the state")] = None
    url: str | None = None
    started_at: Annotated[
        Time | None, Meta(description="when the F-engine was started, by its computer's clock")
    ] = None
    reported_frame0_ns: Annotated[
        Nanoseconds | None, Meta(description="frame0 as the FPGA master says it, before the correction")
    ] = None
    rollovers: Annotated[
        int | None, Meta(description="periods of 1024 GPS weeks that the correction added")
    ] = None
    last_frame0_ns: Annotated[
        Nanoseconds | None, Meta(description="the last that was good, whatever the state is now")
    ] = None
    previous_frame0_ns: Annotated[
        Nanoseconds | None, Meta(description="the one before: what was timed from it is stale")
    ] = None
    changed_at: Annotated[
        Time | None, Meta(description="when it was seen that frame0 had become another")
    ] = None
