"""Pictures of dashboards, drawn by matplotlib where Grafana would put each panel, from the answers to its questions.

They show a reader what he will get; Grafana draws it in its own way.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from .grafana_looks import Panel, in_unit, look_of
from .grafana_queries import Asked, Choices, Series, Span, Value, answer, questions_of_panel

LABEL: Final = (
    "drawn with matplotlib from the dashboard's own queries, on a simulated cluster; Grafana looks different"
)
COLUMNS: Final = 24
INCHES_WIDE: Final = 13.0
INCHES_A_ROW: Final = 0.36
DOTS: Final = 85
COLOURS: Final = 128
LETTER_INCHES: Final = 0.055
"""Of a table's words, on average."""

LONG: Final = 20
"""A column that needs more letters than this may get fewer."""

LEGEND: Final = 8
"""Series that a legend names; of more it says how many there are."""

BACKGROUND, CARD, LINE, TEXT, FAINT = "#f4f5f5", "#ffffff", "#d8d9da", "#24292e", "#6b7280"
STYLE: Final = {
    "font.size": 7,
    "text.color": TEXT,
    "axes.edgecolor": LINE,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
}
GAP_MS: Final = 180_000
PALETTE: Final = ("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#37872d", "#1f60c4")


async def draw(
    database: Asked, dashboard: Mapping[str, Any], choices: Choices, span: Span, *, path: Path, rows: int
) -> None:
    """Draw a dashboard's upper part into a file.

    Parameters
    ----------
    database
        Who is asked.
    dashboard
        As its file has it.
    choices
        What is chosen above it.
    span
        The time range.
    path
        Of the picture.
    rows
        How far down: panels that begin lower, in rows of Grafana's grid, are left out.
    """
    panels = _down_to(dashboard, rows)
    tall = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in panels)
    inches = (tall + 2) * INCHES_A_ROW
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(INCHES_WIDE, inches), facecolor=BACKGROUND, dpi=DOTS)
        figure.text(0.008, 1 - 0.2 / inches, dashboard["title"], fontsize=11, weight="bold", va="center")
        figure.text(0.992, 0.12 / inches, LABEL, fontsize=7, color=FAINT, ha="right", va="center")
        for panel in panels:
            axes = _card(figure, panel, inches)
            questions = questions_of_panel(dashboard, panel, choices, span)
            series = [one for question in questions for one in await answer(database, question)]
            _DRAWN[panel["type"]](axes, panel, series, span)
        _save(figure, path)


def _down_to(dashboard: Mapping[str, Any], rows: int) -> list[Panel]:
    panels = [one for one in dashboard["panels"] if one["gridPos"]["y"] + one["gridPos"]["h"] <= rows]
    while panels[-1]["type"] == "row":  # a heading of what is left out
        panels.pop()
    return panels


def _save(figure: Figure, path: Path) -> None:
    """Write a small file: few colours are enough."""
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(path, optimize=True)


def _card(figure: Figure, panel: Panel, inches: float) -> Axes:
    """The place of a panel, with its title."""
    place = panel["gridPos"]
    left, width = place["x"] / COLUMNS, place["w"] / COLUMNS
    top = 1 - (place["y"] + 1.2) * INCHES_A_ROW / inches
    height = place["h"] * INCHES_A_ROW / inches
    pad_x, pad_y, head = 0.004, 0.03 / inches, 0.24 / inches
    if panel["type"] == "row":
        figure.text(left + 0.008, top - height / 2, panel["title"], fontsize=9, weight="bold", va="center")
        axes = figure.add_axes((left, top - height, width, height))
        axes.set_axis_off()
        return axes
    box = (left + pad_x, top - height + pad_y, width - 2 * pad_x, height - 2 * pad_y)
    card = Rectangle(
        (box[0], box[1]), box[2], box[3], facecolor=CARD, edgecolor=LINE, linewidth=0.8, zorder=-1
    )
    figure.add_artist(card)
    figure.text(
        box[0] + 0.005, box[1] + box[3] - head / 2, panel["title"], fontsize=8, weight="bold", va="center"
    )
    return figure.add_axes((box[0] + 0.004, box[1] + pad_y, box[2] - 0.008, box[3] - head - pad_y))


def _heading(_axes: Axes, _panel: Panel, _series: Sequence[Series], _span: Span) -> None:
    """Of a row of panels: its title is all."""


def _timeline(axes: Axes, panel: Panel, series: Sequence[Series], span: Span) -> None:
    """Lanes of states."""
    lanes = sorted(series, key=lambda one: one.name)
    _inset(axes, left=0.09 if panel["gridPos"]["w"] > 12 else 0.17, bottom=0.12 if len(lanes) > 4 else 0.22)
    for row, one in enumerate(lanes):
        look = look_of(panel, one.name)
        for begin, end, value in _stretches(one, span):
            words, colour = look.shown(value)
            if words:
                _lane_part(axes, row, (begin, end), words, colour or "#b4b8bd", span)
    axes.set_ylim(len(lanes) - 0.5, -0.5)
    axes.set_yticks(range(len(lanes)), [one.name for one in lanes], fontsize=6 if len(lanes) > 8 else 7)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    _time_axis(axes, span)


def _lane_part(axes: Axes, row: int, times: tuple[int, int], words: str, colour: str, span: Span) -> None:
    begin, end = (_day(ms) for ms in times)
    axes.barh(row, end - begin, left=begin, height=0.84, color=colour, linewidth=0)
    share = (times[1] - times[0]) / (span.to_ms - span.from_ms)
    letters = int(share * axes.get_position().width * INCHES_WIDE / 0.05)
    if letters >= len(words) or letters > 12:
        axes.text(begin, row, f" {words[:letters]}", fontsize=5.5, color="white", va="center", clip_on=True)


def _stretches(series: Series, span: Span) -> Iterator[tuple[int, int, Value]]:
    """Each value with when it began and ended; nothing where nothing was told for longer than panels go on."""
    told = [
        (at, value) for at, value in zip(series.times_ms, series.values, strict=True) if value is not None
    ]
    nexts = [at for at, _ in told[1:]] + [span.to_ms]
    open_from: int | None = None
    for (at, value), after, following in zip(told, nexts, [*told[1:], None], strict=True):
        open_from = at if open_from is None else open_from
        if following is None or following[1] != value or after - at >= GAP_MS:
            yield max(open_from, span.from_ms), min(after, at + GAP_MS), value
            open_from = None


def _lines(axes: Axes, panel: Panel, series: Sequence[Series], span: Span) -> None:
    """Figures over time: lines, points, or areas one upon the other."""
    unit = panel["fieldConfig"]["defaults"].get("unit", "")
    _inset(axes, left=0.2 if unit == "dateTimeAsIso" else 0.11, bottom=0.22)
    custom = panel["fieldConfig"]["defaults"]["custom"]
    if custom.get("stacking", {}).get("mode") == "normal":
        _stacked(axes, panel, series)
    else:
        points = custom["drawStyle"] == "points"
        for colour, one in zip(PALETTE * (1 + len(series) // len(PALETTE)), series, strict=False):
            known = [(_day(at), v) for at, v in zip(one.times_ms, one.values, strict=True) if v is not None]
            style: dict[str, Any] = (
                {"marker": "o", "ls": "", "ms": 4} if points else {"ds": "steps-post", "lw": 1.1}
            )
            axes.plot([x for x, _ in known], [y for _, y in known], color=colour, label=one.name, **style)
        _legend(axes, len(series))
    axes.yaxis.set_major_formatter(lambda value, _: in_unit(value, unit))
    axes.grid(axis="y", color=LINE, lw=0.4)
    axes.spines[["top", "right"]].set_visible(False)
    if 0 <= axes.get_ylim()[1] < 1 and unit == "short":
        axes.set_ylim(-0.05, 1.05)
    _time_axis(axes, span)


def _legend(axes: Axes, count: int) -> None:
    lines, names = axes.get_legend_handles_labels()
    if count > LEGEND:
        names[LEGEND - 1] = f"and {count - LEGEND + 1} more"
    if count:
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.1)}
        axes.legend(lines[:LEGEND], names[:LEGEND], ncols=4, fontsize=6, frameon=False, **place)


def _stacked(axes: Axes, panel: Panel, series: Sequence[Series]) -> None:
    order = sorted(series, key=lambda one: one.column)
    base = [0.0] * (len(order[0].values) if order else 0)
    for one in order:
        times = [_day(at) for at in one.times_ms]
        upper = [low + float(value or 0) for low, value in zip(base, one.values, strict=True)]
        axes.fill_between(times, base, upper, step="post", color=look_of(panel, one.name).colour, lw=0)
        base = upper


def _figures(axes: Axes, panel: Panel, series: Sequence[Series], _span: Span) -> None:
    """Large figures, each on its colour."""
    axes.set_axis_off()
    for place, one in enumerate(series):
        look = look_of(panel, one.name)
        known = [value for value in one.values if value is not None]
        words, colour = look.shown(known[-1]) if known else ("", None)
        width = 1 / len(series)
        box = Rectangle(
            (place * width + 0.006, 0.02),
            width - 0.012,
            0.94,
            facecolor=colour or FAINT,
            transform=axes.transAxes,
        )
        axes.add_patch(box)
        middle = (place + 0.5) * width
        large = 18 if len(words) < 12 else 13
        if len(series) > 1:
            axes.text(
                middle,
                0.78,
                one.name,
                fontsize=8,
                color="white",
                ha="center",
                va="center",
                transform=axes.transAxes,
            )
        axes.text(
            middle,
            0.42,
            words,
            fontsize=large,
            weight="bold",
            color="white",
            ha="center",
            va="center",
            transform=axes.transAxes,
        )


def _rows(axes: Axes, panel: Panel, series: Sequence[Series], _span: Span) -> None:
    """A table: as many rows as there is room for."""
    axes.set_axis_off()
    columns = _columns(panel)
    found = list(_table(series))
    if not found:
        axes.text(
            0.5, 0.5, panel["fieldConfig"]["defaults"]["noValue"], color=FAINT, ha="center", va="center"
        )
        return
    room = int(panel["gridPos"]["h"] * 1.4) - 1
    found = found[: room - 1]
    wide = _widths(columns, panel, found)
    edges = [sum(wide[:place]) / sum(wide) for place in range(len(wide) + 1)]
    letters = panel["gridPos"]["w"] / COLUMNS * INCHES_WIDE / LETTER_INCHES
    for row, cells in enumerate([dict.fromkeys(columns), *found]):
        y = 1 - (row + 0.5) / room
        for column, left, right in zip(columns, edges, edges[1:], strict=False):
            words, colour = (column, None) if row == 0 else look_of(panel, column).shown(cells.get(column))
            fits = words[: max(1, int((right - left) * letters) - 1)]
            style = {"color": colour or TEXT, "weight": "bold" if colour or row == 0 else "normal"}
            axes.text(left, y, f" {fits}", fontsize=6.5, va="center", transform=axes.transAxes, **style)
        axes.plot([0, 1], [y - 0.5 / room] * 2, color=LINE, lw=0.4, transform=axes.transAxes)


def _columns(panel: Panel) -> list[str]:
    [organize] = [one["options"] for one in panel["transformations"]]
    places = organize["indexByName"]
    return [name for name in sorted(places, key=places.__getitem__) if name not in organize["excludeByName"]]


def _table(series: Sequence[Series]) -> Iterator[dict[str, Value]]:
    """The rows of an answer, each with its time and its tags."""
    parts: dict[tuple[tuple[str, str], ...], list[Series]] = {}
    for one in series:
        parts.setdefault(tuple(one.tags.items()), []).append(one)
    for tags, columns in parts.items():
        for row, at in enumerate(columns[0].times_ms):
            clock = datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M:%S")
            yield {"Time": clock, **dict(tags), **{one.column: one.values[row] for one in columns}}


def _widths(columns: Sequence[str], panel: Panel, rows: Sequence[Mapping[str, Value]]) -> list[float]:
    """Letters for each column: short ones get what they need, long ones share the rest."""
    looks = {column: look_of(panel, column) for column in columns}
    needed = {
        column: 3 + max(len(column), *(len(look.shown(row.get(column))[0]) for row in rows))
        for column, look in looks.items()
    }
    long = [column for column in columns if needed[column] > LONG]
    room = panel["gridPos"]["w"] / COLUMNS * INCHES_WIDE / LETTER_INCHES
    rest = room - sum(needed[column] for column in columns if column not in long)
    share = rest / max(1, sum(needed[column] for column in long))
    return [
        needed[column] * min(1.0, share) if column in long else float(needed[column]) for column in columns
    ]


def _inset(axes: Axes, *, left: float, bottom: float) -> None:
    """Room for the labels of the axes within the panel."""
    box = axes.get_position()
    axes.set_position(
        (
            box.x0 + left * box.width,
            box.y0 + bottom * box.height,
            (1 - left - 0.01) * box.width,
            (1 - bottom - 0.03) * box.height,
        )
    )


def _time_axis(axes: Axes, span: Span) -> None:
    axes.set_xlim(_day(span.from_ms), _day(span.to_ms))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M:%S", tz=UTC))
    axes.tick_params(axis="x", labelsize=6)


def _day(ms: int) -> float:
    return float(date2num(datetime.fromtimestamp(ms / 1000, UTC)))


_DRAWN: Final = {
    "row": _heading,
    "stat": _figures,
    "state-timeline": _timeline,
    "table": _rows,
    "timeseries": _lines,
}
