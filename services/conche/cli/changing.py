"""How a change of configs is made from the command line: planned, shown, asked for, carried out, told."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import click
from msgspec.json import encode

from conche.client import Conche, Plan, Report
from conche.client.sending import TIMEOUT_S
from conche.contract import EditAction, UpdatableConfig

from . import planned, results
from .confirming import AWAY, NOT_OK, confirm
from .delivery import ask_for_plan, deliver_change
from .output import Trouble, count, names_of, plain, show
from .session import ACCOUNT, AS_JSON

REASON = click.option("--reason", help="Why; it stands in the history.")
ONLY_PLAN = click.option("--plan", "only_plan", is_flag=True, help="Show what it would do, and do nothing.")
YES = click.option("--yes", is_flag=True, help="Don't ask before several nodes are restarted.")
TIMEOUT = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=TIMEOUT_S,
    show_default=True,
    help="How long to wait for answers [s]; nobody begins with it later than that.",
)

_ROLLBACKS: Final = (EditAction.ROLLBACK, EditAction.ROLLBACK_DIRECTORY)

NAMED_FILES: Final = 2
"""Files of a commit that are named where it is told how to take it back."""

EPILOG: Final = """Exit codes: 0 if every node is as wished, or gets it when it is started; 1 if one is not, or it
is refused; 2 if nothing was sent, as for an unknown name, or without a yes; 3 if nobody answered, or the broker is
away."""


def options_of(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of every change of configs."""
    for option in (ACCOUNT, AS_JSON, TIMEOUT, YES, ONLY_PLAN, REASON):
        command = option(command)
    return command


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a change is to be made.

    Parameters
    ----------
    only_plan
        Whether nothing is to be done.
    yes
        Whether nothing is asked.
    as_json
        For programs.
    account
        Who is calling.
    timeout
        When to give up [s].
    always_ask
        Whether it is asked for however little it does.
    """

    only_plan: bool
    yes: bool
    as_json: bool
    account: str
    timeout: float = TIMEOUT_S
    always_ask: bool = False


def propose(make: Callable[[Conche], Awaitable[Plan]], manner: Manner) -> None:
    """Plan a change, show it, and, unless that is all that was wanted, ask and carry it out.

    Parameters
    ----------
    make
        Plans it.
    manner
        How it is to be made.

    Raises
    ------
    Trouble
        Nothing was changed, and why; or nothing is known of it any more.
    SystemExit
        It was carried out, and a node is not as wished.
    """
    plan = ask_for_plan(make, account=manner.account, away=AWAY)
    if not manner.as_json:
        show(planned.blocks_of(plan), stderr=not manner.only_plan)
    if manner.only_plan or not _has_effect(plan):
        _end(plan, None, manner)
        return
    _stop_if_broken(plan)
    if not manner.yes:
        _ask(plan, always=manner.always_ask)
    report = deliver_change(plan, timeout=manner.timeout, account=manner.account, away=AWAY)
    _end(plan, report, manner)


def _has_effect(plan: Plan) -> bool:
    """Return whether there is anything to carry out: values may be forced that are stored already."""
    return bool(plan.files) or any(
        isinstance(edit, UpdatableConfig) and edit.force for _, edit in plan.wish.parcels
    )


def _ask(plan: Plan, *, always: bool) -> None:
    risk = planned.risk_of(plan)
    if risk is not None or always:
        confirm(risk or f"This {planned.sum_of(plan)}")


def _end(plan: Plan, report: Report | None, manner: Manner) -> None:
    if manner.as_json:
        click.echo(encode(_as_object(plan, report)))
    elif report is not None:
        show(results.blocks_of(plan.wish.action, report))
        for words in report.warnings:
            click.echo(plain(words), err=True)
        if report.commits:
            click.echo(_commits(plan, report), err=True)
    if report is None and plan.broken:
        raise SystemExit(NOT_OK)
    if report is not None and not report.ok:
        raise SystemExit(AWAY if report.is_silent else NOT_OK)


def _commits(plan: Plan, report: Report) -> str:
    """Return what was committed, and how it is taken back."""
    names = [commit[:8] for commit in report.commits]
    if len(names) > 1:
        return f"{count(len(names), 'commit')}: {', '.join(names)}; conche log shows them"
    if plan.wish.action in _ROLLBACKS or len(plan.files) > NAMED_FILES:
        return f"commit {names[0]}; conche show {names[0]} shows it"
    return f"commit {names[0]}; back again: conche rollback {names[0]}~ {' '.join(plan.files)}"


def _as_object(plan: Plan, report: Report | None) -> dict[str, Any]:
    told: dict[str, Any] = {"plan": planned.as_object(plan)}
    if report is None:
        return {"action": plan.wish.action, "ok": not plan.broken, **told}
    outcome = results.as_object(plan.wish.action, report)
    return {**outcome, "commits": report.commits, "warnings": report.warnings, **told}


def _stop_if_broken(plan: Plan) -> None:
    """Refuse to send what would be refused.

    Raises
    ------
    Trouble
        Nodes would have no config.
    """
    if plan.broken:
        whom = names_of(plan.broken)
        raise Trouble(f"nothing was changed: {whom} would have no config", exit_code=NOT_OK)
