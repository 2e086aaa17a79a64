"""`conche eop` and `conche eop run`: the table of the running service."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

import click
from msgspec.json import encode
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from conche.bus.client import Client
from conche.client.picture import absence
from conche.client.words import natural
from conche.contract import (
    NO_NAME,
    SERVICE,
    EopData,
    EopState,
    EopStatus,
    EopTarget,
    Health,
    Reply,
    RunEop,
    Service,
)

from .confirming import AWAY, NOT_OK
from .eopline import EopView, eop_view, read_eop
from .output import ERROR_STYLE, HEALTH_STYLES, OUTCOME_STYLES, Trouble, moment, names_of, plain, show
from .session import REFUSED, with_client

COMMAND: Final = "conche eop-service"

REPEAT_S: Final = 5.0
"""A command that was not answered is sent again, with the same id, after this [s]."""

TIMEOUT_S: Final = 300.0
"""When to give up [s]: a run waits for the renderer, which waits for the nodes; one may be under way already."""


def show_state(*, as_json: bool, account: str) -> None:
    """Print what the service says."""
    view = with_client(_found, account=account, away=AWAY)
    if as_json:
        click.echo(encode(view.status))
    else:
        show(blocks_of(view, datetime.now(UTC)))
    if view.status.state is not EopState.FRESH or view.absence is not None:
        raise SystemExit(NOT_OK)


def run_now(*, dry_run: bool, as_json: bool, account: str) -> None:
    """Have the service run, and print what became of it."""
    reply = with_client(lambda client: _ran(client, dry_run=dry_run), account=account, away=AWAY)
    if as_json:
        click.echo(encode(reply))
    elif reply.eop is not None:
        show(blocks_of(EopView(reply.eop), datetime.now(UTC)))
    if reply.eop is None:
        raise Trouble(reply.error or "the eop service says no, and not why", exit_code=REFUSED)
    if not reply.ok:
        raise SystemExit(NOT_OK)


async def _found(client: Client) -> EopView:
    """Return what stands on the broker.

    Raises
    ------
    Trouble
        The service has never said anything.
    """
    birth = next((birth for _, birth in await client.read(SERVICE, service=Service.EOP)), None)
    view = eop_view(await read_eop(client), birth)
    if view is None:
        raise Trouble(f"{absence(Service.EOP, birth)}: begin it with {COMMAND}", exit_code=AWAY)
    return view


async def _ran(client: Client, *, dry_run: bool) -> Reply:
    """Return the answer to the command.

    Raises
    ------
    Trouble
        The service is away, or does not answer.
    """
    view = await _found(client)
    if view.absence is not None:
        raise Trouble(f"{plain(view.absence)}: see its log, or begin it with {COMMAND}", exit_code=AWAY)
    wish = RunEop(id=f"cli-{secrets.token_hex(8)}", dry_run=dry_run)
    for _ in range(round(TIMEOUT_S / REPEAT_S)):
        await client.send("run", wish, group=NO_NAME, node=Service.EOP)
        while (reply := await client.reply(timeout=REPEAT_S)) is not None:
            if reply.id == wish.id:
                return reply
    words = f"the eop service did not answer within {TIMEOUT_S:g} s: it may go on yet; see its log"
    raise Trouble(words, exit_code=AWAY)


# --- what is printed


def blocks_of(view: EopView, now: datetime) -> Iterator[RenderableType]:
    """Yield what is printed, from top to bottom."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, words in _rows(view, now):
        grid.add_row(label, words)
    yield grid
    if view.status.entries:
        yield ""
        yield _table(view.status)


def _rows(view: EopView, now: datetime) -> Iterator[tuple[str, Text]]:
    status = view.status
    yield "state", view.state_words()
    yield "table", Text(view.age_words(now))
    if status.next_run_at is not None and view.absence is None:
        yield "next run", Text(moment(status.next_run_at, now))
    if status.frame0_ns is not None:
        yield "frame0", Text(f"{status.frame0_ns} ns")
    if status.iers is not None:
        yield "data", Text(_data_words(status.iers))
    yield from _nodes(status.targets)
    if status.warning:
        yield "warning", Text(plain(status.warning), HEALTH_STYLES[Health.WARNING])
    if status.error:
        yield "error", Text(plain(status.error), ERROR_STYLE)


def _data_words(iers: EopData) -> str:
    return (
        f"{plain(iers.source)}: measured to {iers.measured_to:%Y-%m-%d} ({iers.age_days} d ago), "
        f"ends {iers.runs_out_at:%Y-%m-%d}"
    )


def _nodes(targets: Mapping[str, EopTarget]) -> Iterator[tuple[str, Text]]:
    alike: dict[tuple[str, str], list[str]] = {}
    for key, one in sorted(targets.items(), key=lambda item: natural(item[0])):
        alike.setdefault((one.outcome, one.error or ""), []).append(key)
    for (outcome, error), keys in alike.items():
        why = f": {plain(error)}" if error else ""
        style = next(style for found, style in OUTCOME_STYLES.items() if found == outcome)
        yield "nodes", Text.assemble((outcome, style), f"  {names_of(keys)}{why}")


def _table(status: EopStatus) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bright_black", pad_edge=False)
    for name in ("day (UTC)", "t_inst_ns", "delta_UT1_inst", "xp_as", "yp_as", ""):
        table.add_column(name, justify="left" if "UTC" in name or not name else "right", no_wrap=True)
    for entry, day in zip(status.entries, _days(status), strict=True):
        table.add_row(
            day,
            str(entry.t_inst_ns),
            f"{entry.delta_UT1_inst:.7f}",
            f"{entry.xp_as:.6f}",
            f"{entry.yp_as:.6f}",
            "predicted" if entry.predicted else "",
        )
    return table


def _days(status: EopStatus) -> Iterable[str]:
    """Return the day of each entry: leap seconds move them by seconds against the first one."""
    if status.first is None:
        return ["" for _ in status.entries]
    begin = status.entries[0].t_inst_ns
    elapsed = [round((entry.t_inst_ns - begin) / 86_400e9) for entry in status.entries]
    first = status.first.toordinal()
    return [f"{datetime.fromordinal(first + days):%Y-%m-%d}" for days in elapsed]
