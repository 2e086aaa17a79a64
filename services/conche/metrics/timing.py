"""The FPGA master's timing and the Earth-orientation table, as readings."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Final

from conche.contract import EopEntry, EopStatus, FpgaStatus, Outcome
from conche.contract import measurements as m

from .readings import Reading, Value, time_ns

SECOND_NS: Final = 10**9
DAY_S: Final = 86_400.0

UNJUDGED: Final = "unknown"
"""Stands for the state where its service is away; without a code, which would be better or worse than others."""


def fpga_reading(status: FpgaStatus, *, served: bool, now: datetime) -> Reading:
    """Return the FPGA master's state and timing; without its service nothing is known of them."""
    at_ns = time_ns(now)
    if not served:
        return Reading(m.FPGA, {}, {"state": UNJUDGED, "error": "the fpga service is away"}, at_ns)
    frame0_ns = status.frame0_ns
    fields: dict[str, Value] = {
        "state": status.state,
        "state_code": m.FPGA_STATE_CODES[status.state],
        "frame0_ns": frame0_ns,
        "frame0_age_s": None if frame0_ns is None else (at_ns - frame0_ns) / SECOND_NS,
        "rollovers": status.rollovers,
        "error": status.error or "",
    }
    return Reading(m.FPGA, {}, fields, at_ns)


def eop_reading(status: EopStatus, *, served: bool, now: datetime) -> Reading:
    """Return the Earth-orientation table's state, and its values now.

    Without its service the table still says how long it lasts, but nobody judges it or sees which nodes have it.
    """
    iers = status.iers
    concerned = [target for target in status.targets.values() if target.concerned]
    ok = sum(target.outcome is Outcome.OK for target in concerned)
    fields: dict[str, Value] = {
        "state": status.state if served else UNJUDGED,
        "state_code": m.EOP_STATE_CODES[status.state] if served else None,
        "age_s": _seconds(status.last_success_at, now),
        "days_left": _days(now, status.last),
        "data_days_left": _days(now, iers.runs_out_at) if iers else None,
        "data_age_days": iers.age_days if iers else None,
        "entries": len(status.entries),
        "targets_ok": ok if served else None,
        "targets_other": len(concerned) - ok if served else None,
        "error": (status.error or "") if served else "the eop service is away",
    }
    return Reading(m.EOP, {}, {**fields, **_values(status, now)}, time_ns(now))


def _seconds(begin: datetime | None, end: datetime) -> float | None:
    return None if begin is None else (end - begin).total_seconds()


def _days(begin: datetime, end: datetime | None) -> float | None:
    return None if end is None else (end - begin).total_seconds() / DAY_S


def _values(status: EopStatus, now: datetime) -> Mapping[str, float]:
    """Return UT1 and polar motion now, by linear interpolation as kotekan does it; nothing outside the table."""
    t_ns = _instrument_time_ns(status, now)
    for one, other in pairwise(status.entries):
        if t_ns is not None and one.t_inst_ns <= t_ns <= other.t_inst_ns and other.t_inst_ns > one.t_inst_ns:
            part = (t_ns - one.t_inst_ns) / (other.t_inst_ns - one.t_inst_ns)
            return {
                "delta_ut1_inst_s": _between(one, other, "delta_UT1_inst", part),
                "xp_as": _between(one, other, "xp_as", part),
                "yp_as": _between(one, other, "yp_as", part),
            }
    return {}


def _between(one: EopEntry, other: EopEntry, name: str, part: float) -> float:
    first, second = float(getattr(one, name)), float(getattr(other, name))
    return first + part * (second - first)


def _instrument_time_ns(status: EopStatus, now: datetime) -> int | None:
    """Return instrument time now, from the table's own two ends [ns].

    Linear in UTC: where a leap second lies within the table it is less than 1 s wrong, and UT1 changes by 1 ms a day.
    """
    first, last, entries = status.first, status.last, status.entries
    if first is None or last is None or first >= last or len(entries) < 2:
        return None
    part = (now - first) / (last - first)
    return entries[0].t_inst_ns + round(part * (entries[-1].t_inst_ns - entries[0].t_inst_ns))
