"""`conche status`: services, groups, nodes."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import click
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from conche.contract import ALL, Health

from .output import (
    ERROR_STYLE,
    HEALTH_STYLES,
    STATE_STYLES,
    Trouble,
    count,
    labelled,
    names_of,
    plain,
    show,
    text,
)
from .overview import GroupView, Overview, encoded, overview
from .picture import Picture, read_picture
from .rows import FOLD_OVER, Row, fold, is_wrong
from .session import ACCOUNT, AS_JSON, UNKNOWN_TARGET, with_client
from .targets import Targets, TargetUnknown, resolve

UNWELL: Final = 1
"""Exit code: the broker is away; with --check also: something is an error."""

NAME_COLUMNS: Final = 24
"""Longer names of nodes are wrapped."""


class Detail(StrEnum):
    """How many nodes are shown."""

    FOLDED = "folded"
    ALL = "all"
    WRONG = "wrong"


@click.command()
@click.argument("words", metavar="[TARGET]...", nargs=-1)
@click.option(
    "--all", "detail", flag_value=Detail.ALL, type=Detail, help="A row for every node, in large groups too."
)
@click.option(
    "--wrong", "detail", flag_value=Detail.WRONG, type=Detail, help="Only what somebody should look at."
)
@click.option("--check", is_flag=True, help="Exit with 1 if anything is an error.")
@AS_JSON
@ACCOUNT
def status(
    *, words: tuple[str, ...], detail: Detail | None, check: bool, as_json: bool, account: str
) -> None:
    """Show the services, and what every node runs.

    TARGET is a node (cx/cx27), a group (cx) or a pattern ('cx/cx1?', in quotes); without one, all are shown.
    The exit code is 0 if the status could be read, 1 if the broker is away, 2 for an unknown TARGET.
    """
    picture = with_client(read_picture, account=account, away=UNWELL)
    view = overview(picture, _targets(words, picture), datetime.now(UTC))
    if as_json:
        click.echo(encoded(picture, view))
    else:
        show(blocks_of(view, detail or Detail.FOLDED))
    if check and view.health is Health.ERROR:
        raise SystemExit(UNWELL)


def _targets(words: tuple[str, ...], picture: Picture) -> Targets:
    groups = picture.groups()
    if not words and not any(groups.values()):
        return {}
    error = picture.registry.error if picture.registry else "there is none"
    try:
        return resolve(words or (ALL,), groups, error=error)
    except TargetUnknown as unknown:
        raise Trouble(str(unknown), exit_code=UNKNOWN_TARGET) from None


def blocks_of(view: Overview, detail: Detail) -> Iterator[RenderableType]:
    """Yield what is printed, from top to bottom."""
    for problem in view.problems:
        style = HEALTH_STYLES[problem.health]
        yield labelled(Text(problem.health.value, style), text(problem.words, style))
    yield labelled(Text("online", "green"), _services(view.services))
    columns = _name_columns(view)
    for group in view.groups:
        rows = _rows(group, detail)
        if rows or group.health is not Health.NORMAL or detail is not Detail.WRONG:
            yield ""
            yield _heading(group)
        if rows:
            yield _table(rows, columns)
    yield ""
    yield _verdict(view, detail)


def _services(online: Sequence[str]) -> Text:
    """Return which services are online; workers and pollers under one name each."""
    by_service: dict[str, list[str]] = {}
    for name in online:
        service, _, instance = name.partition("/")
        by_service.setdefault(service, []).extend([instance] if instance else [])
    parts = [f"{s} ({names_of(i)})" if i else s for s, i in by_service.items()]
    return Text(", ".join(parts) or "no service", "" if parts else ERROR_STYLE)


def _rows(group: GroupView, detail: Detail) -> Sequence[Row]:
    rows = [row for row in group.rows if is_wrong(row)] if detail is Detail.WRONG else group.rows
    return rows if detail is Detail.ALL else fold(rows)


def _heading(group: GroupView) -> Table:
    label = Text.assemble((group.name, "bold"), "  ", (group.health.value, HEALTH_STYLES[group.health]))
    if group.served is not None:
        return labelled(label, Text(f"{group.served}; what follows is the last that was known", ERROR_STYLE))
    return labelled(label, Text(plain(group.summary.info) if group.summary else "no summary yet"))


def _table(rows: Sequence[Row], name_columns: int) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="bright_black", pad_edge=True)
    table.add_column("node", width=name_columns, overflow="fold")
    table.add_column("state", min_width=7, no_wrap=True)
    table.add_column("should", no_wrap=True)
    table.add_column("since", min_width=6, no_wrap=True, justify="right")
    table.add_column("", ratio=1, overflow="fold")
    for row in rows:
        table.add_row(
            _name(row),
            Text(row.state_words, STATE_STYLES[row.state] if row.known else "bright_black"),
            row.should,
            row.since,
            _notes(row),
            style="" if row.known else "dim",
        )
    return table


def _name(row: Row) -> Text:
    return Text(row.names[0] if len(row.names) == 1 else f"{len(row.names)} nodes")


def _notes(row: Row) -> Text:
    lines = [Text(note.words, note.style if row.known else "") for note in row.notes]
    if row.timing:
        lines.append(Text(row.timing))
    if len(row.names) > 1:
        lines.append(Text(names_of(row.names), "bright_black"))
    return Text("\n").join(lines)


def _name_columns(view: Overview) -> int:
    names = [len(name) for group in view.groups for row in group.rows for name in row.names]
    return min(NAME_COLUMNS, max([*names, len("999 nodes")]))


def _verdict(view: Overview, detail: Detail) -> Text:
    wrong = sum(is_wrong(row) for group in view.groups for row in group.rows)
    nodes = sum(len(group.rows) for group in view.groups)
    words = f"{count(nodes, 'node')} in {count(len(view.groups), 'group')}"
    if wrong:
        words += f", {wrong} to look at"
        words += ": conche status --wrong" if nodes > FOLD_OVER and detail is not Detail.WRONG else ""
    return Text.assemble((view.health.value, HEALTH_STYLES[view.health]), f"  {words}")
