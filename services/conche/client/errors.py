"""What can go wrong for somebody who uses the client; every error says in words what happened and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from conche.bus.client import BusDenied, BusUnavailable, CommandDenied, PayloadTooLarge


class ConcheError(Exception):
    """Base of everything that the client raises."""


class BrokerAway(ConcheError):
    """The broker can't be found or reached, or the connection was lost: what was sent may still be carried out."""


class AccountDenied(ConcheError):
    """The broker refuses the account or its password."""


class RoleMissing(ConcheError):
    """The account's role does not allow this; says which role would. Nothing was done."""


class ServiceAway(ConcheError):
    """The service that would have to answer is not there, or did not answer in time."""


class TargetUnknown(ConcheError):
    """Nothing in the registry is called so; the words name what is near. Nothing was done."""


class CommandRefused(ConcheError):
    """The service says no, in its words. Nothing was done."""


class CommandTooLarge(ConcheError):
    """No broker would take it: it has to be said in several commands. It was not sent."""


class ValuesIncomplete(ConcheError):
    """Values that don't make a whole block: its keys are not known, or nodes differ in those left out."""


@contextmanager
def in_words() -> Iterator[None]:
    """Turn what the bus raises into errors of the client."""
    try:
        yield
    except BusUnavailable as error:
        raise BrokerAway(str(error)) from error
    except PayloadTooLarge as error:
        raise CommandTooLarge(
            f"too large to be sent: {error}; change fewer files at a time, and large ones one by one"
        ) from error
    except CommandDenied as error:
        raise RoleMissing(str(error)) from error
    except BusDenied as error:
        raise AccountDenied(str(error)) from error
