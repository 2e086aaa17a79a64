"""How the outcome of a command is told: a line for each node, a sum, and what to do about what did not work."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from conche.client.sending import Report
from conche.client.words import natural
from conche.contract import Outcome, Result

from .folding import FOLD_OVER
from .output import ERROR_STYLE, OUTCOME_STYLES, names_of, plain, without_address

_OTHERS: Final = {"refused": ERROR_STYLE, "no answer": ERROR_STYLE}
"""What can become of a target whose nodes have no outcome."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what became of one node, or alike of several.

    Parameters
    ----------
    names
        Nodes, or groups.
    word
        Outcome in a word.
    words
        Why, if it is not ok.
    """

    names: tuple[str, ...]
    word: str
    words: str = ""


def lines_of(report: Report) -> list[Line]:
    """Return what became of each target; where there are many, alike ones share a line."""
    lines = [Line((key,), r.outcome.value, plain(r.error or "")) for key, r in report.results.items()]
    lines += [Line((name,), "refused", plain(words)) for name, words in report.refused.items()]
    lines += [Line((name,), "no answer", plain(words)) for name, words in report.unanswered.items()]
    lines.sort(key=lambda line: natural(line.names[0]))
    return _folded(lines) if len(lines) > FOLD_OVER else lines


def _folded(lines: Iterable[Line]) -> list[Line]:
    alike: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        alike.setdefault((line.word, without_address(line.words)), []).append(line)
    folded = [_together(words, members) for (_, words), members in alike.items()]
    return sorted(folded, key=lambda line: line.word == Outcome.OK)


def _together(words: str, lines: list[Line]) -> Line:
    if len(lines) == 1:
        return lines[0]
    return Line(tuple(name for line in lines for name in line.names), lines[0].word, words)


def sum_of(report: Report) -> str:
    """Return how many nodes ended how: ``95 ok, 1 held``."""
    counts = dict.fromkeys((outcome.value for outcome in Outcome), 0)
    for result in report.results.values():
        counts[result.outcome.value] += 1
    parts = [f"{number} {word}" for word, number in counts.items() if number]
    parts += [f"{names_of(names)} {word}" for names, word in (
        (report.refused, "refused"), (report.unanswered, "without an answer"),
    ) if names]  # fmt: skip
    return ", ".join(parts) or "nothing to do"


def hints_of(action: str, results: Mapping[str, Result]) -> list[str]:
    """Return what to do about nodes that were held."""
    held = {key: _stored(r.error) for key, r in sorted(results.items()) if r.outcome is Outcome.HELD}
    in_maintenance = [key for key, words in held.items() if words.startswith("in maintenance")]
    rejected = [key for key in held if key not in in_maintenance]
    hints = []
    if in_maintenance:
        again = ", then say resync again" if action == "resync" else ""
        hints.append(f"to have it done: conche maintenance off {_typed(in_maintenance)}{again}")
    if rejected:
        hints.append(f"mend the config, or try it once more: conche resync {_typed(rejected)}")
    return hints


def _stored(words: str | None) -> str:
    """Return why a node is held, without that what is desired of it is kept."""
    return plain(words or "").removeprefix("stored; ")


def _typed(keys: list[str]) -> str:
    return " ".join(keys) if len(keys) <= 3 else f"{' '.join(keys[:2])} and {len(keys) - 2} more"


def blocks_of(action: str, report: Report) -> Iterator[RenderableType]:
    """Yield what is printed, from top to bottom."""
    yield table_of(lines_of(report))
    if len(report.results) > 1:
        yield Text(sum_of(report))
    for hint in hints_of(action, report.results):
        yield Text(hint)


def table_of(lines: Iterable[Line]) -> Table:
    """Return a row for each line."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(max_width=30, overflow="fold")
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for line in lines:
        table.add_row(*_cells(line))
    return table


def _cells(line: Line) -> Iterable[Text]:
    alone = len(line.names) == 1
    styles = {outcome.value: style for outcome, style in OUTCOME_STYLES.items()} | _OTHERS
    yield Text(line.names[0] if alone else f"{len(line.names)} nodes")
    yield Text(line.word, styles[line.word])
    yield Text("\n").join(Text(part) for part in (line.words, "" if alone else names_of(line.names)) if part)


def as_object(action: str, report: Report) -> dict[str, Any]:
    """Return the report for programs."""
    return {
        "action": action,
        "ok": report.ok,
        "results": report.results,
        "refused": report.refused,
        "unanswered": report.unanswered,
    }
