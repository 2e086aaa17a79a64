"""Values of an updatable block, completed by what is desired of it now."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import to_builtins
from msgspec.json import encode

from conche.kotekan.blocks import updatable_blocks, values

from .errors import ValuesIncomplete
from .words import natural

NAMED_NODES: Final = 3
NEAR: Final = 0.5
"""How alike a name has to be to be suggested; a guess."""


def completed(
    given: Mapping[str, Any], endpoint: str, configs: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return the values of a whole block: those that are given, and of the other keys what is desired now.

    Parameters
    ----------
    given
        New values by key.
    endpoint
        Path of the block, such as ``gains/coeffs``.
    configs
        Desired configs by ``group/node``; those without such a block don't count.

    Raises
    ------
    ValuesIncomplete
        Nobody has such a block, none of the keys are known, or nodes differ in a key that is not given.
    """
    found = {key: updatable_blocks(config) for key, config in configs.items()}
    blocks = {key: values(one[endpoint]) for key, one in found.items() if endpoint in one}
    if not blocks:
        raise ValuesIncomplete(_no_block(endpoint, configs, {name for one in found.values() for name in one}))
    known = {name for block in blocks.values() for name in block}
    for name in given:
        if name not in known:
            raise ValuesIncomplete(f"{endpoint} has no key {name!r}{_instead(name, known)}")
    left_out = {name: None for block in blocks.values() for name in block if name not in given}
    return {**to_builtins(given), **{name: _common(name, endpoint, blocks) for name in left_out}}


def _common(name: str, endpoint: str, blocks: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return the value that is desired of all."""
    wanted: dict[bytes, list[str]] = {}
    for key, block in blocks.items():
        wanted.setdefault(encode(block[name]) if name in block else b"nothing", []).append(key)
    if len(wanted) == 1 and b"nothing" not in wanted:
        return next(iter(blocks.values()))[name]
    sides = [f"{_some(keys)} {_short(value)}" for value, keys in list(wanted.items())[:NAMED_NODES]]
    more = ", …" if len(wanted) > len(sides) else ""
    raise ValuesIncomplete(
        f"{endpoint}: {name} is not given, and the nodes differ in it: {', '.join(sides)}{more}; "
        f"give {name} too, or set these nodes one by one"
    )


def _no_block(endpoint: str, configs: Iterable[str], there: set[str]) -> str:
    whom = _some(list(configs))
    if not whom:
        return "none of these nodes has a desired config: conche status says why"
    return f"{whom}: there is no updatable block {endpoint!r}{_instead(endpoint, there)}"


def _instead(name: str, there: Iterable[str]) -> str:
    names = sorted(there, key=natural)
    near = difflib.get_close_matches(name, names, n=NAMED_NODES, cutoff=NEAR)
    if near:
        return f"; did you mean {', '.join(near)}?"
    return f"; there are {', '.join(names[:10])}" if names else "; there are none"


def _some(keys: list[str]) -> str:
    names = sorted(keys, key=natural)
    more = f" and {len(names) - NAMED_NODES} more" if len(names) > NAMED_NODES else ""
    return f"{', '.join(names[:NAMED_NODES])}{more}"


def _short(value: bytes) -> str:
    words = value.decode()
    return words if len(words) <= 30 else f"{words[:29]}…"
