"""One line for each request: who did what, and how it went; nothing secret is in it."""

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct
from msgspec.json import encode

LOGGER: Final = "conche.gateway.access"
LONGEST_PATH: Final = 500

Write = Callable[[str], None]


class Line(Struct, frozen=True, kw_only=True):
    """A request that was answered.

    Parameters
    ----------
    at
        When it was.
    who, via
        Who asked, and how that is known; null for nobody that is known.
    address
        Of the other end; ``-`` for the Unix socket.
    method, path
        What was asked for, without what is behind the question mark.
    status
        Of the answer.
    ms
        How long it took [ms].
    bytes
        Of the body of the answer.
    """

    at: datetime
    who: str | None
    via: str | None
    address: str
    method: str
    path: str
    status: int
    ms: float
    bytes: int

    def text(self) -> str:
        """Return it as JSON."""
        return encode(self).decode()


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def to_standard_output() -> Write:
    """Return what writes lines to standard output: the other log goes to standard error."""
    access = logging.getLogger(LOGGER)
    access.propagate = False
    access.setLevel(logging.INFO)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    access.handlers = [handler]
    return lambda line: access.info("%s", line)
