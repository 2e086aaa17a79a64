"""A dashboard put together: its variables, annotations and links, and the numbers of its panels."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardLink,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableRefresh,
    VariableSort,
)

from conche.contract.measurements import COMMAND, HAPPENING, NODE, PUSH, Measurement

from .colours import BUSY, FAILED, GREY
from .panels import Panel
from .queries import Where, chosen, last_rows, values_of
from .targets import SOURCE, Marks

TAG: Final = "conche"
"""Of every dashboard: the links above each lead to all that have it."""

MARKS: Final = 200
"""Annotations of one kind that are drawn at most; the latest. A guess."""

EVERY: Final = ".*"
"""What All stands for: a list of a thousand names would be slow to match."""


@dataclass(frozen=True, slots=True)
class Section:
    """Panels under a heading.

    Parameters
    ----------
    heading
        None for those at the top.
    panels
        From left to right and down; each line's spans make 24.
    """

    heading: str | None
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard.

    Parameters
    ----------
    uid
        Its name in addresses, and of its file.
    title
        As people read it.
    text
        What it is for.
    sections
        Its panels.
    variables
        What can be chosen above it.
    annotations
        What is marked in its pictures.
    """

    uid: str
    title: str
    text: str
    sections: Sequence[Section]
    variables: Sequence[QueryVariable] = ()
    annotations: Sequence[AnnotationQuery] = ()

    def document(self) -> dict[str, Any]:
        """Return it as Grafana reads it."""
        board = (
            Dashboard(self.title)
            .uid(self.uid)
            .description(self.text)
            .tags([TAG])
            .timezone("utc")
            .refresh("10s")
            .time("now-6h", "now")
            .tooltip(DashboardCursorSync.CROSSHAIR)
            .readonly()
            .variables(list(self.variables))
            .annotations(list(self.annotations))
            .link(_all_dashboards())
        )
        for section in self.sections:
            if section.heading is not None:
                board = board.with_row(Row(section.heading))
            for panel in section.panels:
                board = board.with_panel(panel)
        document: dict[str, Any] = json.loads(json.dumps(board.build(), cls=JSONEncoder))
        return _in_order(document)


def panel_number(document: Mapping[str, Any], title: str) -> int:
    """Return the number of a panel.

    Raises
    ------
    KeyError
        There is none of this title.
    """
    for panel in document["panels"]:
        if panel["type"] != "row" and panel["title"] == title:
            return int(panel["id"])
    raise KeyError(f"{document['uid']} has no panel {title}")


def choice(
    tag: str,
    *,
    label: str,
    measurement: Measurement = NODE,
    among: Sequence[Where] = (),
    several: bool = True,
    every: bool = True,
) -> QueryVariable:
    """Return the variable of a tag: the values that there are, of which one can be chosen.

    Parameters
    ----------
    tag
        Its name, and the variable's.
    label
        As people read it.
    measurement
        That has the tag.
    among
        Values of these series only.
    several, every
        Whether several can be chosen, and then all at once.
    """
    variable = (
        QueryVariable(tag)
        .label(label)
        .datasource(SOURCE)
        .query(values_of(measurement, tag, where=among))
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.NATURAL_ASC)
        .multi(several)
        .include_all(several and every)
    )
    return variable.all_value(EVERY) if several and every else variable


def commands_marked(*where: Where) -> AnnotationQuery:
    """Return the annotation of commands that were answered."""
    tags = ("user", "action", "group")
    return _marked("Commands", BUSY, COMMAND, tags, where, shown=True)


def pushes_marked(*where: Where, shown: bool = True) -> AnnotationQuery:
    """Return the annotation of pushes."""
    return _marked("Pushes", FAILED, PUSH, ("kind", "group", "node"), where, shown=shown)


def happenings_marked(*where: Where, shown: bool = True) -> AnnotationQuery:
    """Return the annotation of what services told."""
    return _marked("Events", GREY, HAPPENING, ("service", "kind", "group"), where, shown=shown)


def _marked(
    name: str,
    colour: str,
    measurement: Measurement,
    tags: tuple[str, ...],
    where: Sequence[Where],
    *,
    shown: bool,
) -> AnnotationQuery:
    text = measurement.field("text").name
    query = last_rows(measurement, text, *tags, where=where, limit=MARKS)
    marks = Marks(name, query, text, tags)
    return AnnotationQuery().name(name).datasource(SOURCE).enable(shown).icon_color(colour).target(marks)


def of_chosen_groups() -> Where:
    """Return the condition that it is of a chosen group."""
    return chosen("group")


def _all_dashboards() -> DashboardLink:
    link = DashboardLink("conche").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.include_vars(True).keep_time(True).as_dropdown(False)


def _in_order(document: dict[str, Any]) -> dict[str, Any]:
    """Give the panels numbers, and leave out what the SDK writes and Grafana's types don't have any more."""
    for number, panel in enumerate(document["panels"], start=1):
        panel["id"] = number
        panel.get("options", {}).pop("footer", None)
    for variable in document["templating"]["list"]:
        for gone in [key for key in variable if key.startswith("auto")]:
            del variable[gone]
    return document
