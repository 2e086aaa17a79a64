"""One connection of the command line: found by the settings, and every way it can fail said in one line."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import click

from conche.bus.client import BusDenied, BusUnavailable, Client, CommandDenied
from conche.client import AccountDenied, BrokerAway, CommandRefused, Conche, ConcheError, ServiceAway
from conche.client.sending import Progress
from conche.local.broker import OPERATOR
from conche.local.home import BrokerNotFound, find_broker
from conche.settings import Broker

from .output import Trouble

NOT_SENT: Final = 2
"""Exit code: nothing was sent, as where a target is not known or the account's role does not allow it."""
REFUSED: Final = 1
"""Exit code: it was asked for, and a service says no."""
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

_UNREACHABLE: Final = "{}; does conche run there? ./conche.sh up starts it here"
_DENIED: Final = "{}; --account NAME is for another one, conche users list names them"

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
        raise Trouble(_UNREACHABLE.format(without_number(error)), exit_code=away) from None
    except CommandDenied as error:
        raise Trouble(str(error), exit_code=NOT_SENT) from None
    except BusDenied as error:
        raise Trouble(_DENIED.format(error), exit_code=away) from None
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
    except BrokerNotFound as error:
        raise Trouble(str(error), exit_code=away) from None


def with_telescope(
    work: Callable[[Conche], Awaitable[ValueT]],
    *,
    account: str,
    away: int,
    progress: Progress = lambda _: None,
    interrupted: str = "interrupted",
) -> ValueT:
    """Run something with a client of its own.

    Parameters
    ----------
    work
        What to do with it.
    account
        Who is calling.
    away
        Exit code where the broker, or the service that has to answer, can't be reached.
    progress
        Told for whom we wait.
    interrupted
        What is said after Ctrl-C.

    Raises
    ------
    Trouble
        Says what went wrong.
    """
    broker = _broker(away)

    async def main() -> ValueT:
        async with Conche(account=account, broker=broker, progress=progress) as telescope:
            return await work(telescope)

    try:
        return asyncio.run(main())
    except ConcheError as error:
        raise _trouble(error, away) from None
    except KeyboardInterrupt:
        raise Trouble(interrupted, exit_code=INTERRUPTED) from None


def _trouble(error: ConcheError, away: int) -> Trouble:
    match error:
        case BrokerAway():
            return Trouble(_UNREACHABLE.format(without_number(error)), exit_code=away)
        case AccountDenied():
            return Trouble(_DENIED.format(error), exit_code=away)
        case ServiceAway():
            return Trouble(str(error), exit_code=away)
        case CommandRefused():
            return Trouble(_typed(str(error)), exit_code=REFUSED)
    return Trouble(str(error), exit_code=NOT_SENT)


def _typed(words: str) -> str:
    """Return a service's words with what is typed here in the place of what is sent."""
    return words.replace("force: true has", "--force has")
