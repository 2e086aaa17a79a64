"""Everything that can be asked for beside a login."""

from typing import Final

from conche.gateway.endpoint import Endpoint

from . import chocoapi, commands, document, events, questions, state

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *chocoapi.ENDPOINTS,
    *state.ENDPOINTS,
    *commands.ENDPOINTS,
    *questions.ENDPOINTS,
    *events.ENDPOINTS,
    *document.ENDPOINTS,
)
