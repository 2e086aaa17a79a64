"""JSON values as kotekan tells them apart, and the way there from what YAML gives."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

JSON_INTEGER_RANGE: Final = range(-(2**63), 2**64)
"""Integers that kotekan's JSON library keeps exact; beyond it they become floats."""

MAX_VALUES: Final = 2_000_000
"""Values in one config; a guess, far above any real one: YAML aliases can multiply a few lines without end."""

MAX_DEPTH: Final = 200
"""Nesting of one config; a guess, far above any real one."""

MAX_SHOWN: Final = 100
"""Characters of a value that an error shows; the rest is cut."""


class ConfigInvalid(ValueError):
    """A config that kotekan could not carry, with the key at fault in words."""


def kind(value: object) -> str:
    """Return the name of a value's JSON kind, with integer and float apart as in kotekan."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "float"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return type(value).__name__


def at(path: str, key: str | int) -> str:
    """Return the path of a member: ``a/b`` in an object, ``a[3]`` in a list."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}/{key}" if path else key


@dataclass
class _Walk:
    warnings: list[str] = field(default_factory=list)
    count: int = 0


def to_json(value: object) -> tuple[dict[str, Any], list[str]]:
    """Make the JSON object out of a config that YAML gave.

    Parameters
    ----------
    value
        What the YAML parser returned for the whole document.

    Returns
    -------
    config : dict
        Of JSON's own kinds only, with keys of text.
    warnings : list of str
        Keys that were not text and became what JSON makes of them.

    Raises
    ------
    ConfigInvalid
        The document is not a mapping, or holds a value that JSON or kotekan can't carry; names the key.
    """
    if not isinstance(value, Mapping):
        raise ConfigInvalid(f"is {_article(kind(value))}, not a mapping of keys to values")
    walk = _Walk()
    config = _object(value, "", walk, 0)
    return config, walk.warnings


def _article(name: str) -> str:
    return "empty" if name == "null" else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _convert(value: object, path: str, walk: _Walk, depth: int) -> Any:
    walk.count += 1
    if walk.count > MAX_VALUES or depth > MAX_DEPTH:
        raise ConfigInvalid(f"{path}: too large or nested too deeply (a YAML alias that contains itself?)")
    if isinstance(value, Mapping):
        return _object(value, path, walk, depth)
    if isinstance(value, list):
        return [_convert(item, at(path, i), walk, depth + 1) for i, item in enumerate(value)]
    return _scalar(value, path)


def _scalar(value: object, path: str) -> Any:
    match value:
        case None | bool():
            return value
        case int():
            if value not in JSON_INTEGER_RANGE:
                raise ConfigInvalid(f"{path}: the integer {_shown(value)} needs more than 64 bits")
            return value
        case float():
            if not math.isfinite(value):
                raise ConfigInvalid(f"{path}: {value} is not a number that JSON can carry")
            return value
        case str():
            return _text(value, path)
        case _:
            raise ConfigInvalid(
                f"{path}: {_shown(value)} is {_article(type(value).__name__)}, which JSON can't carry: put it in "
                "quotes"
            )


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigInvalid(f"{path or 'top level'}: {_shown(value)} is not valid Unicode text") from None
    return value


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python prints no integer of more than 4,300 decimal digits
        text = hex(value) if isinstance(value, int) else f"what holds a very long integer, {type(value)},"
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def _object(value: Mapping[Any, Any], path: str, walk: _Walk, depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in value.items():
        name = _key(key, path, walk)
        if name in result:
            raise ConfigInvalid(f"{at(path, name)}: two keys become the same text {name!r}")
        result[name] = _convert(item, at(path, name), walk, depth + 1)
    return result


def _key(key: object, path: str, walk: _Walk) -> str:
    if isinstance(key, str):
        return _text(key, path)
    name = _json_key(key)
    if name is None:
        raise ConfigInvalid(f"{path or 'top level'}: the key {_shown(key)} is not text: put it in quotes")
    walk.warnings.append(f"{at(path, name)}: the key {key!r} is not text and becomes {name!r}")
    return name


def _json_key(key: object) -> str | None:
    """Return what JSON makes of a key that is not text, or None if it makes nothing of it."""
    if not isinstance(key, bool | int | float | None):
        return None
    try:
        return json.dumps(key)
    except ValueError:  # an integer of more than 4,300 digits
        return None


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of everything in a JSON value that has no members."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, at(path, key))
    elif isinstance(value, list) and value:
        for i, item in enumerate(value):
            yield from leaves(item, at(path, i))
    else:
        yield path, value
