"""`conche eop`: the Earth-orientation table, of the running service and without one."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from .lazy import load

OWN_HELP: Final = """\
Exit codes: 0 if it is as was wished; 1 if not; 2 for a wrong option; 3 if the service or the broker is away."""


YEARS: Final = range(1900, 2200)
"""What lies beyond is a slip of the finger; IERS data begin in 1962."""


class At(click.ParamType[datetime]):
    """A time with its zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time, or fail with the remedy."""
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time: say 2026-11-21T17:30Z", param, ctx)
        if at.tzinfo is None:
            self.fail(f"{value!r} has no zone: add Z for UTC", param, ctx)
        if at.year not in YEARS:
            words = f"{value!r}: a table can be made for the years {YEARS[0]} to {YEARS[-1]} at most"
            self.fail(words, param, ctx)
        return at.astimezone(UTC)


AT = click.option("--at", type=At(), help="Around which time, such as 2026-11-21T17:30Z.")
BEFORE = click.option(
    "--before", type=click.IntRange(0, 1000), default=2, show_default=True, help="Whole days before."
)
AFTER = click.option(
    "--after", type=click.IntRange(0, 1000), default=2, show_default=True, help="Whole days after."
)
IERS = click.option(
    "--iers",
    default="bundled",
    show_default=True,
    metavar="bundled|b|FILE",
    help="Data: finals2000A or (b) eopc04 of the installed astropy-iers-data, or a file in one of these formats.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
ACCOUNT = click.option(
    "--account", envvar="CONCHE_ACCOUNT", default="operator", show_default=True, help="Broker account."
)


@click.group(invoke_without_command=True, epilog=OWN_HELP)
@AS_JSON
@ACCOUNT
@click.pass_context
def eop(ctx: click.Context, *, as_json: bool, account: str) -> None:
    """Show the Earth-orientation table: whether it is fresh, who has it, and when it is built again."""
    if ctx.invoked_subcommand is None:
        load("conche.cli.eopstate:show_state", command="eop", extra="cli")(as_json=as_json, account=account)


@eop.command()
@click.option("--dry-run", is_flag=True, help="Show what would be pushed, and push nothing.")
@AS_JSON
@ACCOUNT
def run(*, dry_run: bool, as_json: bool, account: str) -> None:
    """Build the table now, and have it pushed to every node that it concerns."""
    runner = load("conche.cli.eopstate:run_now", command="eop", extra="cli")
    runner(dry_run=dry_run, as_json=as_json, account=account)


@eop.command()
@click.option("--frame0-ns", type=int, required=True, help="First frame, UNIX time in ns.")
@AT
@BEFORE
@AFTER
@IERS
@AS_JSON
def table(*, frame0_ns: int, at: datetime | None, before: int, after: int, iers: str, as_json: bool) -> None:
    """Compute a table here, without broker and service."""
    show = load("conche.cli.eoptable:show_table", command="eop", extra="eop")
    show(frame0_ns, at=at or datetime.now(UTC), before=before, after=after, iers=iers, as_json=as_json)


@eop.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@AT
@click.option(
    "--state",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Mark the entries of a state file, such as .conche/eop/eop.json.",
)
@BEFORE
@AFTER
@IERS
@ACCOUNT
def plot(
    *,
    file: Path,
    at: datetime | None,
    state: Path | None,
    before: int,
    after: int,
    iers: str,
    account: str,
) -> None:
    """Draw UT1 - UTC and polar motion around the published table into FILE, such as eop.png.

    The entries that are marked are those that the service has published. Without a broker, --state FILE takes them from
    a state file, and --at TIME marks a table as it would be made now.
    """
    if state is not None and at is not None:
        raise click.UsageError("--at makes a table and --state reads one: give one of them")
    draw = load("conche.cli.eoptable:draw", command="eop plot", extra="eop,plot")
    if at is not None:
        draw(file, iers=iers, at=at, before=before, after=after)
    else:
        draw(file, iers=iers, state=state, account=account)
