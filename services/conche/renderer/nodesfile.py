"""``nodes.yaml`` rewritten by a program: comments, order and unknown keys stay."""

import io
from collections.abc import Mapping
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import asdict
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from conche.contract import NodeEntry
from conche.kotekan.values import to_json

from .nodes import FILE, parse_nodes

_FAULTS: Final = (
    YAMLError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What ruamel's reader and writer raise, beside its own errors, for values such as ``2024-13-45`` or ``!!bool x``."""


class NodesFileInvalid(ValueError):
    """The file can't be rewritten; says why."""


def rewrite(text: str, groups: Mapping[str, Mapping[str, NodeEntry]]) -> str:
    """Return a ``nodes.yaml`` with exactly these groups and nodes.

    Parameters
    ----------
    text
        The file as it is; empty for a new one.
    groups
        What an entry leaves out stays as it stands in the file, and null removes it.

    Raises
    ------
    NodesFileInvalid
        It can't be understood as it is, or could not be afterwards.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # never wraps a line that somebody wrote
    document = _loaded(yaml, text)
    try:
        return _rewritten(yaml, document, groups)
    except NodesFileInvalid:
        raise
    except _FAULTS as error:
        raise NodesFileInvalid(f"{FILE} can't be rewritten: {' '.join(str(error).split())}") from None


def _rewritten(yaml: YAML, document: CommentedMap, groups: Mapping[str, Mapping[str, NodeEntry]]) -> str:
    known = document.setdefault("groups", CommentedMap())
    if not isinstance(known, CommentedMap):
        known = document["groups"] = CommentedMap()
    _follow(known, {group: None for group in groups})
    for group, members in groups.items():
        if not isinstance(known[group], CommentedMap):
            known[group] = CommentedMap()
        _follow(known[group], {name: None for name in members})
        for name, entry in members.items():
            known[group][name] = _entry(known[group][name], entry)
    stream = io.StringIO()
    yaml.dump(document, stream)
    _check(stream.getvalue())
    return stream.getvalue()


def _loaded(yaml: YAML, text: str) -> CommentedMap:
    try:
        document = yaml.load(text) if text.strip() else None
    except _FAULTS as error:
        raise NodesFileInvalid(f"{FILE} is not YAML as it is: {' '.join(str(error).split())}") from None
    if document is None:
        return CommentedMap()
    if not isinstance(document, CommentedMap):
        raise NodesFileInvalid(f"{FILE} is no mapping as it is")
    return document


def _follow(known: CommentedMap, wanted: Mapping[str, Any]) -> None:
    """Remove what is not wanted, and add what is missing."""
    for name in [name for name in known if name not in wanted]:
        del known[name]
    for name in wanted:
        known.setdefault(name, None)


def _entry(present: Any, entry: NodeEntry) -> Any:
    given = {key: value for key, value in asdict(entry).items() if value is not UNSET}
    if isinstance(given.get("vars"), dict):
        to_json(given["vars"])  # nothing deeper, or larger, than a config may be
    if not isinstance(present, CommentedMap):
        given = {key: value for key, value in given.items() if value is not None}
        return CommentedMap(given) if given else None
    for key, value in given.items():
        if value is None:
            present.pop(key, None)
        else:
            present[key] = value
    return present


def _check(text: str) -> None:
    error = parse_nodes(text).error
    if error is not None:
        raise NodesFileInvalid(error)
