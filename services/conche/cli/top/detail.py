"""All that there is to say of the chosen line."""

import textwrap
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from rich.text import Text

from conche.cli.output import ERROR_STYLE, HEALTH_STYLES, age, count, names_of, plain
from conche.cli.watch.live import Live
from conche.cli.watch.pane import pane
from conche.cli.watch.table import Line
from conche.contract import NodeStatus, Rejection
from conche.happenings import REVISION_DIGITS

from .items import Item

_ALL: Final = 10_000
"""Lines; more than there ever are."""


def rule(name: str, columns: int) -> Text:
    """Return the line above a pane."""
    return Text(f"── {plain(name)} ".ljust(columns, "─")[:columns], "bright_black")


def detail(live: Live, item: Item, *, now: datetime, columns: int) -> list[Text]:
    """Return a heading and words, wrapped.

    Parameters
    ----------
    live
        What is shown.
    item
        The chosen line.
    now
        Wall clock.
    columns
        Of the screen.
    """
    if not item.is_node:
        return [rule(item.group, columns), *wrapped(_of_group(live, item), columns)]
    entry = item.entries[0]
    lines = pane(live, Line((entry,)), now=now, columns=columns, room=_ALL)
    trouble = live.trouble_of(entry.group)
    more = [(f"{entry.group}: {trouble}", ERROR_STYLE)] if trouble else []
    if entry.status is not None:
        more += [(words, "") for words in _of_status(entry.status, now)]
    return [*lines, *wrapped(more, columns)]


def wrapped(paragraphs: Iterable[tuple[str, str]], columns: int) -> list[Text]:
    """Return lines that are not too long, of words and their style."""
    return [
        Text.assemble(" ", (words, style))
        for paragraph, style in paragraphs
        for words in textwrap.wrap(paragraph, max(10, columns - 2), subsequent_indent="  ")
    ]


def _of_group(live: Live, item: Item) -> Iterator[tuple[str, str]]:
    health, trouble = live.group_health(item.group), live.trouble_of(item.group)
    tally, summary = live.tallies[item.group], live.picture.summaries.get(item.group)
    yield f"{health}, {count(tally.nodes, 'node')}: {tally.words}", HEALTH_STYLES[health]
    if trouble:
        yield trouble, ERROR_STYLE
    yield f"its worker says: {plain(summary.info)}" if summary else "no summary yet", ""
    by_state: dict[str, list[str]] = {}
    for entry in item.entries:
        by_state.setdefault(entry.alike.state_words, []).append(entry.node)
    for state, names in by_state.items():
        yield f"{state}: {names_of(names, limit=len(names))}", ""


def _of_status(status: NodeStatus, now: datetime) -> Iterator[str]:
    """Yield what neither the table nor a watched status has room for."""
    if status.last_push and status.last_push.took_s is not None:
        yield f"the last {status.last_push.kind} took {status.last_push.took_s:.1f} s"
    if status.pending:
        yield "something is being done about it, or about to be"
    for rejection in status.rejected:
        yield _rejected(rejection, now)
    if status.cure:
        paths = ", ".join(map(plain, status.cure.paths))
        yield f"restarted {age(status.cure.at, now)} ago because of {paths}: left alone if it differs there again"
    if status.attempts and status.retry_at is None:
        yield f"{count(status.attempts, 'attempt')} so far"
    yield from _revisions(status)
    yield f"epoch {plain(status.epoch)}"


def _rejected(rejection: Rejection, now: datetime) -> str:
    what = rejection.endpoint or f"revision {(rejection.revision or '?')[:REVISION_DIGITS]}"
    return f"{plain(what)} was rejected {age(rejection.at, now)} ago: {plain(rejection.error)}"


def _revisions(status: NodeStatus) -> Iterator[str]:
    """Yield the revisions that are not told as a difference: `pane` does that."""
    if status.live and status.live == status.desired:
        yield f"runs {status.live}, as it should"
    elif status.live is None and status.desired:
        yield f"should run {status.desired}"
    elif status.desired is None:
        yield f"runs {status.live}" if status.live else "nothing is desired of it"
    if status.proven:
        same = status.proven == status.live
        yield "this revision ran well here before" if same else f"what ran well here last: {status.proven}"
