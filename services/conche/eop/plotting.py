"""A picture of UT1 and polar motion around a table; needs matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from .iers import Iers
from .marks import Mark
from .times import date_of, midnight

AROUND_DAYS: Final = 45
"""What is drawn on either side of the table [d]."""

_COLOURS: Final = {"ut1_utc_s": "tab:blue", "xp_as": "tab:orange", "yp_as": "tab:green"}


def plot(path: Path, *, iers: Iers, marks: Sequence[Mark]) -> None:
    """Draw UT1 - UTC and the pole, and write the picture; see `picture`.

    Parameters
    ----------
    path
        File to write; its ending says which format.
    iers, marks
        What is drawn.

    Raises
    ------
    OSError, ValueError
        The file can't be written, or its ending is not known.
    """
    picture(iers, marks=marks).savefig(path)


def picture(iers: Iers, *, marks: Sequence[Mark]) -> Figure:
    """Return a drawing of UT1 - UTC and the pole.

    Parameters
    ----------
    iers
        Data: a line, dashed where they are predictions.
    marks
        Entries of a table (n, at least one): points at their own values, hollow where these were predictions.
    """
    figure = Figure(figsize=(8, 6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    begin, end = marks[0].mjd - AROUND_DAYS, marks[-1].mjd + AROUND_DAYS
    shown = [mjd for mjd in range(begin, end + 1) if mjd in iers.days]
    for axes, names in ((upper, ["ut1_utc_s"]), (lower, ["xp_as", "yp_as"])):
        for name in names:
            _draw(axes, name, iers=iers, shown=shown, marks=marks)
    upper.set_ylabel("UT1 - UTC [s]")
    lower.set_ylabel("pole [arcsec]")
    lower.set_xlabel("UTC")
    lower.legend(loc="best")
    upper.set_title(title(iers), size=9)
    lower.tick_params(axis="x", labelrotation=30)
    return figure


def title(iers: Iers) -> str:
    """Return which data are drawn, and how far they were measured."""
    then = ", then predicted (dashed)" if iers.measured_to < iers.last else ""
    return f"{iers.source}\nmeasured to {date_of(iers.measured_to)}{then}"


def _draw(axes: Any, name: str, *, iers: Iers, shown: list[int], marks: Sequence[Mark]) -> None:
    colour, end = _COLOURS[name], iers.measured_to
    for days, style in (([d for d in shown if d <= end], "-"), ([d for d in shown if d >= end], "--")):
        axes.plot(
            [midnight(d) for d in days], [getattr(iers.days[d], name) for d in days], style, color=colour
        )
    label = name.removesuffix("_as")
    for predicted, face in ((False, colour), (True, "none")):
        some = [mark for mark in marks if mark.predicted is predicted]
        if not some:
            continue
        axes.plot(
            [midnight(mark.mjd) for mark in some],
            [getattr(mark, name) for mark in some],
            "o",
            color=colour,
            markerfacecolor=face,
            label=f"{label}, predicted" if predicted else label,
            markersize=4,
        )
