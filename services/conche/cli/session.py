"""One connection of the command line: found by the settings, and every way it can fail said in one line."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import click

from conche.bus.client import BusDenied, BusUnavailable, Client
from conche.contract import ALL, Registry
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

    async def connected(broker: Broker) -> ValueT:
        async with Client(broker, account=account) as client:
            return await work(client)

    return with_broker(connected, away=away, interrupted=interrupted)


def with_broker(work: Callable[[Broker], Awaitable[ValueT]], *, away: int, interrupted: str | None) -> ValueT:
    """Run something that connects to the broker by itself.

    Parameters and errors are those of `with_client`; where Ctrl-C is the usual end, nothing is said after it.
    """
    broker = _broker(away)

    async def main() -> ValueT:
        return await work(broker)

    try:
        return asyncio.run(main())
    except BusUnavailable as error:
        raise Trouble(
            f"{without_number(error)}; does conche run there? ./conche.sh up starts it here", exit_code=away
        ) from None
    except BusDenied as error:
        raise Trouble(f"{error}; --account NAME is for another one", exit_code=away) from None
    except KeyboardInterrupt:
        if interrupted is None:
            raise SystemExit(INTERRUPTED) from None
        raise Trouble(interrupted, exit_code=INTERRUPTED) from None


def without_number(error: object) -> str:
    """Return the words of an error without the number that the system has for it."""
    return re.sub(r"\[Errno -?\d+\] ", "", str(error))


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


def shown_of(words: tuple[str, ...], picture: Picture) -> Targets:
    """Return the nodes that are shown: those of the registry, and those of which something is left.

    Raises
    ------
    Trouble
        A word names nothing.
    """
    groups = picture.groups()
    if not words and not any(groups.values()):
        return {}
    error = picture.registry.error if picture.registry else "there is none"
    try:
        return resolve(words or (ALL,), groups, error=error)
    except TargetUnknown as unknown:
        raise Trouble(str(unknown), exit_code=UNKNOWN_TARGET) from None
