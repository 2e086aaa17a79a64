"""A picture of UT1 and polar motion around a table; needs matplotlib."""

from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from .iers import Iers
from .table import TableImpossible
from .times import date_of, midnight

AROUND_DAYS: Final = 45
"""What is drawn on either side of the table [d]."""

_COLOURS: Final = {"ut1_utc_s": "tab:blue", "xp_as": "tab:orange", "yp_as": "tab:green"}


def plot(path: Path, *, iers: Iers, days: range) -> None:
    """Draw UT1 - UTC and the pole; the entries of a table are marked, predictions dashed.

    Parameters
    ----------
    path
        File to write; its ending says which format.
    iers
        Data.
    days
        Midnights of the table [MJD].

    Raises
    ------
    TableImpossible
        The data don't reach these days.
    OSError, ValueError
        The file can't be written, or its ending is not known.
    """
    if days[0] not in iers.days or days[-1] not in iers.days:
        reach = f"{date_of(iers.first)} to {date_of(iers.last)}"
        raise TableImpossible(f"{iers.source} reaches from {reach}, and not to {date_of(days[-1])}")
    figure = Figure(figsize=(8, 6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    shown = [d for d in range(days[0] - AROUND_DAYS, days[-1] + AROUND_DAYS + 1) if d in iers.days]
    for axes, names in ((upper, ["ut1_utc_s"]), (lower, ["xp_as", "yp_as"])):
        for name in names:
            _draw(axes, name, iers=iers, shown=shown, days=days)
    upper.set_ylabel("UT1 - UTC [s]")
    lower.set_ylabel("pole [arcsec]")
    lower.set_xlabel("UTC")
    lower.legend(loc="best")
    upper.set_title(
        f"{iers.source}\nmeasured to {date_of(iers.measured_to)}, then predicted (dashed)", size=9
    )
    lower.tick_params(axis="x", labelrotation=30)
    figure.savefig(path)


def _draw(axes: Any, name: str, *, iers: Iers, shown: list[int], days: range) -> None:
    colour, end = _COLOURS[name], iers.measured_to
    parts = (([d for d in shown if d <= end], "-"), ([d for d in shown if d >= end], "--"))
    for part, style in parts:
        axes.plot(*_points(iers, name, part), style, color=colour)
    label = name.removesuffix("_as")
    axes.plot(*_points(iers, name, list(days)), "o", color=colour, label=label, markersize=4)


def _points(iers: Iers, name: str, days: list[int]) -> tuple[list[Any], list[float]]:
    return [midnight(d) for d in days], [getattr(iers.days[d], name) for d in days]
