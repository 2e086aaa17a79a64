"""Updatable blocks: the parts of a config that kotekan can change while it runs."""

import re
from collections.abc import Iterator
from typing import Any, Final

from .values import ConfigInvalid, at, kind

MARKER: Final = "kotekan_update_endpoint"
"""Key that makes a mapping an updatable block."""

MARKER_VALUE: Final = "json"
"""The one value of the marker that kotekan accepts; any other ends in a 400 and the process's death."""

RESERVED_TOP_LEVEL: Final = frozenset({"start", "baseband"})
"""kotekan's own POST endpoints: a top-level updatable block of that name replaces them."""

_ADDRESSABLE: Final = re.compile(r"[A-Za-z0-9._!$&'()*+,;=:@%-]+")
"""What a block's name may hold: the path is looked up raw, never percent-decoded, and as a JSON pointer."""


def updatable_blocks(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the updatable blocks of a config by endpoint.

    A block inside a list or inside another block is none, and a marker at the root is ignored, as in kotekan.

    Parameters
    ----------
    config
        A whole kotekan config.

    Returns
    -------
    dict
        Endpoint (path of the block joined by ``/``, without a leading one) to block, marker included.
    """
    return {"/".join(path): block for path, block in _blocks(config, ())}


def _blocks(node: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    for key, value in node.items():
        if isinstance(value, dict):
            if MARKER in value:
                yield (*path, key), value
            else:
                yield from _blocks(value, (*path, key))


def values(block: dict[str, Any]) -> dict[str, Any]:
    """Return a block without its marker: what is posted to its endpoint."""
    return {key: value for key, value in block.items() if key != MARKER}


def blank(config: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a config in which each value of an updatable block is the name of its JSON kind.

    What differs between two of these can't be changed without a restart.
    """

    def copy(node: dict[str, Any], *, root: bool) -> dict[str, Any]:
        if MARKER in node and not root:
            return {key: value if key == MARKER else kind(value) for key, value in node.items()}
        return {
            key: copy(value, root=False) if isinstance(value, dict) else value for key, value in node.items()
        }

    return copy(config, root=True)


def check_blocks(config: dict[str, Any]) -> None:
    """Refuse updatable blocks that kotekan could never update, or would die of.

    Raises
    ------
    ConfigInvalid
        Names the key and the remedy.
    """
    for path, block in _blocks(config, ()):
        where = "/".join(path)
        for name in path:
            if not _ADDRESSABLE.fullmatch(name):
                raise ConfigInvalid(
                    f"{where}: kotekan can't address an updatable block under the name {name!r}; use letters, "
                    "digits, '_', '-' and '.'"
                )
        if len(path) == 1 and path[0] in RESERVED_TOP_LEVEL:
            raise ConfigInvalid(
                f"{where}: an updatable block of this name replaces kotekan's own /{path[0]}; rename it"
            )
        if block[MARKER] != MARKER_VALUE:
            raise ConfigInvalid(f'{at(where, MARKER)}: must be "{MARKER_VALUE}", is {block[MARKER]!r}')
        for key in block:
            if "/" in key or "~" in key:
                raise ConfigInvalid(
                    f"{where}: the key {key!r} holds '/' or '~', of which an update kills kotekan; rename it"
                )
