"""What the handlers have to answer with."""

from dataclasses import dataclass

from conche.bus import Bus
from conche.settings import Settings

from .logins import Logins
from .sessions import Sessions
from .telescope import Telescope
from .tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the gateway has; made once, in ``main``.

    Parameters
    ----------
    settings
        Of all services.
    bus
        The connection to the broker.
    telescope
        What is so, who is commanded, and what happens.
    sessions, tokens
        Who has shown who he is.
    logins
        Whether a password is right.
    """

    settings: Settings
    bus: Bus
    telescope: Telescope
    sessions: Sessions
    tokens: Tokens
    logins: Logins
