"""Stored values of updatable blocks, and their way into the rendered config."""

import json
import math
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from msgspec.json import decode, encode

from conche.kotekan.blocks import MARKER, updatable_blocks
from conche.kotekan.values import ConfigInvalid, at, kind, to_json

from .problems import Problem, ProblemError
from .yamltext import YamlInvalid, load

REMEMBERED: Final = 100
"""Merged configs that are kept; a guess: 10 MB of the largest usual ones."""

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s",:\[\]{}]+')
"""Text, or anything that is neither text nor punctuation."""


class MergeInvalid(ValueError):
    """A stored value does not fit its block.

    Parameters
    ----------
    key
        Path of the value at fault.
    words
        What is wrong and what would be right.
    """

    def __init__(self, key: str, words: str) -> None:
        super().__init__(f"{key}: {words}")
        self.key = key
        self.words = words


class _Twice(ValueError):
    """A key stands twice in one JSON object."""


class _NoNumber(ValueError):
    """A number that JSON does not have."""


def parse_stored(text: str, *, file: str) -> dict[str, Any]:
    """Parse the stored values of one node.

    Parameters
    ----------
    text
        A JSON object ``{endpoint: {key: value}}``.
    file
        Where it stands, for the errors.

    Raises
    ------
    ProblemError
        Names file, line and key.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite)
        stored, _ = to_json(value)
        return stored
    except json.JSONDecodeError as error:
        problem = Problem(file, f"not JSON: {error.msg}", line=error.lineno)
    except _Twice as error:
        words = "stands twice in one object; keep one"
        problem = Problem(file, words, line=_line_of_duplicate(text, str(error)), key=str(error))
    except _NoNumber as error:
        words = f"{error} is not a number that JSON can carry"
        problem = Problem(file, words, line=_line_of(text, str(error)))
    except (ConfigInvalid, RecursionError, ValueError) as error:
        problem = Problem(file, str(error))
    raise ProblemError(problem)


def merge(config: dict[str, Any], stored: dict[str, Any]) -> list[str]:
    """Put stored values into the updatable blocks of a config, key by key.

    Parameters
    ----------
    config
        Is changed in place.
    stored
        Endpoint to key to value.

    Returns
    -------
    list of str
        Stored endpoints that the config lacks; they are left out.

    Raises
    ------
    MergeInvalid
        A key that the block lacks, or a value of another kind; the config is then half changed and of no use.
    """
    blocks = updatable_blocks(config)
    for endpoint, values in stored.items():
        if not isinstance(values, dict):
            raise MergeInvalid(endpoint, f"must be an object of keys and values, is {_a(kind(values))}")
        if endpoint in blocks:
            _merge_block(blocks[endpoint], values, endpoint)
    return [endpoint for endpoint in stored if endpoint not in blocks]


@dataclass(frozen=True, slots=True)
class Merged:
    """A config with stored values.

    Parameters
    ----------
    config
        As JSON.
    left_out
        Stored endpoints that it lacks.
    """

    config: bytes
    left_out: tuple[str, ...]


class MergedConfigs:
    """Merges, and remembers what it has merged last: many nodes have the same of both."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[bytes, str], Merged] = OrderedDict()

    def of(self, config: bytes, stored: str, *, file: str) -> Merged:
        """Return a config with stored values.

        Parameters
        ----------
        config
            As JSON.
        stored
            The stored values as they are written.
        file
            Where they stand, for the errors.

        Raises
        ------
        ProblemError
            The stored values can't be understood.
        MergeInvalid
            They don't fit.
        """
        key = (config, stored)
        if key not in self._known:
            whole = decode(config)
            left_out = merge(whole, parse_stored(stored, file=file))
            self._known[key] = Merged(encode(whole), tuple(left_out))
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]


def complete_block(block: dict[str, Any], values: dict[str, Any], endpoint: str) -> dict[str, Any]:
    """Return new values for a whole updatable block, as it takes them.

    Parameters
    ----------
    block
        As it is in the base config, marker included.
    values
        Of all of its keys; the marker may be left out. A whole number is made a float where the block has one.
    endpoint
        Of the block, for the errors.

    Raises
    ------
    MergeInvalid
        A key that the block lacks, or has and is not given, or a value of another kind.
    """
    missing = [key for key in block if key != MARKER and key not in values]
    if missing:
        raise MergeInvalid(
            endpoint, f"{', '.join(missing)} is missing: all keys of the block are to be given"
        )
    result = dict(block)
    _merge_block(result, values, endpoint)
    return {key: value for key, value in result.items() if key != MARKER}


def _merge_block(block: dict[str, Any], values: dict[str, Any], endpoint: str) -> None:
    for key, value in values.items():
        if key not in block:
            known = ", ".join(name for name in block if name != MARKER) or "none"
            raise MergeInvalid(at(endpoint, key), f"its block has no such key; there are {known}")
        if key == MARKER and value != block[key]:
            raise MergeInvalid(at(endpoint, key), "is the block's marker and can't be changed; remove it")
        block[key] = _fitting(block[key], value, at(endpoint, key))


def _fitting(current: Any, value: Any, path: str) -> Any:
    """Return a value as the block takes it: of the kind of what stands there, or the whole number of a float."""
    wanted, given = kind(current), kind(value)
    if (wanted, given) == ("float", "integer"):
        return float(value)
    if wanted != given:
        raise MergeInvalid(
            path, f"is {_a(given)}, the base config has {_a(wanted)} there; store the same kind"
        )
    if wanted == "array" and current and all(kind(item) == "float" for item in current):
        return [float(item) if kind(item) == "integer" else item for item in value]
    return value


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Twice(key)
            seen.add(key)
    return result


def _no_number(text: str) -> float:
    raise _NoNumber(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _NoNumber(text)
    return value


def _line_of(text: str, token: str) -> int | None:
    """Return the line of the first token of a JSON text that reads so, from 1."""
    for found in _TOKEN.finditer(text):
        if found.group() == token:
            return text.count("\n", 0, found.start()) + 1
    return None


def _line_of_duplicate(text: str, key: str) -> int | None:
    """Return the line where a key stands a second time: JSON is YAML, whose parser knows lines."""
    try:
        duplicates = load(text).duplicates
    except YamlInvalid:
        return None
    return next((twice.line for twice in duplicates if twice.key.endswith(key)), None)
