"""`conche start`, `stop`, `maintenance` and `resync`: wishes of an operator, and what has become of them."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, Literal

import click
from msgspec.json import encode

from conche.client import Conche, Report
from conche.client.conche import Whom
from conche.client.sending import TIMEOUT_S
from conche.client.targets import Targets
from conche.contract import NodeStatus

from .confirming import AWAY, NOT_OK, confirm
from .consequences import counted, in_words
from .delivery import deliver
from .output import count, show
from .results import as_object, blocks_of
from .session import ACCOUNT, AS_JSON, with_telescope
from .targets import TARGETS
from .times import Until

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
def start(*, words: tuple[str, ...], reason: str | None, timeout: float, **options: Any) -> None:
    """Have nodes run their desired config, now and from now on."""
    _carry_out(
        "set_started",
        lambda telescope, whom: telescope.start(whom, reason=reason, timeout=timeout),
        whom=words,
        **options,
    )


@click.command(epilog=EPILOG)
@TARGETS
@REASON
@TIMEOUT
@YES
@AS_JSON
@ACCOUNT
def stop(*, words: tuple[str, ...], reason: str | None, yes: bool, timeout: float, **options: Any) -> None:
    """Have nodes stop, and stay stopped until somebody says start."""
    _carry_out(
        "set_started",
        lambda telescope, whom: telescope.stop(whom, reason=reason, timeout=timeout),
        whom=words if yes else _confirmed(words, "This stops", account=options["account"]),
        **options,
    )


@click.command(epilog=EPILOG)
@click.argument("switch", metavar="on|off", type=click.Choice(["on", "off"]))
@TARGETS
@REASON
@click.option(
    "--until", type=Until(), help="When it ends by itself: 90m, 2h, 3d, 17:30Z, or date, time and zone."
)
@TIMEOUT
@YES
@AS_JSON
@ACCOUNT
def maintenance(
    *,
    switch: Literal["on", "off"],
    words: tuple[str, ...],
    reason: str | None,
    until: datetime | None,
    yes: bool,
    timeout: float,
    **options: Any,
) -> None:
    """Take nodes out of conche's hands (on), or give them back (off).

    Nothing is written to a node in maintenance, by anyone. Given back, a node is started, stopped or restarted if it is
    not as it should be; of more than one that is asked for.
    """
    if until is not None and switch == "off":
        raise click.UsageError("--until goes with maintenance on")
    _carry_out(
        "set_maintenance",
        lambda telescope, whom: telescope.maintenance(
            whom, on=switch == "on", until=until, reason=reason, timeout=timeout
        ),
        whom=words if yes or switch == "on" else _confirmed_back(words, account=options["account"]),
        **options,
    )


@click.command(epilog=EPILOG)
@TARGETS
@REASON
@TIMEOUT
@YES
@AS_JSON
@ACCOUNT
def resync(*, words: tuple[str, ...], reason: str | None, yes: bool, timeout: float, **options: Any) -> None:
    """Restart nodes with their desired config, even those that run it.

    Lifts holds, rejections and back-off.
    """
    _carry_out(
        "resync",
        lambda telescope, whom: telescope.resync(whom, reason=reason, timeout=timeout),
        whom=words if yes else _confirmed(words, "This restarts", account=options["account"]),
        **options,
    )


def _carry_out(
    action: str,
    work: Callable[[Conche, Whom], Awaitable[Report]],
    *,
    whom: Whom,
    as_json: bool,
    account: str,
) -> None:
    report = deliver(lambda telescope: work(telescope, whom), account=account, away=AWAY)
    if as_json:
        click.echo(encode(as_object(action, report)))
    else:
        show(blocks_of(action, report))
    if not report.ok:
        raise SystemExit(AWAY if report.is_silent else NOT_OK)


def _confirmed(words: tuple[str, ...], what: str, *, account: str) -> Targets:
    """Return the nodes that are meant; more than one are asked for.

    Raises
    ------
    Trouble
        The answer is no, or there is nobody to ask.
    """
    targets = with_telescope(lambda telescope: telescope.find(words), account=account, away=AWAY)
    if _total(targets) > 1:
        confirm(f"{what} {_named(targets)}")
    return targets


def _confirmed_back(words: tuple[str, ...], *, account: str) -> Targets:
    """Return the nodes that are given back; where conche then does something to more than one, that is asked for.

    Raises
    ------
    Trouble
        The answer is no, or there is nobody to ask.
    """

    async def look(telescope: Conche) -> tuple[Targets, dict[str, NodeStatus]]:
        return await telescope.find(words), await telescope.status(words)

    targets, statuses = with_telescope(look, account=account, away=AWAY)
    counts = counted(statuses.values())
    if sum(counts.values()) > 1:
        confirm("; ".join([f"This gives conche {_named(targets)}", *in_words(counts)]))
    return targets


def _total(targets: Targets) -> int:
    return sum(len(chosen.nodes) for chosen in targets.values())


def _named(targets: Targets) -> str:
    groups = ", ".join(f"{len(chosen.nodes)} of {group}" for group, chosen in targets.items())
    return f"{count(_total(targets), 'node')} ({groups})"
