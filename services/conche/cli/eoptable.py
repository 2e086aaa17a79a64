"""`conche eop table` and `plot`: the arithmetic of the service, without it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click
from msgspec.json import encode, format

from conche.eop.making import Impossible, make, read
from conche.eop.table import days_around

ValueT = TypeVar("ValueT")


def show_table(frame0_ns: int, *, at: datetime, before: int, after: int, iers: str, as_json: bool) -> None:
    """Print a table; see `make`."""
    made = _in_words(
        lambda: make(frame0_ns, iers=read(iers), now=datetime.now(UTC), at=at, before=before, after=after)
    )
    if as_json:
        click.echo(format(encode(made.table.entries), indent=2))
        return
    click.echo(f"{'UTC':<10}  {'t_inst_ns':>19}  {'delta_UT1_inst':>14}  {'xp_as':>9}  {'yp_as':>9}")
    for entry in made.table.entries:
        midnight = made.base.utc_of(entry.t_inst_ns)
        guess = made.iers.predicted_from is not None and midnight >= made.iers.predicted_from
        click.echo(
            f"{midnight:%Y-%m-%d}  {entry.t_inst_ns:>19}  {entry.delta_UT1_inst:>14.7f}  {entry.xp_as:>9.6f}  "
            f"{entry.yp_as:>9.6f}{'  predicted' if guess else ''}"
        )
    click.echo(f"{made.iers.source}, measured to {made.iers.measured_to:%Y-%m-%d}", err=True)


def draw(file: Path, *, at: datetime, before: int, after: int, iers: str) -> None:
    """Write a picture; see `plot`."""
    from conche.eop.plotting import plot  # here, because only this needs matplotlib

    data = _in_words(lambda: read(iers))
    days = days_around(at, before=before, after=after)
    try:
        _in_words(lambda: plot(file, iers=data, days=days))
    except OSError as error:
        raise click.ClickException(f"{file}: can't be written: {error.strerror or error}") from None
    except ValueError as error:
        raise click.ClickException(f"{file}: {error}") from None
    click.echo(f"wrote {file}", err=True)


def _in_words(work: Callable[[], ValueT]) -> ValueT:
    try:
        return work()
    except Impossible as error:
        raise click.ClickException(str(error)) from None
