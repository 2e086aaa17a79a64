"""Everything that can be asked for: the one table, from which all else about HTTP is made."""

from typing import Final

from .api.endpoints import ENDPOINTS as API
from .authentication import ENDPOINTS as AUTHENTICATION
from .endpoint import Endpoint
from .health import ENDPOINTS as HEALTH

ENDPOINTS: Final[tuple[Endpoint, ...]] = (*HEALTH, *AUTHENTICATION, *API)
"""Another one is one more row; nothing else has a route."""
