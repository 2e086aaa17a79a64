"""JSON values as kotekan reads, compares, prints and hashes them."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, Final, TypeAlias

import msgpack

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

LARGEST_UNSIGNED: Final = 2**64 - 1
SMALLEST_SIGNED: Final = -(2**63)
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
PARSE_ERROR: Final = "[json.exception.parse_error.101] parse error"


class JsonSyntaxError(ValueError):
    """A body that kotekan's JSON parser refuses; the words are the parser's."""


def _integer(digits: str) -> int | float:
    if len(digits) <= 20 and SMALLEST_SIGNED <= (value := int(digits)) <= LARGEST_UNSIGNED:
        return value
    return _floating(digits)


def _floating(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise JsonSyntaxError(f"[json.exception.out_of_range.406] number overflow parsing '{digits}'")
    return value


def _constant(name: str) -> float:
    raise JsonSyntaxError(f"{PARSE_ERROR}: invalid literal; last read: '{name}'")


def parse(body: bytes) -> Json:
    """Parse a request body.

    Integers are exact within 64 bits and become floats beyond; of duplicate keys the last wins; a byte order mark
    is accepted.

    Raises
    ------
    JsonSyntaxError
        For anything that is not JSON, for numbers too large for a double, and for invalid UTF-8.
    """
    try:
        text = body.removeprefix(BYTE_ORDER_MARK).decode()
        value: Json = json.loads(text, parse_int=_integer, parse_float=_floating, parse_constant=_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is a syntax error
    except UnicodeError as error:
        raise JsonSyntaxError(f"{PARSE_ERROR}: ill-formed UTF-8") from error
    except json.JSONDecodeError as error:
        words = (
            f"at line {error.lineno}, column {error.colno}: syntax error while parsing value - {error.msg}"
        )
        raise JsonSyntaxError(f"{PARSE_ERROR} {words}") from error
    except RecursionError as error:
        raise JsonSyntaxError(f"{PARSE_ERROR}: nested too deeply") from error
    return value


def dump(value: Json) -> bytes:
    """Print a value as `dump(0)` of nlohmann::json: a newline after each bracket and comma, keys sorted bytewise."""
    return json.dumps(value, indent=0, sort_keys=True, ensure_ascii=False).encode()


def dump_compact(value: Json) -> str:
    """Print a value as `dump()` of nlohmann::json, which kotekan uses in its error replies."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def revision(value: Json) -> str:
    """Return the MD5 over msgpack of a config with its keys sorted recursively (`Config::get_md5sum`)."""
    packed: bytes = msgpack.packb(_sorted(value), use_bin_type=True)
    return hashlib.md5(packed, usedforsecurity=False).hexdigest()


def type_name(value: Json) -> str:
    """Name the type of a value as kotekan's messages do; two values of one name may replace each other."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names = {int: "integer", float: "float", str: "string", list: "array", dict: "object"}
    return names[type(value)]
