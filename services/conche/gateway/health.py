"""Whether the gateway is alive, for whoever restarts it."""

from typing import Final

from aiohttp import web
from msgspec import Struct

from .endpoint import Ask, Endpoint, answer


class Health(Struct, frozen=True):
    """How the gateway is.

    Parameters
    ----------
    alive
        Always: it answers.
    connected
        Whether the broker is there, and what it holds is known.
    """

    alive: bool
    connected: bool


async def tell_health(ask: Ask) -> web.Response:
    """Tell whether commands and states go through."""
    connected = ask.desk.bus.connected
    return answer(Health(alive=True, connected=connected), status=200 if connected else 503)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/healthz",
        least=None,
        handler=tell_health,
        summary="Whether the gateway is alive, and connected to the broker.",
        gives={200: Health, 503: Health},
        tag="service",
    ),
)
