"""The dashboards' names in addresses, and the links between them."""

from typing import Final

OVERVIEW: Final = "conche-overview"
GROUP: Final = "conche-group"
NODE: Final = "conche-node"
TIMING: Final = "conche-timing"
ITSELF: Final = "conche-itself"

_FIELD: Final = "${__field.labels.%s}"
_CELL: Final = "${__data.fields.%s}"


def node_of_series() -> str:
    """Return the address of the page of the node whose lane or line was clicked, with the time range kept."""
    return _node_page(_FIELD)


def node_of_row() -> str:
    """Return the address of the page of the node in the row that was clicked."""
    return _node_page(_CELL)


def group_of_series() -> str:
    """Return the address of the page of the group whose lane or line was clicked."""
    return _group_page(_FIELD)


def group_of_row() -> str:
    """Return the address of the page of the group in the row that was clicked."""
    return _group_page(_CELL)


def _node_page(value: str) -> str:
    return f"/d/{NODE}?var-group={value % 'group'}&var-node={value % 'node'}&${{__url_time_range}}"


def _group_page(value: str) -> str:
    return f"/d/{GROUP}?var-group={value % 'group'}&${{__url_time_range}}"
