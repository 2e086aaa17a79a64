"""`conche start`, `stop`, `maintenance` and `resync`: wishes of an operator, and what has become of them."""

import sys
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

import click
from msgspec.json import encode

from conche.contract import Arguments, Resync, SetMaintenance, SetStarted

from .delivery import deliver
from .output import Trouble, count, show
from .picture import read_picture
from .results import as_object, blocks_of
from .session import ACCOUNT, AS_JSON, registry_of, targets_of, with_client
from .targets import Targets
from .times import Until

NOT_OK: Final = 1
NOT_SENT: Final = 2
AWAY: Final = 3
"""Exit codes: a node is not as was wished; nothing was sent; nobody answered, or the broker is away."""

TIMEOUT_S: Final = 70.0
"""A worker answers within 60 s, whatever has become of it."""

TARGETS = click.argument("words", metavar="TARGET...", nargs=-1, required=True)
REASON = click.option("--reason", help="Why; it stands in logs and, with maintenance, in the status.")
TIMEOUT = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=TIMEOUT_S,
    show_default=True,
    help="How long to wait for answers [s]; nobody begins with it later than that.",
)
YES = click.option("--yes", is_flag=True, help="Don't ask before several nodes are stopped or restarted.")

EPILOG: Final = """TARGET is a node (cx/cx27), a group (cx), a pattern ('cx/cx1?', in quotes), or all.

Exit codes: 0 if every node is as was wished; 1 if one is not; 2 if nothing was sent, as for an unknown TARGET; 3 if
nobody answered, or the broker is away."""


@click.command(epilog=EPILOG)
@TARGETS
@REASON
@TIMEOUT
@AS_JSON
@ACCOUNT
def start(*, words: tuple[str, ...], reason: str | None, **options: Any) -> None:
    """Have nodes run their desired config, now and from now on."""
    _carry_out("set_started", SetStarted(started=True, reason=reason), words, asked=None, **options)


@click.command(epilog=EPILOG)
@TARGETS
@REASON
@TIMEOUT
@YES
@AS_JSON
@ACCOUNT
def stop(*, words: tuple[str, ...], reason: str | None, yes: bool, **options: Any) -> None:
    """Have nodes stop, and stay stopped until somebody says start."""
    asked = None if yes else "This stops"
    _carry_out("set_started", SetStarted(started=False, reason=reason), words, asked=asked, **options)


@click.command(epilog=EPILOG)
@click.argument("switch", metavar="on|off", type=click.Choice(["on", "off"]))
@TARGETS
@REASON
@click.option(
    "--until", type=Until(), help="When it ends by itself: 90m, 2h, 3d, 17:30Z, or date, time and zone."
)
@TIMEOUT
@AS_JSON
@ACCOUNT
def maintenance(
    *,
    switch: Literal["on", "off"],
    words: tuple[str, ...],
    reason: str | None,
    until: datetime | None,
    **options: Any,
) -> None:
    """Take nodes out of conche's hands (on), or give them back (off).

    Nothing is written to a node in maintenance, by anyone.
    """
    if until is not None and switch == "off":
        raise click.UsageError("--until goes with maintenance on")
    wish = SetMaintenance(maintenance=switch == "on", until=until, reason=reason)
    _carry_out("set_maintenance", wish, words, asked=None, **options)


@click.command(epilog=EPILOG)
@TARGETS
@REASON
@TIMEOUT
@YES
@AS_JSON
@ACCOUNT
def resync(*, words: tuple[str, ...], reason: str | None, yes: bool, **options: Any) -> None:
    """Restart nodes with their desired config, even those that run it.

    Lifts holds, rejections and back-off.
    """
    asked = None if yes else "This restarts"
    _carry_out("resync", Resync(reason=reason), words, asked=asked, **options)


def _carry_out(
    action: str,
    arguments: Arguments,
    words: tuple[str, ...],
    *,
    asked: str | None,
    timeout: float,
    as_json: bool,
    account: str,
) -> None:
    picture = with_client(partial(read_picture, statuses=False), account=account, away=AWAY)
    targets = targets_of(words, registry_of(picture, away=AWAY))
    if asked is not None:
        _ask(asked, targets)
    report = deliver(
        action, arguments, picture=picture, targets=targets, timeout=timeout, account=account, away=AWAY
    )
    if as_json:
        click.echo(encode(as_object(action, report)))
    else:
        show(blocks_of(action, report))
    if not report.ok:
        raise SystemExit(AWAY if report.is_silent else NOT_OK)


def _ask(words: str, targets: Targets) -> None:
    """Ask before more than one node is touched.

    Raises
    ------
    Trouble
        The answer is no, or there is nobody to ask.
    """
    total = sum(len(chosen.nodes) for chosen in targets.values())
    if total <= 1:
        return
    groups = ", ".join(f"{len(chosen.nodes)} of {group}" for group, chosen in targets.items())
    what = f"{words} {count(total, 'node')} ({groups})"
    if not sys.stdin.isatty():
        raise Trouble(f"{what}: add --yes, there is nobody here to ask", exit_code=NOT_SENT)
    if not click.confirm(f"{what}. Go on?", err=True):
        raise Trouble("nothing was done", exit_code=NOT_SENT)
