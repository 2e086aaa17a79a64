"""The exit codes of commands that do something, and the question that comes before."""

import sys
from typing import Final

import click

from .output import Trouble
from .session import NOT_SENT

NOT_OK: Final = 1
AWAY: Final = 3
"""Exit codes: a node is not as was wished; nobody answered, or the broker is away."""


def confirm(what: str) -> None:
    """Ask whether something is to be done.

    Raises
    ------
    Trouble
        The answer is no, or there is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise Trouble(f"{what}: add --yes, there is nobody here to ask", exit_code=NOT_SENT)
    try:
        wanted = click.confirm(f"{what}. Go on?", err=True)
    except click.Abort:  # Ctrl-C, or the end of the input
        wanted = False
        click.echo(err=True)
    if not wanted:
        raise Trouble("nothing was done", exit_code=NOT_SENT)
