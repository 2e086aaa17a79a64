"""`conche fpga`: the FPGA master's health, and when frame 0 was."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import click
from msgspec.json import encode
from rich.table import Table
from rich.text import Text

from conche.bus.client import Client
from conche.client.line import QUESTION_TIMEOUT_S
from conche.client.picture import absence, is_online
from conche.contract import NO_NAME, SERVICE, FpgaState, FpgaStatus, Refresh, Service

from .confirming import AWAY, NOT_OK
from .frame0 import STYLES, ago, details, instant, read_fpga
from .output import ERROR_STYLE, Trouble, age, count, plain, show
from .session import ACCOUNT, AS_JSON, REFUSED, with_client

_COMMAND: Final = "conche fpga-service"


@click.command()
@click.option("--refresh", is_flag=True, help="Have it asked now, instead of when its turn comes.")
@AS_JSON
@ACCOUNT
def fpga(*, refresh: bool, as_json: bool, account: str) -> None:
    """Show how the FPGA master is, and when frame 0 was.

    The exit code is 0 if it is good, 1 if it is anything else, 2 if the account may not ask, 3 if nobody looks after
    it, or the broker is away.
    """
    status = with_client(_refreshed if refresh else _found, account=account, away=AWAY)
    if as_json:
        click.echo(encode(status))
    else:
        show([_table(status, datetime.now(UTC))])
    if status.state is not FpgaState.GOOD:
        raise SystemExit(NOT_OK)


async def _found(client: Client) -> FpgaStatus:
    """Return what stands on the broker.

    Raises
    ------
    Trouble
        Nobody keeps it up to date.
    """
    births = [birth for _, birth in await client.read(SERVICE, service=Service.FPGA)]
    birth = births[0] if births else None
    status = await read_fpga(client)
    if not is_online(birth):
        last = f"; the last that it said: {_short(status)}" if status else ""
        words = f"{absence(Service.FPGA, birth)}: see its log, or begin it with {_COMMAND}{last}"
        raise Trouble(words, exit_code=AWAY)
    if status is None:
        raise Trouble(f"the {Service.FPGA} service has not said anything yet: see its log", exit_code=AWAY)
    return status


async def _refreshed(client: Client) -> FpgaStatus:
    """Return what the FPGA master answers now.

    Raises
    ------
    Trouble
        Nobody asks it, or the service says no.
    """
    await _found(client)
    expires = datetime.now(UTC) + timedelta(seconds=QUESTION_TIMEOUT_S)
    wish = Refresh(id=f"cli-{secrets.token_hex(8)}", expires_at=expires)
    asked = client.command("refresh", wish, group=NO_NAME, node=Service.FPGA, timeout=QUESTION_TIMEOUT_S)
    async for reply in asked:
        if reply.fpga is not None:
            return reply.fpga
        raise Trouble(reply.error or "the fpga service says no, and not why", exit_code=REFUSED)
    words = f"the {Service.FPGA} service did not answer within {QUESTION_TIMEOUT_S:g} s: see its log"
    raise Trouble(words, exit_code=AWAY)


def _short(status: FpgaStatus) -> str:
    return f"{status.state} {details(status, datetime.now(UTC))}".rstrip()


def _table(status: FpgaStatus, now: datetime) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, words in _rows(status, now):
        grid.add_row(label, words)
    return grid


def _rows(status: FpgaStatus, now: datetime) -> Iterator[tuple[str, Text]]:
    since = f"  since {age(status.since, now)}" if status.since else ""
    yield "state", Text.assemble((status.state.value, STYLES[status.state]), since)
    if status.error:
        yield "error", Text(plain(status.error), ERROR_STYLE)
    yield from _frame0(status, now)
    if status.started_at:
        yield "started", Text(f"{status.started_at:%Y-%m-%d %H:%M:%SZ}, by the clock of its computer")
    if status.changed_at and status.previous_frame0_ns is not None:
        before = status.previous_frame0_ns
        words = f"{age(status.changed_at, now)} ago: frame0 was {before} ns\n{instant(before)}"
        yield "changed", Text(words)
    yield "host", Text(plain(status.url or "none: the setting fpga.url names it"))


def _frame0(status: FpgaStatus, now: datetime) -> Iterator[tuple[str, Text]]:
    frame0_ns, reported_ns = status.frame0_ns, status.reported_frame0_ns
    if frame0_ns is not None:
        yield "frame0", Text(f"{frame0_ns} ns\n{_when(frame0_ns, now)}")
    elif status.last_frame0_ns is not None:
        last_ns = status.last_frame0_ns
        yield "frame0", Text(f"not known; the last that was good: {last_ns} ns\n{_when(last_ns, now)}")
    if reported_ns is not None and reported_ns != frame0_ns:
        behind = f", {count(status.rollovers, 'rollover')} of GPS behind" if status.rollovers else ""
        yield "reported", Text(f"{reported_ns} ns{behind}\n{instant(reported_ns)}")


def _when(time_ns: int, now: datetime) -> str:
    return f"{instant(time_ns)}, {ago(time_ns, now)}"
