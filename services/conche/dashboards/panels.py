"""The kinds of panels, each with its title, its words, and what all of its kind have alike."""

from collections.abc import Sequence
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.models.common import (
    AxisPlacement,
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    StackingMode,
    TableAutoCellOptions,
    TableCellHeight,
    TableColoredBackgroundCellOptions,
    TimelineValueAlignment,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    ValueMapping,
)
from grafana_foundation_sdk.models.units import (
    ArcSeconds,
    BytesIEC,
    DatetimeISO,
    Days,
    NoUnit,
    Seconds,
    Short,
)

from conche.contract import NodeState
from conche.contract.measurements import STATE_COLOURS, Measurement

from .colours import GREY, fixed, nothing_if_empty, steps
from .targets import SOURCE, Target

PanelT = TypeVar("PanelT", stat.Panel, statetimeline.Panel, table.Panel, timeseries.Panel)
Panel = stat.Panel | statetimeline.Panel | table.Panel | timeseries.Panel

NOW: Final = "5m"
"""What was told within this counts as now: a state is told again each minute, so one that is gone leaves soon."""

GAP_MS: Final = 180_000
"""Between figures that are nearer than this a line goes on: three times the refresh of a state [ms]."""

NO_DATA: Final = "nothing was told in this time"
_UNITS: Final = {"s": Seconds, "d": Days, "arcsec": ArcSeconds, "bytes": BytesIEC, None: Short}
_WORDY: Final = frozenset({"text", "reason", "error", "desired", "live", "revision"})
"""Columns that share what the others leave of a table's width."""

_REF_IDS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def unit_of(measurement: Measurement, field: str) -> str:
    """Return Grafana's name of a field's unit."""
    return _UNITS[measurement.field(field).unit]


def timeline(title: str, text: str, *targets: Target, span: int = 24, height: int = 8) -> statetimeline.Panel:
    """Return states over time, a lane each."""
    panel = _panel(statetimeline.Panel(), title, text, targets, span, height)
    return (
        panel.merge_values(True)
        .show_value(VisibilityMode.AUTO)
        .align_value(TimelineValueAlignment.LEFT)
        .row_height(0.9)
        .fill_opacity(90)
        .line_width(0)
        .span_nulls(GAP_MS)
        .color_scheme(fixed(GREY))
        .legend(_legend(shown=False))
        .tooltip(_tooltip())
    )


def lines(
    title: str, text: str, *targets: Target, unit: str = Short, span: int = 12, height: int = 8
) -> timeseries.Panel:
    """Return figures over time; between two that were told the first one holds."""
    panel = _panel(timeseries.Panel(), title, text, targets, span, height)
    return (
        panel.unit(unit)
        .draw_style(GraphDrawStyle.LINE)
        .line_interpolation(LineInterpolation.STEP_AFTER)
        .line_width(1)
        .fill_opacity(5)
        .show_points(VisibilityMode.NEVER)
        .span_nulls(GAP_MS)
        .axis_placement(AxisPlacement.AUTO)
        .color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .legend(_legend(shown=True))
        .tooltip(_tooltip())
    )


def points(
    title: str, text: str, *targets: Target, unit: str = Short, span: int = 12, height: int = 8
) -> timeseries.Panel:
    """Return things that happened, each a point."""
    panel = lines(title, text, *targets, unit=unit, span=span, height=height)
    return panel.draw_style(GraphDrawStyle.POINTS).show_points(VisibilityMode.ALWAYS).point_size(6)


def counts(title: str, text: str, *targets: Target, span: int = 12, height: int = 8) -> timeseries.Panel:
    """Return nodes in each state over time, one upon the other, in the colours of the states."""
    panel = lines(title, text, *targets, span=span, height=height).fill_opacity(80).line_width(0)
    panel = panel.stacking(options.StackingConfig().mode(StackingMode.NORMAL).group("nodes")).min(0)
    panel = panel.decimals(0).legend(_legend(shown=False))
    for state, colour in STATE_COLOURS.items():
        panel = panel.override_by_regexp(f"/^{state}/", [_colour(colour)])
    return panel


def state_figures(title: str, text: str, target: Target, *, span: int, height: int) -> stat.Panel:
    """Return how many nodes are in each state now."""
    panel = figures(title, text, target, span=span, height=height).decimals(0)
    for state in NodeState:
        panel = panel.override_by_name(state, [_colour(STATE_COLOURS[state])])
    return panel


def figures(
    title: str, text: str, *targets: Target, unit: str = NoUnit, span: int = 4, height: int = 4
) -> stat.Panel:
    """Return what is now, large; texts too."""
    panel = _panel(stat.Panel(), title, text, targets, span, height)
    return (
        panel.unit(unit)
        .time_from(NOW)
        .hide_time_override(True)
        .color_mode(BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(BigValueGraphMode.NONE)
        .color_scheme(fixed(GREY))
        .reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]).fields("/^(?!Time$)/"))
    )


def rows(
    title: str,
    text: str,
    query: str,
    columns: Sequence[str],
    *,
    hidden: Sequence[str] = (),
    span: int = 12,
    height: int = 8,
) -> table.Panel:
    """Return a table.

    Parameters
    ----------
    title, text
        As people read them.
    query
        For its rows.
    columns
        In this order, after the time.
    hidden
        Columns that the question needs and nobody does; ``Time`` is one.
    span, height
        On the grid.
    """
    places = {name: place for place, name in enumerate(["Time", *columns])}
    order = {"excludeByName": dict.fromkeys(hidden, True), "indexByName": places, "renameByName": {}}
    panel = _panel(table.Panel(), title, text, [Target(query, table=True)], span, height)
    panel = (
        panel.with_transformation(DataTransformerConfig("organize", options=order))
        .show_header(True)
        .cell_height(TableCellHeight.SM)
        .filterable(True)
        .cell_options(TableAutoCellOptions())
        .mappings(nothing_if_empty())
        .override_by_name("Time", [DynamicConfigValue("unit", DatetimeISO), _width(170)])
    )
    return _narrow(panel, [name for name in columns if name not in _WORDY])


def shown_as(panel: PanelT, column: str, *properties: DynamicConfigValue) -> PanelT:
    """Return a panel of which one column or series is shown in a way of its own."""
    return panel.override_by_name(column, list(properties))


def judged(panel: PanelT, *limits: tuple[float | None, str]) -> PanelT:
    """Return a panel whose colours follow its figures: each holds from a figure on, the first from below."""
    return panel.thresholds(steps(*limits)).color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))


def mapped(mappings: Sequence[ValueMapping]) -> DynamicConfigValue:
    """Return: with these words and colours."""
    return DynamicConfigValue("mappings", list(mappings))


def coloured() -> DynamicConfigValue:
    """Return: the table's cell in the colour of its word."""
    return DynamicConfigValue("custom.cellOptions", TableColoredBackgroundCellOptions())


def in_unit(unit: str) -> DynamicConfigValue:
    """Return: in a unit."""
    return DynamicConfigValue("unit", unit)


def linked(title: str, url: str) -> DynamicConfigValue:
    """Return: a click leads there."""
    return DynamicConfigValue("links", [{"title": title, "url": url}])


def _panel(panel: PanelT, title: str, text: str, targets: Sequence[Target], span: int, height: int) -> PanelT:
    panel = (
        panel.title(title).description(text).datasource(SOURCE).span(span).height(height).no_value(NO_DATA)
    )
    for ref_id, target in zip(_REF_IDS, targets, strict=False):
        panel = panel.with_target(Target(target.query, target.alias, target.table, ref_id))
    return panel


def _narrow(panel: table.Panel, columns: Sequence[str]) -> table.Panel:
    for name in columns:
        panel = panel.override_by_name(name, [_width(110)])
    return panel


def _legend(*, shown: bool) -> options.VizLegendOptions:
    legend = options.VizLegendOptions().display_mode(LegendDisplayMode.LIST)
    return legend.placement(LegendPlacement.BOTTOM).show_legend(shown).calcs([])


def _tooltip() -> options.VizTooltipOptions:
    return options.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)


def _colour(colour: str) -> DynamicConfigValue:
    return DynamicConfigValue("color", {"mode": FieldColorModeId.FIXED, "fixedColor": colour})


def _width(pixels: int) -> DynamicConfigValue:
    return DynamicConfigValue("custom.width", pixels)
