"""One connection of the command line: found by the settings, and every way it can fail said in one line."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import click

from conche.bus.client import BusDenied, BusUnavailable, Client
from conche.contract import Registry
from conche.local.broker import OPERATOR
from conche.local.home import find_broker
from conche.settings import Broker

from .output import Trouble
from .picture import Picture
from .targets import Targets, TargetUnknown, resolve

UNKNOWN_TARGET: Final = 2
INTERRUPTED: Final = 130
"""As a shell has it for Ctrl-C."""

ACCOUNT = click.option(
    "--account",
    envvar="CONCHE_ACCOUNT",
    default=OPERATOR,
    show_default=True,
    show_envvar=True,
    help="Broker account; commands bear its name.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")

ValueT = TypeVar("ValueT")


def with_client(
    work: Callable[[Client], Awaitable[ValueT]], *, account: str, away: int, interrupted: str = "interrupted"
) -> ValueT:
    """Run something on a connection to the broker.

    Parameters
    ----------
    work
        What to do with it.
    account
        Who is calling.
    away
        Exit code where the broker can't be reached.
    interrupted
        What is said after Ctrl-C.

    Raises
    ------
    Trouble
        Says what went wrong.
    """
    broker = _broker(away)
    try:
        return asyncio.run(_work(work, broker, account))
    except BusUnavailable as error:
        words = re.sub(r"\[Errno -?\d+\] ", "", str(error))
        raise Trouble(
            f"{words}; does conche run there? ./conche.sh up starts it here", exit_code=away
        ) from None
    except BusDenied as error:
        raise Trouble(f"{error}; --account NAME is for another one", exit_code=away) from None
    except KeyboardInterrupt:
        raise Trouble(interrupted, exit_code=INTERRUPTED) from None


async def _work(work: Callable[[Client], Awaitable[ValueT]], broker: Broker, account: str) -> ValueT:
    async with Client(broker, account=account) as client:
        return await work(client)


def _broker(away: int) -> Broker:
    try:
        return find_broker()
    except click.ClickException as error:
        raise Trouble(error.message, exit_code=away) from None


def registry_of(picture: Picture, *, away: int) -> Registry:
    """Return the registry.

    Raises
    ------
    Trouble
        There is none.
    """
    if picture.registry is None:
        raise Trouble(
            "there is no registry: the renderer has not published any; conche status says more",
            exit_code=away,
        )
    return picture.registry


def targets_of(words: tuple[str, ...], registry: Registry) -> Targets:
    """Return the nodes that words name.

    Raises
    ------
    Trouble
        A word names nothing.
    """
    try:
        return resolve(words, registry.groups, error=registry.error)
    except TargetUnknown as error:
        raise Trouble(str(error), exit_code=UNKNOWN_TARGET) from None
