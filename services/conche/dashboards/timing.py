"""By what data are timed: frame 0 of the FPGA master, and the Earth's orientation."""

from typing import Final

from grafana_foundation_sdk.models.units import DatetimeISO

from conche.contract import Service
from conche.contract.alerts import RUNS_OUT_DAYS
from conche.contract.measurements import EOP, FPGA, Measurement

from .board import Board, Section, commands_marked, happenings_marked
from .colours import BAD, GOOD, GREY, nothing_if_empty, words
from .colours import EOP as EOP_COLOURS
from .colours import FPGA as FPGA_COLOURS
from .panels import Panel, figures, judged, lines, timeline, unit_of
from .places import TIMING
from .queries import Column, Where, newest, over_time
from .targets import Target

FPGA_STATE: Final = "FPGA master"
EOP_STATE: Final = "Earth orientation"
LEFT: Final = "How long the table lasts"

_IN_MS: Final = "last({}) / 1000000"
"""Grafana's dates are in ms."""


def timing() -> Board:
    """Return the dashboard."""
    told = Where("service", f"=~ /^({Service.FPGA}|{Service.EOP})$/")
    commanded = Where("user", f"= '{Service.EOP}'")
    return Board(
        TIMING,
        "conche: Timing",
        "By what data are timed: frame 0 of the FPGA master, and the Earth-orientation table that the nodes have.",
        [
            Section(None, [_frame0(), _frame0_age(), _data_left(), _table_left()]),
            Section("FPGA master", [_fpga_states(), _fpga_errors(), _frame0_over_time(), _rollovers()]),
            Section(
                "Earth-orientation table",
                [_eop_states(), _eop_errors(), _left(), _age(), _targets(), _data()],
            ),
            Section("Its values now", [_delta(), _pole()]),
        ],
        annotations=[happenings_marked(told), commands_marked(commanded)],
    )


def _over_time(measurement: Measurement, *columns: Column, alias: str = "$col") -> Target:
    return Target(over_time(measurement, *columns), alias=alias)


def _frame0() -> Panel:
    return figures(
        "Frame 0",
        "When frame 0 was, in UTC, by the FPGA master; its GPS week corrected.",
        Target(newest(FPGA, Column("frame0_ns", _IN_MS)), alias="frame 0"),
        unit=DatetimeISO,
        span=9,
    )


def _frame0_age() -> Panel:
    return figures(
        "Since frame 0",
        "The time since frame 0.",
        Target(newest(FPGA, Column("frame0_age_s")), alias="age"),
        unit=unit_of(FPGA, "frame0_age_s"),
        span=5,
    )


def _data_left() -> Panel:
    panel = figures(
        "IERS data left",
        "Until the IERS data run out.",
        Target(newest(EOP, Column("data_days_left")), alias="data"),
        unit=unit_of(EOP, "data_days_left"),
        span=5,
    )
    return judged(panel, (None, BAD), (7.0, GREY), (30.0, GOOD))


def _table_left() -> Panel:
    panel = figures(
        "Table left",
        "Until the last entry of the table that the nodes have.",
        Target(newest(EOP, Column("days_left")), alias="table"),
        unit=unit_of(EOP, "days_left"),
        span=5,
    )
    return judged(panel, (None, BAD), (RUNS_OUT_DAYS, GOOD))


def _fpga_states() -> Panel:
    return timeline(
        FPGA_STATE,
        "Good, or degraded: it answers and can't be read or believed; or down; or none is configured.",
        _over_time(FPGA, Column("state"), alias="FPGA master"),
        span=12,
        height=4,
    ).mappings(words(FPGA_COLOURS))


def _fpga_errors() -> Panel:
    return timeline(
        "What was wrong with the FPGA master",
        "In the words of its service, while it was so.",
        _over_time(FPGA, Column("error")),
        span=12,
        height=4,
    ).mappings(nothing_if_empty())


def _frame0_over_time() -> Panel:
    return lines(
        "Frame 0 over time",
        "A step is another time base: data before and after it are not to be mixed.",
        _over_time(FPGA, Column("frame0_ns", _IN_MS), alias="frame 0"),
        unit=DatetimeISO,
    )


def _rollovers() -> Panel:
    return lines(
        "Rollovers corrected",
        "Periods of 1024 GPS weeks that were added to what the FPGA master said.",
        _over_time(FPGA, Column("rollovers")),
    ).decimals(0)


def _eop_states() -> Panel:
    return timeline(
        EOP_STATE,
        "Fresh; stale: the last run that succeeded is more than 25 h old; failed: the last run did; or never.",
        _over_time(EOP, Column("state"), alias="table"),
        span=12,
        height=4,
    ).mappings(words(EOP_COLOURS))


def _eop_errors() -> Panel:
    return timeline(
        "What was wrong with the table",
        "In the words of its service, while it was so.",
        _over_time(EOP, Column("error")),
        span=12,
        height=4,
    ).mappings(nothing_if_empty())


def _left() -> Panel:
    return lines(
        LEFT,
        "Until the last entry of the table that the nodes have.",
        _over_time(EOP, Column("days_left")),
        unit=unit_of(EOP, "days_left"),
    )


def _age() -> Panel:
    return lines(
        "Age of the table",
        "Since the last run that succeeded.",
        _over_time(EOP, Column("age_s")),
        unit=unit_of(EOP, "age_s"),
    )


def _targets() -> Panel:
    return lines(
        "Who has it",
        "Nodes that have the table, nodes that don't, for whatever reason, and the table's entries.",
        _over_time(EOP, Column("targets_ok"), Column("targets_other"), Column("entries")),
    ).decimals(0)


def _data() -> Panel:
    return lines(
        "IERS data",
        "Until the data run out, and since the last day that was measured.",
        _over_time(EOP, Column("data_days_left"), Column("data_age_days")),
        unit=unit_of(EOP, "data_days_left"),
    )


def _delta() -> Panel:
    return lines(
        "UT1 - UTC",
        "UT1 - UTC minus the leap seconds since frame 0, as nodes interpolate it now.",
        _over_time(EOP, Column("delta_ut1_inst_s")),
        unit=unit_of(EOP, "delta_ut1_inst_s"),
    ).decimals(6)


def _pole() -> Panel:
    return lines(
        "The pole",
        "Polar motion, as nodes interpolate it now.",
        _over_time(EOP, Column("xp_as"), Column("yp_as")),
        unit=unit_of(EOP, "xp_as"),
    ).decimals(6)
