"""How two configs differ, path by path, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from msgspec.json import encode

from .blocks import MARKER
from .values import at, kind

MAX_WORDS: Final = 60
"""Characters of a value that are shown; the rest is cut."""

_FIXED: Final = ""
"""Stands for an endpoint where nothing can be changed in place, and where what looks like a block is none: in lists,
and in a block whose keys or kinds don't agree."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One path at which two configs differ.

    Parameters
    ----------
    path
        Keys joined by ``/``, list positions in brackets.
    words
        What is desired and what runs instead.
    endpoint
        The updatable block in which it lies, if its kind and key agree so that it can be changed in place.
    """

    path: str
    words: str
    endpoint: str | None = None

    def __str__(self) -> str:
        return f"{self.path}: {self.words}"


def differences(desired: dict[str, Any], live: dict[str, Any]) -> list[Difference]:
    """Return every path at which a live config differs from the desired one; kinds count (300 is not 300.0)."""
    return list(_objects(desired, live, "", None))


def _objects(
    desired: dict[str, Any], live: dict[str, Any], path: str, endpoint: str | None
) -> Iterator[Difference]:
    if endpoint is None and path and (MARKER in desired or MARKER in live):
        yield from _block(desired, live, path)
        return
    for key in sorted(desired.keys() | live.keys()):
        where = at(path, key)
        if key not in live:
            yield _difference(where, f"desired {_show(desired[key])}, is missing", endpoint)
        elif key not in desired:
            yield _difference(where, f"runs {_show(live[key])}, not desired", endpoint)
        else:
            yield from _values(desired[key], live[key], where, endpoint)


def _block(desired: dict[str, Any], live: dict[str, Any], path: str) -> Iterator[Difference]:
    """Tell what can be changed in place, values of the same kind, from what needs a restart."""
    updatable = MARKER in desired and MARKER in live and _equal(desired[MARKER], live[MARKER])
    for key in sorted(desired.keys() | live.keys()):
        where = at(path, key)
        if key not in live:
            yield Difference(where, f"desired {_show(desired[key])}, is missing")
        elif key not in desired:
            yield Difference(where, f"runs {_show(live[key])}, not desired")
        else:
            in_place = updatable and kind(desired[key]) == kind(live[key])
            yield from _values(desired[key], live[key], where, path if in_place else _FIXED)


def _equal(desired: Any, live: Any) -> bool:
    return not any(_values(desired, live, "", _FIXED))


def _values(desired: Any, live: Any, path: str, endpoint: str | None) -> Iterator[Difference]:
    if kind(desired) != kind(live):
        yield _difference(
            path, f"desired {_show(desired)} ({kind(desired)}), runs {_show(live)} ({kind(live)})", endpoint
        )
    elif isinstance(desired, dict):
        yield from _objects(desired, live, path, endpoint)
    elif isinstance(desired, list):
        yield from _lists(desired, live, path, endpoint)
    elif repr(desired) != repr(live):  # -0.0 is not 0.0, to kotekan's hash
        yield _difference(path, f"desired {_show(desired)}, runs {_show(live)}", endpoint)


def _lists(desired: list[Any], live: list[Any], path: str, endpoint: str | None) -> Iterator[Difference]:
    if len(desired) != len(live):
        yield _difference(path, f"desired {len(desired)} items, runs {len(live)}", endpoint)
    for i, (wanted, found) in enumerate(zip(desired, live, strict=False)):
        yield from _values(wanted, found, at(path, i), _FIXED if endpoint is None else endpoint)


def _difference(path: str, words: str, endpoint: str | None) -> Difference:
    return Difference(path, words, endpoint or None)


def _show(value: Any) -> str:
    text = encode(value).decode()
    return text if len(text) <= MAX_WORDS else f"{text[: MAX_WORDS - 1]}…"
