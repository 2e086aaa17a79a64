"""How much a template's operators, methods and filters may make: worked out before they make it.

Sizes are characters; an item of a list counts as `ITEM` of them. Where the size of a result is not known beforehand it
is taken to be the largest that it could be.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

MAX_TEXT: Final = 8 * 1024 * 1024
"""Characters that one value may have, or one template make; a guess, far above any real one."""

MAX_WIDTH: Final = 99_999
"""Width to which something is filled up, number of columns, digits; a guess."""

MAX_NUMBER_BITS: Final = 10_000
"""Size of an integer that a template may compute [bits]; a guess."""

ITEM: Final = 16
"""What an item of a list counts, and anything that is neither text nor a collection."""

_PRINTF_WIDTH: Final = re.compile(r"%[^a-zA-Z%]*\d{6}|%[^a-zA-Z%]*\*")
"""A format that makes a text of a million characters, or of as many as it is told."""

_FORMAT_WIDTH: Final = re.compile(r"\{[^{}]*:[^{}]*(?:\d{6}|\{)")
"""The same for `str.format`."""

_WITH_WIDTH: Final = frozenset(
    ("ljust", "rjust", "center", "zfill", "to_bytes", "batch", "slice", "round", "wordwrap", "expandtabs",
     "indent", "tojson")
)  # fmt: skip
"""Methods and filters that are told a width."""

_ON_ITEMS: Final = frozenset(
    ("list", "map", "select", "selectattr", "reject", "rejectattr", "batch", "slice", "unique", "sort", "min",
     "max", "sum", "groupby", "first", "last", "length", "count", "reverse", "items", "dictsort", "default",
     "d", "attr", "join")
)  # fmt: skip
"""Filters that don't make a text of what they are given, or whose items are looked at apart."""

_SLOW: Final = frozenset(
    ("pprint", "title", "urlize", "striptags", "wordcount", "wordwrap", "xmlattr", "tojson")
)
"""Filters that take so much longer for each character that it counts as an item."""

MAX_JSON_INDENT: Final = 100
"""Each line has it many times over."""

MAX_PRETTY: Final = 100_000
"""Characters that ``pprint`` takes: it fills each line up by how deep it is."""


class TooMuch(RuntimeError):
    """A template does more than any template of a config should."""


def size_of(value: Any) -> int:
    """Return the size of a value, without what is in its items."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, list | tuple | set | frozenset | dict):
        return ITEM * len(value)
    return 0


def printed_size(*values: Any) -> int:
    """Return about how long values are when they are printed; counts no further than what is too much."""
    total = 0
    left = list(values)
    while left and total <= MAX_TEXT:
        value = left.pop()
        total += len(value) if isinstance(value, str | bytes) else ITEM
        if isinstance(value, Mapping):
            left += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset):
            left += value
    return total


def check_size(size: int) -> int:
    """Return a size that is not too large.

    Raises
    ------
    TooMuch
        It is.
    """
    if size > MAX_TEXT:
        raise TooMuch(f"makes a value of more than {MAX_TEXT} characters, or {MAX_TEXT // ITEM} items")
    return size


# --- operators


def check_operator(operator: str, left: Any, right: Any) -> None:
    """Refuse what an operator would make too large.

    Raises
    ------
    TooMuch
        Says of what.
    """
    match operator:
        case "+":
            check_size(size_of(left) + size_of(right))
        case "*":
            _check_product(left, right)
        case "**" if isinstance(left, int) and isinstance(right, int):
            _check_bits(left.bit_length() * right)
        case "%" if isinstance(left, str | bytes):
            _check_printf(left, right)


def _check_product(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() + right.bit_length())
    elif max(_repeated(left, right), _repeated(right, left)) > MAX_TEXT:
        raise TooMuch(f"repeats something to more than {MAX_TEXT} characters, or {MAX_TEXT // ITEM} items")


def _repeated(items: Any, times: Any) -> int:
    return size_of(items) * times if isinstance(times, int) else 0


def _check_bits(bits: int) -> None:
    if bits > MAX_NUMBER_BITS:
        raise TooMuch(f"computes an integer of more than {MAX_NUMBER_BITS} bits")


def _check_printf(text: str | bytes, *values: Any) -> None:
    shown = text.decode("latin-1") if isinstance(text, bytes) else text
    if _PRINTF_WIDTH.search(shown):
        raise TooMuch(f"formats to more than {MAX_WIDTH} characters")
    check_size(len(shown) + shown.count("%") * printed_size(*values))


# --- methods


def check_method(owner: Any, name: str, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> int:
    """Refuse what a method would make too large; return by how much it would fill up what it belongs to.

    Raises
    ------
    TooMuch
        Says of what.
    """
    given = (*arguments, *named.values())
    if name in _WITH_WIDTH:
        _check_width(given)
    if isinstance(owner, str | bytes) and (known := _OF_TEXT.get(name)) is not None:
        check_size(known(owner, *given))
    elif isinstance(owner, list) and name == "extend" and given:
        return check_size(size_of(owner) + size_of(given[0])) - size_of(owner)
    return 0


def check_format(text: str, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Refuse what `str.format` would make too large.

    Raises
    ------
    TooMuch
        Says of what.
    """
    if _FORMAT_WIDTH.search(text):
        raise TooMuch(f"formats to more than {MAX_WIDTH} characters, or to as many as it is told")
    check_size(len(text) + text.count("{") * printed_size(*arguments, *named.values()))


def _check_width(given: tuple[Any, ...]) -> None:
    if any(isinstance(one, int) and abs(one) > MAX_WIDTH for one in given):
        raise TooMuch(f"fills something up to more than {MAX_WIDTH} characters or items")


def _replaced(text: Any, old: Any = "", new: Any = "", count: Any = None, *_: Any) -> int:
    found: int = text.count(old) if isinstance(old, type(text)) else 0
    if isinstance(count, int) and count >= 0:
        found = min(found, count)
    return size_of(text) + found * max(0, size_of(new) - size_of(old))


def _joined(separator: Any, items: Any = (), *_: Any) -> int:
    if not isinstance(items, list | tuple | set | frozenset | Mapping | str | bytes):
        return size_of(separator)
    own = len(items) if isinstance(items, str | bytes) else printed_size(*items)
    return size_of(separator) * len(items) + own


def _split(text: Any, separator: Any = None, *_: Any) -> int:
    parts = text.count(separator) + 1 if isinstance(separator, type(text)) and separator else len(text) // 2
    return max(size_of(text), ITEM * int(parts))


def _tabs_filled(text: Any, width: Any = 8, *_: Any) -> int:
    tabs: int = text.count("\t" if isinstance(text, str) else b"\t")
    return size_of(text) + tabs * (width if isinstance(width, int) else 0)


def _translated(text: Any, table: Any = None, *_: Any) -> int:
    longest = max(map(size_of, table.values()), default=1) if isinstance(table, Mapping) else 1
    return size_of(text) * max(1, longest)


_OF_TEXT: Final[dict[str, Callable[..., int]]] = {
    "replace": _replaced,
    "join": _joined,
    "split": _split,
    "rsplit": _split,
    "splitlines": lambda text, *_: _split(text, type(text)()),
    "expandtabs": _tabs_filled,
    "translate": _translated,
}


# --- filters


def check_filter(name: str, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Refuse what a filter would make too large.

    Raises
    ------
    TooMuch
        Says of what.
    """
    if not arguments:
        return
    value, *rest = arguments
    given = (*rest, *named.values())
    if name in _WITH_WIDTH:
        _check_width(given)
    if isinstance(value, str | bytes) and (
        name in _SLOW or name in _ON_ITEMS - {"length", "count", "d", "default"}
    ):
        check_size(ITEM * len(value))
    if name not in _ON_ITEMS:
        check_size(printed_size(value, *given))
    if (known := _FILTERS.get(name)) is not None:
        known(value, *rest, **named) if name == "replace" else known(value, *given)


def _check_json(_: Any, *given: Any) -> None:
    if any(isinstance(one, int) and one > MAX_JSON_INDENT for one in given):
        raise TooMuch(f"indents by more than {MAX_JSON_INDENT} characters")


def _check_pretty(value: Any, *_: Any) -> None:
    if printed_size(value) > MAX_PRETTY:
        raise TooMuch(f"pprint takes no more than {MAX_PRETTY} characters")


def _check_replace(s: Any, old: Any = "", new: Any = "", count: Any = None) -> None:
    check_size(_replaced(str(s), str(old), str(new), count))


def _check_indent(value: Any, *given: Any) -> None:
    wide = max((one if isinstance(one, int) else size_of(one) for one in given), default=4)
    text = str(value)
    check_size(len(text) + (len(text.splitlines()) + 1) * wide)


def _check_wrap(value: Any, *given: Any) -> None:
    text = str(value)
    ends = max((size_of(one) for one in given), default=1)
    width = min((one for one in given if type(one) is int and one > 0), default=1)
    check_size(len(text) + (len(text) // width + text.count("\n") + 1) * ends)


_FILTERS: Final[dict[str, Callable[..., None]]] = {
    "replace": _check_replace,
    "indent": _check_indent,
    "wordwrap": _check_wrap,
    "format": lambda value, *given: _check_printf(str(value), *given),
    "tojson": _check_json,
    "pprint": _check_pretty,
}
