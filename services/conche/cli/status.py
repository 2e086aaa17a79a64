"""`conche status`: services, groups, nodes."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import click
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from conche.bus.client import Client
from conche.client.picture import Picture, read_picture
from conche.contract import EopStatus, FpgaStatus, Health, Service

from .eopline import read_eop
from .folding import FOLD_OVER, fold, said_once
from .frame0 import read_fpga
from .output import (
    ERROR_STYLE,
    HEALTH_STYLES,
    MAINTENANCE_STYLE,
    STATE_STYLES,
    count,
    labelled,
    names_of,
    plain,
    show,
    text,
)
from .overview import GroupView, Overview, encoded, overview, services_words
from .rows import Row, is_wrong
from .session import ACCOUNT, AS_JSON, with_client
from .targets import ANY_TARGETS, shown_of
from .watch.keys import View
from .watch.main import watch

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
@ANY_TARGETS
@click.option(
    "--all", "detail", flag_value=Detail.ALL, type=Detail, help="A row for every node, in large groups too."
)
@click.option(
    "--wrong", "detail", flag_value=Detail.WRONG, type=Detail, help="Only what somebody should look at."
)
@click.option(
    "--watch", "live", is_flag=True, help="Stay and show every change; without a terminal, a line for each."
)
@click.option("--check", is_flag=True, help="Exit with 1 if anything is an error.")
@AS_JSON
@ACCOUNT
def status(
    *, words: tuple[str, ...], detail: Detail | None, live: bool, check: bool, as_json: bool, account: str
) -> None:
    """Show the services, and what every node runs.

    TARGET is a node (cx/cx27), a group (cx) or a pattern ('cx/cx1?', in quotes); without one, all are shown.
    With --watch it stays until q or Ctrl-C: on a terminal as a screen with keys, else as a line for each change.
    The exit code is 0 if the status could be read, 1 if the broker is away, 2 for an unknown TARGET.
    """
    if live:
        if check:
            raise click.UsageError("--check is for one look, not for --watch")
        view = View(wrong=detail is Detail.WRONG, folded=detail is not Detail.ALL)
        raise SystemExit(watch(words, view, as_json=as_json, account=account, away=UNWELL))
    now = datetime.now(UTC)
    picture, fpga, eop = with_client(_read, account=account, away=UNWELL)
    found = overview(picture, shown_of(words, picture), now, fpga=fpga, eop=eop)
    if as_json:
        click.echo(encoded(picture, found))
    else:
        show(blocks_of(found, detail or Detail.FOLDED, now=now))
    if check and found.health is Health.ERROR:
        raise SystemExit(UNWELL)


async def _read(client: Client) -> tuple[Picture, FpgaStatus | None, EopStatus | None]:
    return await read_picture(client), await read_fpga(client), await read_eop(client)


def blocks_of(view: Overview, detail: Detail, *, now: datetime) -> Iterator[RenderableType]:
    """Yield what is printed, from top to bottom."""
    for problem in view.problems:
        style = HEALTH_STYLES[problem.health]
        yield labelled(Text(problem.health.value, style), text(problem.words, style))
    yield labelled(Text("online", "green"), _services(view.services))
    if view.stopped:
        yield labelled(Text("offline"), _services(view.stopped))
    if view.fpga:
        yield labelled(Text(f"{Service.FPGA:<6}"), view.fpga.words(now))
    if view.eop:
        yield labelled(Text(f"{Service.EOP:<6}"), view.eop.words(now))
    columns = _name_columns(view)
    for group in view.groups:
        rows = _rows(group, detail)
        if rows or group.health is not Health.NORMAL or detail is not Detail.WRONG:
            yield ""
            yield _heading(group)
        shared, rows = said_once(rows)
        for words in shared:
            yield Padding(Text(words, MAINTENANCE_STYLE), (0, 0, 0, 1))
        if rows:
            yield _table(rows, columns)
    yield ""
    yield _verdict(view, detail)


def _services(names: Sequence[str]) -> Text:
    return Text(services_words(names) or "no service", "" if names else ERROR_STYLE)


def _rows(group: GroupView, detail: Detail) -> Sequence[Row]:
    rows = [row for row in group.rows if is_wrong(row)] if detail is Detail.WRONG else group.rows
    return rows if detail is Detail.ALL else fold(rows)


def _heading(group: GroupView) -> Table:
    label = Text.assemble((group.name, "bold"), "  ", (group.health.value, HEALTH_STYLES[group.health]))
    if group.served is not None:
        return labelled(label, Text(f"{group.served}; what follows is the last that was known", ERROR_STYLE))
    words = Text(plain(group.summary.info) if group.summary else "no summary yet")
    if group.polled is not None:
        words = Text.assemble((f"{group.polled}; ", ERROR_STYLE), words)
    return labelled(label, words)


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
    if row.switch:
        lines.append(Text(row.switch.words, MAINTENANCE_STYLE if row.known else ""))
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
