"""What can go wrong between a process and the broker."""

from conche.errors import FatalError


class BusError(Exception):
    """Base of everything that can go wrong between a process and the broker."""


class BusUnavailable(BusError):
    """There is no connection now, or it was lost before the broker acknowledged."""


class BusFatal(FatalError, BusError):
    """Trying again would not help: the process ends and says why."""


class BusDenied(BusFatal):
    """The broker refuses the account, or what the account tried to do."""


class PublishDenied(BusDenied):
    """The account may not write the topic."""

    def __init__(self, account: str, topic: str, reason: object) -> None:
        super().__init__(
            f"the broker refuses what the account {account!r} published on {topic}: {reason}; check the access list"
        )


class BusTakenOver(BusFatal):
    """Another process does this one's work."""


class PayloadTooLarge(BusError):
    """A message that no broker would take."""
