"""What a change of configs would do, as people read it: nodes that are alike share their words."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from conche.client import Plan
from conche.contract import Change, PlannedNode, SetFiles

from .output import ERROR_STYLE, MAINTENANCE_STYLE, count, names_of, plain, without_address

SHOWN_FILES: Final = 8
"""Files, or runs of files, that are named."""

STYLES: Final = {
    Change.RESTART: "bold yellow",
    Change.UPDATE: "green",
    Change.NONE: "bright_black",
    Change.REFUSED: "bold red",
    Change.REJECTED: "bold red",
    Change.JOIN: "cyan",
    Change.LEAVE: "bold yellow",
}
_WORDS: Final = {Change.UPDATE: "in place", Change.NONE: "as it is"}
_SUMS: Final = {
    Change.RESTART: "restarts {}",
    Change.UPDATE: "updates {} in place",
    Change.NONE: "leaves {} as it is",
    Change.REFUSED: "would leave {} without a config",
    Change.REJECTED: "gives {} what was refused before",
    Change.JOIN: "adds {}",
    Change.LEAVE: "removes {}",
}
_FIRST: Final = {
    (
        Change.RESTART,
    ): "one node of {} tries it first; the others wait until it has run well there, and keep what "
    "they have if it does not (what ran well before goes to all at once)",
    (Change.UPDATE,): "one node of {} gets it first, the others when its kotekan has taken it",
}
"""How what many nodes would get is tried."""

_REPLACED: Final = re.compile(r"desired (.*), runs (.*)")
_ADDED: Final = re.compile(r"desired (.*), is missing")
_REMOVED: Final = re.compile(r"runs (.*), not desired")


@dataclass(frozen=True, slots=True)
class Alike:
    """Nodes to which the same would happen.

    Parameters
    ----------
    keys
        ``group/node``.
    change
        What.
    lines
        Paths that differ, from what to what.
    waits
        Why it would not happen at once.
    error
        What is wrong.
    """

    keys: tuple[str, ...]
    change: Change
    lines: tuple[str, ...] = ()
    waits: str = ""
    error: str = ""


def alike(plan: Plan) -> list[Alike]:
    """Return what would happen, said once for nodes that are alike; by what happens to them."""
    found: dict[Alike, list[str]] = {}
    for key, node in plan.nodes.items():
        found.setdefault(_said(node), []).append(key)
    order = list(STYLES)
    together = [
        Alike(tuple(keys), one.change, one.lines, one.waits, one.error) for one, keys in found.items()
    ]
    return sorted(together, key=lambda one: order.index(one.change))


def _said(node: PlannedNode) -> Alike:
    lines = tuple(_line(path) for path in node.paths) if node.change is not Change.NONE else ()
    waits = "" if node.waits is None or node.change is Change.REFUSED else plain(node.waits)
    return Alike((), node.change, lines, waits, without_address(plain(node.error or "")))


def _line(words: str) -> str:
    """Return a difference as a change: what is desired now, and what would be."""
    path, separator, difference = plain(words).partition(": ")
    if not separator:
        return path
    if found := _REPLACED.fullmatch(difference):
        return f"{path}: {found[2]} → {found[1]}"
    if found := _ADDED.fullmatch(difference):
        return f"{path}: new, {found[1]}"
    if found := _REMOVED.fullmatch(difference):
        return f"{path}: goes, was {found[1]}"
    return f"{path}: {difference}"


def blocks_of(plan: Plan) -> Iterator[RenderableType]:
    """Yield what is printed of a plan, from top to bottom."""
    if not plan.files:
        yield Text("it is so already: no file would change")
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, names in _files(plan):
        table.add_row(Text(label), Text(plain(files_words(names))))
    for one in alike(plan):
        table.add_row(Text(_WORDS.get(one.change, one.change.value), STYLES[one.change]), _body(one))
    for words, keys in _skipped(plan):
        table.add_row(Text("skipped", "bright_black"), Text(f"{_whom(keys)}: {words}"))
    yield table
    for words in remarks_of(plan):
        yield Text(words, MAINTENANCE_STYLE)
    others = f"; {count(plan.untouched, 'other node')} untouched" if plan.untouched else ""
    yield Text(f"{sum_of(plan)}{others}")


def _files(plan: Plan) -> Iterator[tuple[str, list[str]]]:
    gone = {
        name
        for _, edit in plan.wish.parcels
        if isinstance(edit, SetFiles)
        for name, text in edit.files.items()
        if text is None
    }
    if written := [name for name in plan.files if name not in gone]:
        yield "writes", written
    if removed := [name for name in plan.files if name in gone]:
        yield "removes", removed


def files_words(names: Iterable[str]) -> str:
    """Return names of files as people read them, runs drawn together: ``cx/cx1…cx12.yaml``."""
    by_ending: dict[str, list[str]] = {}
    for name in names:
        path = PurePosixPath(name)
        by_ending.setdefault(path.suffix, []).append(str(path.with_suffix("")))
    parts = [
        f"{run}{ending}"
        for ending, stems in by_ending.items()
        for run in names_of(stems, limit=len(stems)).split(", ")
    ]
    total = sum(map(len, by_ending.values()))
    more = f", … ({count(total, 'file')})" if len(parts) > SHOWN_FILES else ""
    return ", ".join(parts[:SHOWN_FILES]) + more


def _body(one: Alike) -> Text:
    lines = [Text(_whom(one.keys))]
    lines += [Text(f"  {line}") for line in one.lines]
    if one.error:
        lines.append(Text(f"  {one.error}", ERROR_STYLE))
    if one.waits:
        lines.append(Text(f"  not at once: {one.waits}", MAINTENANCE_STYLE))
    return Text("\n").join(lines)


def _whom(keys: Iterable[str]) -> str:
    keys = list(keys)
    return keys[0] if len(keys) == 1 else f"{count(len(keys), 'node')}: {names_of(keys)}"


def _skipped(plan: Plan) -> list[tuple[str, list[str]]]:
    by_words: dict[str, list[str]] = {}
    for key, words in plan.skipped.items():
        by_words.setdefault(plain(words), []).append(key)
    return list(by_words.items())


def remarks_of(plan: Plan) -> Iterator[str]:
    """Yield what is to be known beside."""
    if plan.new_epoch:
        yield (
            f"{count(len(plan.new_epoch), 'node')} would go into maintenance, because the nodes or addresses in "
            f"nodes.yaml change: {names_of(plan.new_epoch)}"
        )
    for changes, words in _FIRST.items():
        groups = _batches(plan, *changes)
        if groups and not plan.new_epoch:
            where = groups[0] if len(groups) == 1 else f"each group ({names_of(groups)})"
            yield words.format(where)
            return


def _batches(plan: Plan, *changes: Change) -> list[str]:
    """Return the groups of which more than one node would get something new at once."""
    keys = [key for key in plan.of(*changes) if plan.nodes[key].waits is None]
    groups = [key.partition("/")[0] for key in keys]
    return [group for group in dict.fromkeys(groups) if groups.count(group) > 1]


def sum_of(plan: Plan) -> str:
    """Return what would happen in one line: ``restarts 12 nodes, updates 3 nodes in place``."""
    counts = {change: len(plan.of(change)) for change in STYLES}
    parts = [words.format(count(counts[change], "node")) for change, words in _SUMS.items() if counts[change]]
    return ", ".join(parts) or "changes no node's config"


def risk_of(plan: Plan) -> str | None:
    """Return what has to be asked before it is done, or None: a restart of more than one node, and the like."""
    restarted, gone = plan.of(Change.RESTART), plan.of(Change.LEAVE)
    parts = []
    if len(restarted) > 1:
        parts.append(f"restarts {count(len(restarted), 'node')} ({_by_group(restarted)})")
    if gone:
        parts.append(f"removes {count(len(gone), 'node')} ({_by_group(gone)})")
    if plan.new_epoch:
        parts.append(f"puts {count(len(plan.new_epoch), 'node')} into maintenance")
    return f"This {' and '.join(parts)}" if parts else None


def _by_group(keys: list[str]) -> str:
    groups = [key.partition("/")[0] for key in keys]
    return ", ".join(f"{groups.count(group)} of {group}" for group in dict.fromkeys(groups))


def as_object(plan: Plan) -> dict[str, Any]:
    """Return the plan for programs."""
    return {
        "files": plan.files,
        "nodes": plan.nodes,
        "skipped": plan.skipped,
        "untouched": plan.untouched,
        "new_epoch": plan.new_epoch,
        "broken": plan.broken,
    }
