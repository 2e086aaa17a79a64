"""All dashboards."""

from typing import Any

from .board import Board
from .group import group
from .itself import itself
from .node import node
from .overview import overview
from .timing import timing


def boards() -> list[Board]:
    """Return every dashboard, the one to begin with first."""
    return [overview(), group(), node(), timing(), itself()]


def documents() -> dict[str, dict[str, Any]]:
    """Return every dashboard as Grafana reads it, by its uid."""
    return {board.uid: board.document() for board in boards()}
