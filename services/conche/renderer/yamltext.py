"""YAML as PyYAML takes it, with the lines where things stand and the keys that stand twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from conche.kotekan.values import MAX_DEPTH, at

_CONSTRUCTOR_FAULTS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What PyYAML's constructors raise, beside its own errors, for values such as ``2024-13-45`` or ``!!bool x``."""


class YamlInvalid(ValueError):
    """A text is not YAML.

    Parameters
    ----------
    words
        What is wrong.
    line
        Where, from 1, if known.
    """

    def __init__(self, words: str, *, line: int | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.line = line


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A key that stands twice in one mapping; PyYAML keeps the last.

    Parameters
    ----------
    key
        Its path.
    first, line
        Lines where it stands, from 1.
    """

    key: str
    first: int
    line: int


class _Loader(yaml.CSafeLoader):
    """PyYAML's loader, which is kept from overflowing the C stack and remembers what it was at."""

    depth = 0
    current: yaml.Node | None = None

    def descend_resolver(self, parent: yaml.Node | None, index: Any) -> None:
        # Called for each level while the tree is composed, which the C parser does recursively and without a bound.
        self.depth += 1
        if self.depth > MAX_DEPTH and parent is not None:
            raise yaml.MarkedYAMLError(
                problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=parent.start_mark
            )

    def ascend_resolver(self) -> None:
        self.depth -= 1

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        self.current = node
        return super().construct_object(node, deep)


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document.

    Parameters
    ----------
    value
        What PyYAML makes of it.
    duplicates
        Keys that stand twice, in the order of the text.
    root
        Its nodes.
    """

    value: Any
    duplicates: tuple[Duplicate, ...]
    root: yaml.Node | None

    def line(self, *keys: Any) -> int | None:
        """Return the line of a key, given the keys that lead to it, from 1."""
        node, line = self.root, None
        for key in keys:
            if not isinstance(node, yaml.MappingNode):
                return line
            for name, item in node.value:
                if getattr(name, "value", None) == str(key):
                    node, line = item, name.start_mark.line + 1
        return line


def load(text: str) -> Document:
    """Parse a text that holds one YAML document.

    Raises
    ------
    YamlInvalid
        With the line where known.
    """
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        duplicates = tuple(_duplicates(root)) if root else ()
        value = None if root is None else loader.construct_document(root)
    except yaml.composer.ComposerError as error:
        raise YamlInvalid(_several(error), line=_line(error.problem_mark, text)) from None
    except yaml.MarkedYAMLError as error:
        raise YamlInvalid(_words(error), line=_line(error.problem_mark, text)) from None
    except yaml.YAMLError as error:
        raise YamlInvalid(_one_line(str(error))) from None
    except RecursionError:
        raise YamlInvalid("nested too deeply") from None
    except _CONSTRUCTOR_FAULTS as error:
        raise _misread(loader, error, text) from None
    return Document(value, duplicates, root)


def _misread(loader: _Loader | None, error: Exception, text: str) -> YamlInvalid:
    """Return what to say of a value of which a constructor could make nothing."""
    node = loader.current if loader else None
    if node is None:
        return YamlInvalid(_one_line(str(error)))
    shown = repr(node.value)[:60] if isinstance(node, yaml.ScalarNode) else "a value"
    kind = node.tag.rpartition(":")[2]
    return YamlInvalid(
        f"{shown} is not a valid {kind} ({error}); put it in quotes", line=_line(node.start_mark, text)
    )


def _several(error: yaml.MarkedYAMLError) -> str:
    if "single document" in (error.context or ""):
        return "holds more than one YAML document; keep one (a second '---' begins another)"
    return _words(error)


def _words(error: yaml.MarkedYAMLError) -> str:
    return _one_line(", ".join(part for part in (error.context, error.problem) if part))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _line(mark: Any, text: str) -> int | None:
    """Return the line of a mark, from 1; the end of the text is in its last line, not below."""
    return None if mark is None else min(int(mark.line) + 1, max(len(text.splitlines()), 1))


def _duplicates(root: yaml.Node) -> Iterator[Duplicate]:
    """Yield keys that stand twice; must be called before construction, which merges ``<<`` into its mapping."""
    seen: set[int] = set()
    todo: list[tuple[yaml.Node, str]] = [(root, "")]
    while todo:
        node, path = todo.pop()
        if isinstance(node, yaml.ScalarNode) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield from _twice(node, path)
            members = [(item, at(path, str(name.value))) for name, item in node.value]
        else:
            members = [(item, at(path, i)) for i, item in enumerate(node.value)]
        todo.extend(reversed(members))


def _twice(node: yaml.MappingNode, path: str) -> Iterator[Duplicate]:
    first: dict[tuple[str, str], int] = {}
    for name, _ in node.value:
        if isinstance(name, yaml.ScalarNode) and name.tag != "tag:yaml.org,2002:merge":
            line = name.start_mark.line + 1
            if (name.tag, name.value) in first:
                yield Duplicate(at(path, name.value), first[name.tag, name.value], line)
            first.setdefault((name.tag, name.value), line)
