"""The status strip: the telescope in three pills, each with a colour, a word and a tooltip."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from conche.client.picture import absence, is_online
from conche.contract import EopState, EopStatus, FpgaState, FpgaStatus, Outcome, Service, ServiceState

from .picture import Picture

ESSENTIAL: Final = (Service.RENDERER, Service.POLLER, Service.SYNC)
"""Services without which nothing is done for the nodes."""

FRESH: Final = timedelta(hours=25)
"""A table is made anew each day; after this a day was missed."""


class Colour(StrEnum):
    """How good something is."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    GREY = "grey"
    """Nobody knows, or there is no such thing here."""


class Pill(Struct, frozen=True, kw_only=True):
    """One thing at a glance."""

    colour: Colour
    text: str
    tooltip: Annotated[str, Meta(description="lines of words")]


class Strip(Struct, frozen=True, kw_only=True):
    """What stands above every page."""

    fpga: Pill
    eop: Pill
    services: Pill


def strip_of(picture: Picture, now: datetime) -> Strip:
    """Return the strip.

    Parameters
    ----------
    picture
        As it is.
    now
        Wall clock.
    """
    return Strip(
        fpga=_fpga(picture.fpga, picture.away(Service.FPGA)),
        eop=_eop(picture.eop, picture.away(Service.EOP), now),
        services=_services(picture),
    )


_FPGA: Final = {
    FpgaState.GOOD: (Colour.GREEN, "timing ok"),
    FpgaState.DEGRADED: (Colour.YELLOW, "no frame0"),
    FpgaState.DOWN: (Colour.RED, "down"),
    FpgaState.UNCONFIGURED: (Colour.GREY, "not configured"),
}


def _fpga(status: FpgaStatus | None, away: str | None) -> Pill:
    if status is None:
        return Pill(colour=Colour.GREY, text="FPGA: unknown", tooltip=away or "nothing was said of it yet")
    colour, text = _FPGA[status.state]
    if away is not None and status.state is not FpgaState.UNCONFIGURED:
        colour, text = Colour.GREY, "unknown"
    return Pill(
        colour=colour,
        text=f"FPGA: {text}",
        tooltip=_lines(
            host=status.url,
            health=status.state,
            frame0_ns=status.frame0_ns if status.frame0_ns is not None else status.last_frame0_ns,
            since=_utc(status.since),
            error=status.error,
            away=away,
        ),
    )


_EOP: Final = {
    EopState.FRESH: (Colour.GREEN, "fresh"),
    EopState.STALE: (Colour.YELLOW, "stale"),
    EopState.FAILED: (Colour.RED, "failed"),
    EopState.NEVER: (Colour.GREY, "never run"),
}


def _eop(status: EopStatus | None, away: str | None, now: datetime) -> Pill:
    if status is None:
        return Pill(colour=Colour.GREY, text="EOP: unknown", tooltip=away or "nothing was said of it yet")
    state = status.state
    if state is EopState.FRESH and _is_stale(status, now):  # its service is away: nobody says so
        state = EopState.STALE
    colour, text = _EOP[state]
    has_it = [one.outcome is Outcome.OK for one in status.targets.values() if one.concerned]
    return Pill(
        colour=colour,
        text=f"EOP: {text}",
        tooltip=_lines(
            built=_utc(status.last_success_at),
            reaches=_utc(status.last),
            nodes=f"{sum(has_it)} of {len(has_it)} have it" if has_it else None,
            error=status.error,
            warning=status.warning,
            away=away,
        ),
    )


def _is_stale(status: EopStatus, now: datetime) -> bool:
    return status.last_success_at is None or now - status.last_success_at > FRESH


def _services(picture: Picture) -> Pill:
    """Return how the services are: one that nobody has ever begun is missed only where nothing goes without it."""
    names = {*picture.births, Service.RENDERER.value, *(f"{Service.SYNC}/{g}" for g in picture.groups)}
    if not any(name.startswith(f"{Service.POLLER}/") for name in names):
        names.add(Service.POLLER.value)
    away = sorted(name for name in names if not is_online(picture.births.get(name)))
    essential = [name for name in away if name.partition("/")[0] in ESSENTIAL]
    lost = [name for name in away if _is_lost(picture, name)]
    colour = Colour.RED if essential else Colour.YELLOW if lost else Colour.GREEN
    missing = essential or lost
    online = sorted(names - set(away))
    return Pill(
        colour=colour,
        text=f"services: {_some(missing)} away" if missing else f"services: {len(online)} online",
        tooltip=_lines(
            online=", ".join(online) or "none",
            away="; ".join(absence(name, picture.births.get(name)) for name in away) or None,
        ),
    )


def _is_lost(picture: Picture, name: str) -> bool:
    birth = picture.births.get(name)
    return birth is not None and birth.state is ServiceState.LOST


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _utc(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%d %H:%M:%SZ}"


def _lines(**facts: object) -> str:
    return "\n".join(f"{name}: {fact}" for name, fact in facts.items() if fact is not None)
