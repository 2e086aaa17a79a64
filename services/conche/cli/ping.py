"""`conche ping`: which nodes answer, and how fast."""

from collections.abc import Iterator
from statistics import median
from typing import Final

import click
from msgspec.json import encode
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from conche.client import Report
from conche.client.line import QUESTION_TIMEOUT_S
from conche.client.words import natural
from conche.contract import Outcome, Result

from .confirming import AWAY, NOT_OK
from .delivery import deliver
from .folding import FOLD_OVER
from .output import OUTCOME_STYLES, count, names_of, show
from .results import as_object, lines_of, sum_of, table_of
from .session import ACCOUNT, AS_JSON
from .targets import TARGETS

SLOWEST: Final = 3
"""Nodes that are named where there are many."""


@click.command()
@TARGETS
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=QUESTION_TIMEOUT_S,
    show_default=True,
    help="How long to wait for answers [s].",
)
@AS_JSON
@ACCOUNT
def ping(*, words: tuple[str, ...], timeout: float, as_json: bool, account: str) -> None:
    """Ask the REST server of nodes for a word, and show which answer, and how fast.

    TARGET is a node (cx/cx27), a group (cx), a pattern ('cx/cx1?', in quotes), or all. Nodes in maintenance are asked
    too: nothing is changed. The exit code is 0 if all answer, 1 if one does not, 2 for an unknown TARGET, 3 if nobody
    asked them, or the broker is away.
    """
    report = deliver(lambda telescope: telescope.ping(words, timeout=timeout), account=account, away=AWAY)
    if as_json:
        click.echo(encode(as_object("ping", report)))
    else:
        show(blocks_of(report))
    if not report.ok:
        raise SystemExit(AWAY if report.is_silent else NOT_OK)


def blocks_of(report: Report) -> Iterator[RenderableType]:
    """Yield what is printed: a line for each node, but for those that answer where there are many."""
    answered = {key: r for key, r in report.results.items() if r.outcome is Outcome.OK}
    others = Report(
        results={key: r for key, r in report.results.items() if key not in answered},
        refused=report.refused,
        unanswered=report.unanswered,
    )
    if len(answered) > FOLD_OVER:
        yield Text(_together(answered))
    elif answered:
        yield _table(answered)
    if lines := lines_of(others):
        yield table_of(lines)
    if len(report.results) > 1:
        yield Text(sum_of(report))


def _table(answered: dict[str, Result]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for key in sorted(answered, key=natural):
        table.add_row(
            Text(key),
            Text("ok", OUTCOME_STYLES[Outcome.OK]),
            _latency(answered[key]),
            _running(answered[key]),
        )
    table.columns[2].justify = "right"
    return table


def _together(answered: dict[str, Result]) -> str:
    times = {key: r.inspection.latency_s or 0.0 for key, r in answered.items() if r.inspection}
    slowest = sorted(times, key=lambda key: -times[key])[:SLOWEST]
    named = ", ".join(f"{key} {_ms(times[key])}" for key in slowest)
    return (
        f"{count(len(answered), 'node')} answer, in {_ms(median(times.values() or [0.0]))} as a rule; "
        f"the slowest: {named}\n{names_of(answered)}"
    )


def _latency(result: Result) -> str:
    seen = result.inspection
    return "" if seen is None or seen.latency_s is None else _ms(seen.latency_s)


def _ms(time_s: float) -> str:
    return f"{1000 * time_s:.1f} ms"


def _running(result: Result) -> str:
    seen = result.inspection
    return "" if seen is None or seen.running is None else "runs" if seen.running else "idle"
