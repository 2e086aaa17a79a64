"""What can go wrong between a process and the time-series database."""

from conche.errors import FatalError


class InfluxError(Exception):
    """The database did not do what it was asked for; says which, and how."""


class InfluxUnreachable(InfluxError):
    """There is no connection, or it was closed before there was an answer."""


class InfluxTimeout(InfluxError):
    """No whole answer in time: what was asked for may have been done, or may still be."""


class InfluxUnavailable(InfluxError):
    """It answers that it can't just now: HTTP 429 or 5xx.

    Parameters
    ----------
    words
        For people.
    retry_after_s
        When it wants to be asked again [s]; None where it does not say.
    """

    def __init__(self, words: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(words)
        self.retry_after_s = retry_after_s


class InfluxRefused(InfluxError):
    """It refuses, and would refuse the same again.

    Parameters
    ----------
    words
        For people, with the database's own in them.
    status
        Of the answer; 200 where only its body says that the question was refused.
    partial
        Whether the points that it does not complain of are stored.
    dropped
        Of how many points it complains; None where it does not say.
    database_missing
        Whether it is InfluxDB 1 and has no such database.
    """

    def __init__(
        self,
        words: str,
        *,
        status: int,
        partial: bool = False,
        dropped: int | None = None,
        database_missing: bool = False,
    ) -> None:
        super().__init__(words)
        self.status = status
        self.partial = partial
        self.dropped = dropped
        self.database_missing = database_missing


class InfluxGarbled(InfluxError):
    """What answers there is no InfluxDB, ends in the middle, or has no end: a page of a proxy, say."""


class InfluxMisconfigured(FatalError):
    """The settings of the database can't be followed; says which, and what to do."""
