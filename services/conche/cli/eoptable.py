"""`conche eop table` and `plot`: the arithmetic of the service, without it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import click
from msgspec.json import encode, format

from conche.eop.fields import NEW, payload_of
from conche.eop.making import Impossible, make, read
from conche.eop.marks import marks_at, marks_of
from conche.eop.merge import Stored
from conche.eop.state import StateUnavailable, look
from conche.eop.table import days_around

OFFLINE: Final = "--state FILE marks the table of a state file, --at TIME one that is made here"

ValueT = TypeVar("ValueT")


def show_table(frame0_ns: int, *, at: datetime, before: int, after: int, iers: str, as_json: bool) -> None:
    """Print a table; see `make`."""
    made = _in_words(
        lambda: make(frame0_ns, iers=read(iers), now=datetime.now(UTC), at=at, before=before, after=after)
    )
    if as_json:
        click.echo(format(encode(payload_of(made.table.entries, NEW)), indent=2))
        return
    click.echo(f"{'UTC':<10}  {'t_inst_ns':>19}  {'delta_UT1_inst':>14}  {'xp_as':>9}  {'yp_as':>9}")
    for entry in made.table.entries:
        midnight = made.base.utc_of(entry.t_inst_ns)
        click.echo(
            f"{midnight:%Y-%m-%d}  {entry.t_inst_ns:>19}  {entry.delta_UT1_inst:>14.7f}  {entry.xp_as:>9.6f}  "
            f"{entry.yp_as:>9.6f}{'  predicted' if entry.predicted else ''}"
        )
    click.echo(f"{made.iers.source}, measured to {made.iers.measured_to:%Y-%m-%d}", err=True)


def draw(
    file: Path,
    *,
    iers: str,
    at: datetime | None = None,
    before: int = 0,
    after: int = 0,
    state: Path | None = None,
    account: str = "",
) -> None:
    """Write a picture; see `plot`.

    Parameters
    ----------
    file
        To write.
    iers
        Data, as `read` takes them.
    at, before, after
        Of a table that is made for it; without a time that of the running service is marked.
    state
        State file whose table is marked.
    account
        Of the broker.
    """
    from conche.eop.plotting import plot  # here, because only this needs matplotlib

    data = _in_words(lambda: read(iers))
    if at is not None:
        days = days_around(at, before=before, after=after)
        marks = _in_words(lambda: marks_at(days, iers=data))
    else:
        marks = _in_words(lambda: marks_of(_state_table(state) if state else _published(account)))
    try:
        _in_words(lambda: plot(file, iers=data, marks=marks))
    except OSError as error:
        raise click.ClickException(f"{file}: can't be written: {error.strerror or error}") from None
    except ValueError as error:
        raise click.ClickException(f"{file}: {error}") from None
    click.echo(f"wrote {file}", err=True)


def _state_table(state: Path) -> Stored:
    """Return the table of a state file, which is left as it is.

    Raises
    ------
    click.ClickException
        There is none in it.
    """
    try:
        return look(state).table
    except StateUnavailable as error:
        raise click.ClickException(str(error)) from None


def _published(account: str) -> Stored:
    """Return the table that stands on the broker.

    Raises
    ------
    Trouble
        There is none, or no broker; says what to do.
    """
    from .confirming import AWAY
    from .eopline import read_eop
    from .output import Trouble
    from .session import with_client

    try:
        status = with_client(read_eop, account=account, away=AWAY)
    except Trouble as trouble:
        raise Trouble(f"{trouble}; {OFFLINE}", exit_code=AWAY) from None
    if status is None or status.frame0_ns is None or not status.entries:
        raise Trouble(f"no table was published yet; {OFFLINE}", exit_code=AWAY)
    return Stored(status.frame0_ns, tuple(status.entries))


def _in_words(work: Callable[[], ValueT]) -> ValueT:
    try:
        return work()
    except Impossible as error:
        raise click.ClickException(str(error)) from None
